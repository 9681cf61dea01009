namespace Gpt35.Kernels;

public static unsafe partial class PagedAttention
{
    /// <summary>Numbers to store that are not worth waking another thread for.</summary>
    private const int NumbersOfOneThread = 32_768;

    /// <summary>
    /// Stores the keys and values of sequences with several new rows, which other rows read; a part is some rows of the step. A row that is alone is stored by the strip that
    /// reads it, whose thread has the lines of its block in the cache then.
    /// </summary>
    private readonly struct StoreJob<F>(float* qkv, KvPages pages, PagedSequences sequences, AttentionShape shape) : IParallelJob where F : struct, IKvFormat
    {
        private int RowsOfPart => Math.Max(1, NumbersOfOneThread / 2 / shape.KeyValueWidth);

        internal void Start(WorkerPool pool)
        {
            if (sequences.AllRows > sequences.Count) pool.Run(Simd.Pieces(sequences.AllRows, RowsOfPart), this);
        }

        public void Run(int part)
        {
            int first = part * RowsOfPart, end = Math.Min(first + RowsOfPart, sequences.AllRows), sequence = 0;
            while (first >= sequences.Start(sequence) + sequences.Rows(sequence)) sequence++;
            for (; sequence < sequences.Count && sequences.Start(sequence) < end; sequence++)
            {
                if (sequences.Rows(sequence) == 1) continue;
                int start = sequences.Start(sequence), from = Math.Max(first, start), to = Math.Min(end, start + sequences.Rows(sequence));
                // A head's tokens one after the other: those of a block share its cache lines.
                for (var group = 0; group < shape.KeyValueHeads; group++)
                    for (var row = from; row < to; row++) Store(qkv, pages, shape, row, sequences.Table(sequence), sequences.Held(sequence) + row - start, group);
            }
        }

        /// <summary>Stores one head of a row.</summary>
        internal static void Store(float* qkv, KvPages pages, AttentionShape shape, int row, int* table, int position, int group)
        {
            int block = table[position / KvPages.BlockTokens], place = position % KvPages.BlockTokens, size = shape.HeadSize;
            var from = qkv + (nint)row * shape.QkvWidth;
            byte* keys = pages.Keys(block, group), values = pages.Values(block, group);
            var keyScale = F.Write(from + shape.KeyColumn(group), size, keys, place, KvPages.BlockTokens);
            var valueScale = F.Write(from + shape.ValueColumn(group), size, values, (nint)place * size, 1);
            if (!F.HasScales) return;
            ((float*)(keys + pages.Layout.NumbersBytes))[place] = keyScale;
            ((float*)(values + pages.Layout.NumbersBytes))[place] = valueScale;
        }
    }
}

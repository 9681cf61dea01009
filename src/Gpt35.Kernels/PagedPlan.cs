namespace Gpt35.Kernels;

/// <summary>Some new rows of a sequence with the query heads of one group: they share every key and value they meet.</summary>
/// <param name="Sequence">Which sequence.</param>
/// <param name="Group">Which key/value head.</param>
/// <param name="Row">The strip's first row, as a row of the step.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Position">Place of the first row's token in its sequence.</param>
internal readonly record struct PagedStrip(int Sequence, int Group, int Row, int Rows, int Position)
{
    /// <summary>Place of the last row's token.</summary>
    internal int Last => Position + Rows - 1;

    /// <summary>Whether the sequence has no other new row.</summary>
    internal bool IsAlone(PagedSequences sequences) => sequences.Rows(Sequence) == 1;
}

/// <summary>The work of a step, cut into parts of about equal cost: strips in the order of sequence, group and row.</summary>
internal readonly unsafe struct PagedPlan
{
    /// <summary>Query heads of rows that a strip takes at most: whole tiles of 12 and 6; so many that copying keys and values for them costs little.</summary>
    private const int PairsOfStrip = 120;
    /// <summary>Multiply-adds per product that are not worth waking another thread for.</summary>
    private const long LeastCost = 10_000;
    /// <summary>A key and a value to store take as long as the multiply-adds with so many keys: each number of the key lies in a line of its own.</summary>
    private const int KeysOfStoring = 20;
    /// <summary>Parts of a thread, so that those that finish early find more.</summary>
    private const int PartsPerThread = 8;

    private readonly PagedSequences sequences;
    private readonly AttentionShape shape;
    private readonly int rowsOfStrip;
    /// <summary>The sequence and strip that each part begins with, and the end of all, (parts + 1, 2).</summary>
    private readonly int* begins;

    /// <summary>Valid until the calling thread makes the next.</summary>
    internal PagedPlan(PagedSequences sequences, AttentionShape shape, int threads)
    {
        (this.sequences, this.shape, rowsOfStrip) = (sequences, shape, Math.Max(1, PairsOfStrip / shape.HeadsPerGroup));
        long all = 0;
        for (var sequence = 0; sequence < sequences.Count; sequence++)
            for (var strip = 0; strip < StripsOfGroup(sequence); strip++) all += shape.KeyValueHeads * Cost(Strip(sequence, strip));
        var most = threads == 1 ? 1 : (int)Math.Clamp(all / LeastCost, 1, (long)threads * PartsPerThread);
        begins = (int*)Scratch.ForCall(2 * (most + 1));
        begins[0] = begins[1] = 0;
        Parts = 1;
        if (most > 1) Parts = Divide(all, most);
        begins[2 * Parts] = sequences.Count;
        begins[2 * Parts + 1] = 0;
    }

    internal int Parts { get; }

    internal (int Sequence, int Strip) Begin(int part) => (begins[2 * part], begins[2 * part + 1]);

    /// <summary>Strips of a sequence.</summary>
    internal int Strips(int sequence) => shape.KeyValueHeads * StripsOfGroup(sequence);

    internal PagedStrip Strip(int sequence, int strip)
    {
        int row = strip % StripsOfGroup(sequence) * rowsOfStrip, group = strip / StripsOfGroup(sequence);
        return new(sequence, group, sequences.Start(sequence) + row, Math.Min(rowsOfStrip, sequences.Rows(sequence) - row), sequences.Held(sequence) + row);
    }

    private int StripsOfGroup(int sequence) => Simd.Pieces(sequences.Rows(sequence), rowsOfStrip);

    /// <summary>Multiply-adds of one of the two products, or what takes as long.</summary>
    private long Cost(PagedStrip strip)
    {
        var products = (long)strip.Rows * shape.HeadsPerGroup * shape.HeadSize * (strip.Last + 1 - shape.FirstKey(strip.Position));
        return strip.IsAlone(sequences) ? products + KeysOfStoring * shape.HeadSize : products;
    }

    private int Divide(long all, int most)
    {
        var parts = 1;
        long done = 0;
        for (var sequence = 0; sequence < sequences.Count; sequence++)
            for (var strip = 0; strip < Strips(sequence); strip++)
            {
                if (parts < most && done * most >= parts * all)
                {
                    begins[2 * parts] = sequence;
                    begins[2 * parts++ + 1] = strip;
                }
                done += Cost(Strip(sequence, strip));
            }
        return parts;
    }
}

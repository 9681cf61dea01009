using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// Causal attention of new tokens over keys and values that lie in blocks (Kwon et al. 2023): what <see cref="CausalAttention"/> computes, with
/// the past in a cache. A row's result has bits that depend on its own sequence alone, and not on how many of its tokens are new, on threads, on tiles or
/// on the tier; over a cache in F32 they are those of <see cref="CausalAttention"/>.
/// </summary>
/// <remarks>
/// The order of its operations is that of <see cref="SoftmaxSections"/>: one query that reads the blocks where they lie and a tile of twelve that meets a
/// copy have the same bits. A number of a reduced cache is what is stored, exactly; its scale meets the score, or the weight.
/// </remarks>
public static unsafe partial class PagedAttention
{
    /// <summary>Puts the keys and values of the new tokens into their blocks, in the blocks' precision; then attention of every new token over what its sequence holds up to it.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="qkv">(T, (H + 2G)·K).</param>
    /// <param name="pages">Keys and values so far.</param>
    /// <param name="sequences">Whose rows they are; the tables reach as far as the new tokens do.</param>
    /// <param name="shape">Heads and window.</param>
    /// <param name="o">Receives (T, H·K).</param>
    public static void Forward(WorkerPool pool, float* qkv, KvPages pages, PagedSequences sequences, AttentionShape shape, float* o)
    {
        switch (pages.Layout.Precision)
        {
            case KvPrecision.F32: Forward<KvF32>(pool, qkv, pages, sequences, shape, o); break;
            case KvPrecision.BF16: Forward<KvBFloat16>(pool, qkv, pages, sequences, shape, o); break;
            default: Forward<KvInt8>(pool, qkv, pages, sequences, shape, o); break;
        }
    }

    private static void Forward<F>(WorkerPool pool, float* qkv, KvPages pages, PagedSequences sequences, AttentionShape shape, float* o) where F : struct, IKvFormat
    {
        new StoreJob<F>(qkv, pages, sequences, shape).Start(pool);
        var plan = new PagedPlan(sequences, shape, pool.Threads);
        Simd.Run(pool, plan.Parts, new ForwardJob<F>(plan, qkv, pages, sequences, shape, o));
    }

    private readonly struct ForwardJob<F>(PagedPlan plan, float* qkv, KvPages pages, PagedSequences sequences, AttentionShape shape, float* o) : ITieredJob
        where F : struct, IKvFormat
    {
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var (sequence, strip) = plan.Begin(part);
            for (var end = plan.Begin(part + 1); sequence < end.Sequence || (sequence == end.Sequence && strip < end.Strip);)
            {
                if (strip == plan.Strips(sequence)) (sequence, strip) = (sequence + 1, 0);
                else Attend<W, V>(plan.Strip(sequence, strip++));
            }
        }

        private void Attend<W, V>(PagedStrip strip) where W : struct, ILanes<V> where V : unmanaged
        {
            const int section = SoftmaxSections.Keys;
            int heads = shape.HeadsPerGroup, size = shape.HeadSize, width = heads * size, pairs = strip.Rows * heads;
            var work = new PagedWork<W, V, F>(pages, strip.Group, pairs, size);
            for (var row = 0; row < strip.Rows; row++)
                Unsafe.CopyBlockUnaligned(work.Queries + row * width, qkv + (nint)(strip.Row + row) * shape.QkvWidth + strip.Group * width, (uint)width * sizeof(float));

            var table = sequences.Table(strip.Sequence);
            if (strip.IsAlone(sequences)) StoreJob<F>.Store(qkv, pages, shape, strip.Row, table, strip.Position, strip.Group);
            for (var first = shape.FirstKey(strip.Position) / section * section; first <= strip.Last; first += section)
            {
                work.Open(table + first / KvPages.BlockTokens, Math.Max(0, shape.FirstKey(strip.Position) - first), Math.Min(section, strip.Last + 1 - first));
                for (var pair = 0; pair < pairs; pair += work.TilePairs)
                {
                    var count = Math.Min(work.TilePairs, pairs - pair);
                    int top = strip.Position + pair / heads, bottom = strip.Position + (pair + count - 1) / heads;
                    int from = Math.Max(0, shape.FirstKey(top) - first), to = Math.Min(section, bottom + 1 - first);
                    if (from >= to) continue;
                    work.Score(pair, count, from, to);
                    for (var i = 0; i < count; i++)
                    {
                        var position = strip.Position + (pair + i) / heads;
                        work.Weigh(i, shape.Scale, from, to, Math.Max(0, shape.FirstKey(position) - first), Math.Min(section, position + 1 - first));
                    }
                    work.Mix(count, from, to);
                    for (var i = 0; i < count; i++) work.Join(pair + i, i);
                }
            }
            for (var pair = 0; pair < pairs; pair++)
                work.Finish(pair, o + (nint)(strip.Row + pair / heads) * shape.Width + strip.Group * width + pair % heads * size);
        }
    }
}

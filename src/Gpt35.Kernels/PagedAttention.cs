using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// Causal attention of new tokens over keys and values that lie in blocks (Kwon et al. 2023): what <see cref="CausalAttention"/> computes, with
/// the past in a cache. A row's result depends on its own sequence alone, and not on how many of its tokens are new.
/// </summary>
public static unsafe class PagedAttention
{
    /// <summary>Multiply-adds per product of a step that are not worth waking another thread for.</summary>
    private const long WorkOfOneThread = 50_000;

    /// <summary>Puts the keys and values of the new tokens into their blocks.</summary>
    /// <param name="qkv">(T, (H + 2G)·K).</param>
    /// <param name="pages">Where to.</param>
    /// <param name="sequences">Whose they are; the tables reach as far as the new tokens do.</param>
    /// <param name="shape">Heads.</param>
    public static void Store(float* qkv, KvPages pages, PagedSequences sequences, AttentionShape shape)
    {
        var cached = shape.KeyValueWidth;
        for (var sequence = 0; sequence < sequences.Count; sequence++)
        {
            var table = sequences.Table(sequence);
            for (var i = 0; i < sequences.Rows(sequence); i++)
            {
                var position = sequences.Held(sequence) + i;
                var place = ((nint)table[position / KvPages.BlockTokens] * KvPages.BlockTokens + position % KvPages.BlockTokens) * cached;
                var keys = qkv + (nint)(sequences.Start(sequence) + i) * shape.QkvWidth + shape.Width;
                new ReadOnlySpan<float>(keys, cached).CopyTo(new Span<float>(pages.Keys + place, cached));
                new ReadOnlySpan<float>(keys + cached, cached).CopyTo(new Span<float>(pages.Values + place, cached));
            }
        }
    }

    /// <summary>Attention of every new token over what its sequence holds up to it.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="qkv">(T, (H + 2G)·K); only the queries are read.</param>
    /// <param name="pages">Keys and values, the new tokens' among them.</param>
    /// <param name="sequences">Whose rows they are.</param>
    /// <param name="shape">Heads and window.</param>
    /// <param name="o">Receives (T, H·K).</param>
    public static void Forward(WorkerPool pool, float* qkv, KvPages pages, PagedSequences sequences, AttentionShape shape, float* o)
    {
        // Few rows are split by head, so that one conversation also uses all cores; but not when that costs more than it brings.
        long work = 0;
        for (var i = 0; i < sequences.Count; i++) work += (long)sequences.Rows(i) * shape.Reach(1, sequences.Held(i) + sequences.Rows(i)) * shape.Width;
        var job = new ForwardJob(qkv, pages, sequences, shape, o);
        if (work < WorkOfOneThread) Simd.Run(pool, 1, new WholeJob(job, shape.Heads));
        else Simd.Run(pool, shape.Heads, job);
    }

    private readonly struct WholeJob(ForwardJob job, int heads) : ITieredJob
    {
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            for (var i = 0; i < heads; i++) job.Run<W, V>(i);
        }
    }

    /// <summary>A part is one head of all rows.</summary>
    private readonly struct ForwardJob(float* qkv, KvPages pages, PagedSequences sequences, AttentionShape shape, float* o) : ITieredJob
    {
        public void Run<W, V>(int head) where W : struct, ILanes<V> where V : unmanaged
        {
            int size = shape.HeadSize, stride = shape.KeyValueWidth, column = head / shape.HeadsPerGroup * size;
            for (var sequence = 0; sequence < sequences.Count; sequence++)
            {
                var table = sequences.Table(sequence);
                for (var i = 0; i < sequences.Rows(sequence); i++)
                {
                    int row = sequences.Start(sequence) + i, last = sequences.Held(sequence) + i, first = shape.FirstKey(last);
                    var scores = Scratch.ForPart(last - first + 1 + W.Count);
                    var target = o + (nint)row * shape.Width + head * size;
                    new Span<float>(target, size).Clear();
                    for (var j = first; j <= last; j = NextBlock(j))
                        Scores<W, V>(qkv + (nint)row * shape.QkvWidth + head * size, At(pages.Keys, table, j) + column, stride, size, Seen(j, last), scores + j - first);
                    Softmax<W, V>(scores, last - first + 1, shape.Scale);
                    for (var j = first; j <= last; j = NextBlock(j))
                        Mix<W, V>(scores + j - first, At(pages.Values, table, j) + column, stride, size, Seen(j, last), target);
                }
            }
        }

        private static int NextBlock(int j) => (j / KvPages.BlockTokens + 1) * KvPages.BlockTokens;

        private static int Seen(int j, int last) => Math.Min(NextBlock(j), last + 1) - j;

        private float* At(float* data, int* table, int j) =>
            data + ((nint)table[j / KvPages.BlockTokens] * KvPages.BlockTokens + j % KvPages.BlockTokens) * shape.KeyValueWidth;
    }

    /// <summary>Turns n scores into softmax(scale·scores), up to a whole vector of them (0 beyond n).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Softmax<W, V>(float* scores, int n, float scale) where W : struct, ILanes<V> where V : unmanaged
    {
        V mask = W.FirstLanes(n % W.Count), lowest = W.Create(float.NegativeInfinity), largest = lowest, zero = W.Create(0);
        var whole = n / W.Count * W.Count;
        for (var j = 0; j < whole; j += W.Count) largest = W.Max(largest, W.Load(scores + j));
        if (whole < n) largest = W.Max(largest, W.Select(mask, W.Load(scores + whole), lowest));

        V factor = W.Create(scale), minusMax = W.Create(-W.Max(largest) * scale), sum = zero;
        for (var j = 0; j < whole; j += W.Count)
        {
            var p = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(scores + j), factor, minusMax));
            sum = W.Add(sum, p);
            W.Store(scores + j, p);
        }
        if (whole < n)
        {
            var p = W.Select(mask, LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(scores + whole), factor, minusMax)), zero);
            sum = W.Add(sum, p);
            W.Store(scores + whole, p);
        }
        var inverse = W.Create(1 / W.Sum(sum));
        for (var j = 0; j < n; j += W.Count) W.Store(scores + j, W.Multiply(W.Load(scores + j), inverse));
    }

    /// <summary>scores_j = q·k_j, four keys at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scores<W, V>(float* q, float* keys, int stride, int size, int length, float* scores)
        where W : struct, ILanes<V> where V : unmanaged
    {
        var j = 0;
        if (size % W.Count == 0)
            for (; j + 4 <= length; j += 4, keys += 4 * (nint)stride)
            {
                V a = W.Create(0), b = a, c = a, d = a;
                for (var i = 0; i < size; i += W.Count)
                {
                    var x = W.Load(q + i);
                    a = W.MultiplyAdd(x, W.Load(keys + i), a);
                    b = W.MultiplyAdd(x, W.Load(keys + stride + i), b);
                    c = W.MultiplyAdd(x, W.Load(keys + 2 * (nint)stride + i), c);
                    d = W.MultiplyAdd(x, W.Load(keys + 3 * (nint)stride + i), d);
                }
                scores[j] = W.Sum(a);
                scores[j + 1] = W.Sum(b);
                scores[j + 2] = W.Sum(c);
                scores[j + 3] = W.Sum(d);
            }
        for (; j < length; j++, keys += stride) scores[j] = CausalAttention.Dot<W, V>(q, keys, size);
    }

    /// <summary>o += Σ_j weights_j·v_j.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mix<W, V>(float* weights, float* values, int stride, int size, int length, float* o)
        where W : struct, ILanes<V> where V : unmanaged
    {
        for (var i = 0; i < size; i += W.Count)
        {
            var count = Math.Min(W.Count, size - i);
            var sum = count == W.Count ? W.Load(o + i) : LaneMath<W, V>.LoadFirst(o + i, count);
            for (var j = 0; j < length; j++)
            {
                var v = count == W.Count ? W.Load(values + (nint)j * stride + i) : LaneMath<W, V>.LoadFirst(values + (nint)j * stride + i, count);
                sum = W.MultiplyAdd(W.Create(weights[j]), v, sum);
            }
            if (count == W.Count) W.Store(o + i, sum);
            else LaneMath<W, V>.StoreFirst(o + i, sum, count);
        }
    }
}

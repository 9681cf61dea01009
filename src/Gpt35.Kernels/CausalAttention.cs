using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>Heads of an attention layer.</summary>
/// <param name="Heads">H: query heads.</param>
/// <param name="KeyValueHeads">G: key/value heads; H/G neighbouring query heads share one.</param>
/// <param name="HeadSize">K.</param>
/// <param name="Window">w: a query sees its own position and the w − 1 before it; 0: all before it.</param>
public readonly record struct AttentionShape(int Heads, int KeyValueHeads, int HeadSize, int Window = 0)
{
    /// <summary>H·K.</summary>
    public int Width => Heads * HeadSize;
    /// <summary>G·K.</summary>
    public int KeyValueWidth => KeyValueHeads * HeadSize;
    /// <summary>(H + 2G)·K: queries, keys and values of a token side by side, heads side by side within each.</summary>
    public int QkvWidth => Width + 2 * KeyValueWidth;

    internal int HeadsPerGroup => Heads / KeyValueHeads;
    internal int KeyColumn(int group) => Width + group * HeadSize;
    internal int ValueColumn(int group) => Width + KeyValueWidth + group * HeadSize;
    internal float Scale => 1 / MathF.Sqrt(HeadSize);
    /// <summary>The first key that a query sees.</summary>
    internal int FirstKey(int query) => Window == 0 ? 0 : Math.Max(0, query - Window + 1);
    /// <summary>Most keys that <paramref name="queries"/> neighbouring queries of a sequence see together.</summary>
    internal int Reach(int queries, int length) => Window == 0 ? length : (int)Math.Min(length, (long)Window + queries - 1);
}

/// <summary>
/// Causal multi-head self-attention over sequences laid end to end (Vaswani et al. 2017, eq. 1):
/// o_i = Σ_j softmax_j(q_i·k_j/√K)·v_j within each sequence and head, over i − w &lt; j ≤ i. Query heads may share keys and values (Ainslie et
/// al. 2023) and the window w may be shorter than the sequence (Child et al. 2019; Jiang et al. 2023).
/// </summary>
/// <remarks>
/// One part is some heads, one after the other, each of one sequence. It takes a strip of queries at a time, one to a lane, against the keys from the first that one
/// of them sees up to the strip's last: scores, weights and their gradients are kept transposed, (keys, queries), so that the softmax of a
/// query runs down its lane and no sum ever crosses lanes. The order of the forward pass's operations is that of <see cref="SoftmaxSections"/>, so that a
/// query has the bits of <see cref="PagedAttention"/> in every tier. Scratch of the backward pass is linear in the length of the sequence, or of the window.
/// A head's rows lie a token's width apart, too far for the processor to foresee them: while a strip is computed, the rows of the next are asked for.
/// </remarks>
public static unsafe partial class CausalAttention
{
    /// <param name="pool">Threads to use.</param>
    /// <param name="qkv">(T, (H + 2G)·K): queries, keys, values side by side, heads side by side within each.</param>
    /// <param name="starts">Where each sequence starts, and T at the end, (sequences + 1,).</param>
    /// <param name="sequences">Sequences.</param>
    /// <param name="shape">Heads and window.</param>
    /// <param name="o">Receives (T, H·K).</param>
    /// <param name="lse">Receives log Σ_j exp(q_i·k_j/√K), (T, H), for the backward pass; null when there will be none.</param>
    public static void Forward(WorkerPool pool, float* qkv, int* starts, int sequences, AttentionShape shape, float* o, float* lse)
    {
        var parts = new HeadsOfPart(sequences * shape.Heads, pool.Threads);
        Simd.Run(pool, parts.Count, new ForwardJob(new Sequences(starts, shape), parts, qkv, o, lse));
    }

    /// <summary>The definition, for one head of one sequence: all arrays (t, K) row-major; a window of 0 is none.</summary>
    internal static void Reference(double[] q, double[] k, double[] v, int length, int headSize, int window, double[] o)
    {
        for (var i = 0; i < length; i++)
        {
            var scores = new double[i + 1];
            for (var j = 0; j <= i; j++)
                if (window > 0 && j <= i - window) scores[j] = double.NegativeInfinity;
                else
                    for (var c = 0; c < headSize; c++) scores[j] += q[i * headSize + c] * k[j * headSize + c] / Math.Sqrt(headSize);
            var max = scores.Max();
            var sum = scores.Sum(score => Math.Exp(score - max));
            for (var c = 0; c < headSize; c++)
            {
                o[i * headSize + c] = 0;
                for (var j = 0; j <= i; j++) o[i * headSize + c] += Math.Exp(scores[j] - max) / sum * v[j * headSize + c];
            }
        }
    }

    /// <summary>Heads of all sequences, cut into parts of neighbours: enough parts for those that finish early to find more.</summary>
    private readonly struct HeadsOfPart(int heads, int threads)
    {
        private const int PartsPerThread = 8;
        private readonly int each = Math.Max(1, heads / (threads * PartsPerThread));

        internal int Count => Simd.Pieces(heads, each);
        internal int First(int part) => part * each;
        /// <summary>One behind the last.</summary>
        internal int End(int part) => Math.Min((part + 1) * each, heads);
    }

    /// <summary>Asks for the rows of a (n, K) view, into the second-level cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Fetch(float* data, nint stride, int rows, int size)
    {
        const int line = 64 / sizeof(float);
        if (!Sse.IsSupported) return;
        for (; rows > 0; rows--, data += stride)
            for (var i = 0; i < size; i += line) Sse.Prefetch1(data + i);
    }

    /// <summary>Where the heads of the sequences lie.</summary>
    private readonly struct Sequences(int* starts, AttentionShape shape)
    {
        internal AttentionShape Shape => shape;

        /// <summary>First row and number of rows of a sequence.</summary>
        internal (int Row, int Length) Of(int sequence) => (starts[sequence], starts[sequence + 1] - starts[sequence]);

        /// <summary>A head's block of (t, K) in a buffer of the given row stride.</summary>
        internal Matrix Head(float* data, int row, int length, int column, int stride) =>
            new(data + (nint)row * stride + column, length, shape.HeadSize, stride, 1);

        /// <summary>The first row and the number of rows of the strip behind one that ends before <paramref name="first"/>: of the same head, or of the head of <paramref name="next"/>, a sequence or none.</summary>
        internal (int Row, int Count) After(int sequence, int first, int lanes, int next)
        {
            var (row, length) = Of(sequence);
            if (first < length) return (row + first, Math.Min(lanes, length - first));
            if (next < 0) return (0, 0);
            (row, length) = Of(next);
            return (row, Math.Min(lanes, length));
        }
    }

    /// <summary>A strip of queries and keys that they see, all or those of a section. Keys are counted from the first of these.</summary>
    /// <param name="FirstQuery">The strip's first query, as a number of the sequence.</param>
    /// <param name="Count">Queries.</param>
    /// <param name="FirstKey">The first key, as a number of the sequence.</param>
    /// <param name="Keys">Keys.</param>
    /// <param name="Window">0: none.</param>
    private readonly record struct Strip(int FirstQuery, int Count, int FirstKey, int Keys, int Window)
    {
        /// <summary>With all keys that one of the queries sees.</summary>
        internal static Strip Whole(int first, int lanes, int length, AttentionShape shape)
        {
            int count = Math.Min(lanes, length - first), firstKey = shape.FirstKey(first);
            return new(first, count, firstKey, first + count - firstKey, shape.Window);
        }

        /// <summary>With those of a section, from a multiple of <see cref="SoftmaxSections.Sums"/> on.</summary>
        internal static Strip Of(int section, int first, int lanes, int length, AttentionShape shape)
        {
            int count = Math.Min(lanes, length - first), sectionStart = section * SoftmaxSections.Keys;
            var firstKey = Math.Max(sectionStart, shape.FirstKey(first) / SoftmaxSections.Sums * SoftmaxSections.Sums);
            return new(first, count, firstKey, Math.Min(sectionStart + SoftmaxSections.Keys, first + count) - firstKey, shape.Window);
        }

        /// <summary>Keys from the first on to the first query's own, which lies behind these where the section ends before it.</summary>
        internal int Earlier => FirstQuery - FirstKey;
        /// <summary>Keys from the first on that the last of <paramref name="lanes"/> queries does not see any more.</summary>
        internal int Leaving(int lanes) => Window == 0 ? 0 : Math.Clamp(Earlier + lanes - Window, 0, Keys);
        /// <summary>The first key that query i of the strip sees; the number of keys where it sees none of them.</summary>
        internal int SeenFrom(int i) => Window == 0 ? 0 : Math.Clamp(Earlier + i - Window + 1, 0, Keys);
        /// <summary>One behind the last key that query i of the strip sees.</summary>
        internal int SeenTo(int i) => Math.Min(Keys, Earlier + i + 1);
    }

    /// <summary>A (n, K) view as the right side of a product: in place where its columns fill whole panels, else packed to the given memory.</summary>
    private static Panels AsPanels<W, V>(Matrix b, float* packed) where W : struct, ILanes<V> where V : unmanaged
    {
        var width = 2 * W.Count;
        if (b.ColumnCount % width == 0) return new(b.Data, b.RowStride, width);
        var panelStride = (nint)width * b.RowCount;
        for (var column = 0; column < b.ColumnCount; column += width)
            Panel<W, V>.Pack(b.Columns(column, Math.Min(width, b.ColumnCount - column)), packed + column / width * panelStride);
        return new(packed, width, panelStride);
    }

    /// <summary>n rounded up to whole panels.</summary>
    private static int Padded<W, V>(int n) where W : struct, ILanes<V> where V : unmanaged => Simd.Pieces(n, 2 * W.Count) * 2 * W.Count;

    /// <summary>target (keys, lanes) = rows (keys, K)·panel (K, lanes).</summary>
    private static void Multiply<W, V>(Matrix rows, float* panel, float* target) where W : struct, ILanes<V> where V : unmanaged
    {
        var width = 2 * W.Count;
        MatrixBlock<W, V>.Multiply(rows, new Panels(panel, width, 0), new Matrix(target, rows.RowCount, width), Start.Zero);
    }

    /// <summary>b from the given row on.</summary>
    private static Panels From(Panels b, int row) => new(b.Data + row * b.RowStride, b.RowStride, b.PanelStride);

    /// <summary>output (queries, K) = weightsᵀ·b, each tile of queries over the keys it sees; b begins at the strip's first key.</summary>
    private static void MixSeen<W, V>(float* weights, in Strip strip, Panels b, Matrix output) where W : struct, ILanes<V> where V : unmanaged
    {
        for (var query = 0; query < output.RowCount; query += W.TileRows)
        {
            var count = Math.Min(W.TileRows, output.RowCount - query);
            int from = strip.SeenFrom(query), to = strip.SeenTo(query + count - 1);
            var seen = new Matrix(weights + (nint)from * 2 * W.Count + query, to - from, count, 2 * W.Count, 1);
            MatrixBlock<W, V>.Multiply(seen.T, From(b, from), output.Rows(query, count), Start.Zero);
        }
    }

    private readonly struct ForwardJob(Sequences sequences, HeadsOfPart parts, float* qkv, float* o, float* lse) : ITieredJob
    {
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            for (var item = parts.First(part); item < parts.End(part); item++) Attend<W, V>(item, item + 1 < parts.End(part));
        }

        /// <summary>One head of one sequence.</summary>
        private void Attend<W, V>(int item, bool goesOn) where W : struct, ILanes<V> where V : unmanaged
        {
            var shape = sequences.Shape;
            var (row, length) = sequences.Of(item / shape.Heads);
            int head = item % shape.Heads, group = head / shape.HeadsPerGroup;
            int lanes = 2 * W.Count, size = shape.HeadSize, padded = Padded<W, V>(size), stride = shape.QkvWidth;
            const int most = SoftmaxSections.Keys, sums = SoftmaxSections.Sums;
            var panel = Scratch.ForPart(lanes * (long)(size + most + sums + 4 + padded) + (long)length * padded);
            float* weights = panel + lanes * size, partial = weights + lanes * most, tops = partial + lanes * sums, totals = tops + lanes;
            float* hereTops = totals + lanes, hereTotals = hereTops + lanes, mixed = hereTotals + lanes, packed = mixed + lanes * padded;

            var q = sequences.Head(qkv, row, length, head * size, stride);
            var keys = sequences.Head(qkv, row, length, shape.KeyColumn(group), stride);
            var values = AsPanels<W, V>(sequences.Head(qkv, row, length, shape.ValueColumn(group), stride), packed);
            for (var first = 0; first < length; first += lanes)
            {
                var count = Math.Min(lanes, length - first);
                var output = sequences.Head(o, row + first, count, head * size, shape.Width);
                var next = sequences.After(item / shape.Heads, first + lanes, lanes, goesOn ? (item + 1) / shape.Heads : -1);
                int nextHead = first + lanes < length ? head : (item + 1) % shape.Heads, nextGroup = nextHead / shape.HeadsPerGroup;
                var nextRows = qkv + (nint)next.Row * stride;
                Panel<W, V>.Pack(q.Rows(first, count).T, panel);
                Fetch(nextRows + nextHead * size, stride, next.Count, size);
                Fetch(o + (nint)next.Row * shape.Width + nextHead * size, shape.Width, next.Count, size);
                var firstSection = shape.FirstKey(first) / most;
                for (var section = firstSection; section * most < first + count; section++)
                {
                    var strip = Strip.Of(section, first, lanes, length, shape);
                    var isFirst = section == firstSection;
                    Multiply<W, V>(keys.Rows(strip.FirstKey, strip.Keys), panel, weights);
                    if (isFirst) Fetch(nextRows + shape.KeyColumn(nextGroup), stride, next.Count, size);
                    Exponentials<W, V>(weights, strip, shape.Scale, partial, isFirst ? totals : hereTotals, isFirst ? tops : hereTops);
                    if (isFirst) Fetch(nextRows + shape.ValueColumn(nextGroup), stride, next.Count, size);
                    MixSeen<W, V>(weights, strip, From(values, strip.FirstKey), isFirst ? output : new Matrix(mixed, count, size, padded, 1));
                    for (var i = 0; i < count && !isFirst; i++)
                        SoftmaxSections.Join<W, V>(ref tops[i], ref totals[i], output.Data + (nint)i * shape.Width, hereTops[i], hereTotals[i], mixed + i * padded, size);
                }
                for (var i = 0; i < count; i++)
                {
                    var result = output.Data + (nint)i * shape.Width;
                    SoftmaxSections.Scale<W, V>(result, 1 / totals[i], size, result);
                    if (lse != null) lse[(nint)(row + first + i) * shape.Heads + head] = tops[i] + MathF.Log(totals[i]);
                }
            }
        }
    }

    /// <summary>The given value where lane i's query, the strip's i-th, sees the key; the other where it does not (the key is later, or has left the window).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V WhereSeen<W, V>(int earlier, int window, int key, V value, V other) where W : struct, ILanes<V> where V : unmanaged =>
        W.Select(W.FirstLanes(key - earlier), other, W.Select(W.FirstLanes(key - earlier + window), value, other));

    /// <summary>
    /// Turns scores (keys, lanes) into e^(scale·score − top), 0 for keys that the lane's query does not see; gives each lane's sum and its top, scale·max.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Exponentials<W, V>(float* scores, in Strip strip, float scale, float* partial, float* totals, float* tops)
        where W : struct, ILanes<V> where V : unmanaged
    {
        int lanes = 2 * W.Count, earlier = strip.Earlier, keys = strip.Keys, leaving = strip.Leaving(lanes), window = strip.Window, seenByAll = Math.Min(earlier, keys);
        V lowest = W.Create(float.NegativeInfinity), zero = W.Create(0), factor = W.Create(scale), left = lowest, right = lowest;
        var score = scores;
        var key = 0;
        for (; key < leaving; key++, score += lanes)
        {
            left = W.Max(left, WhereSeen<W, V>(earlier, window, key, W.Load(score), lowest));
            right = W.Max(right, WhereSeen<W, V>(earlier + W.Count, window, key, W.Load(score + W.Count), lowest));
        }
        for (; key < seenByAll; key++, score += lanes)
        {
            left = W.Max(left, W.Load(score));
            right = W.Max(right, W.Load(score + W.Count));
        }
        for (; key < keys; key++, score += lanes)
        {
            left = W.Max(left, W.Select(W.FirstLanes(key - earlier), lowest, W.Load(score)));
            right = W.Max(right, W.Select(W.FirstLanes(key - earlier - W.Count), lowest, W.Load(score + W.Count)));
        }
        left = W.Multiply(left, factor);
        right = W.Multiply(right, factor);
        W.Store(tops, left);
        W.Store(tops + W.Count, right);
        left = W.Subtract(zero, left);
        right = W.Subtract(zero, right);

        score = scores;
        for (key = 0; key < leaving; key++, score += lanes)
        {
            V a = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score), factor, left)), b = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score + W.Count), factor, right));
            a = WhereSeen<W, V>(earlier, window, key, a, zero);
            b = WhereSeen<W, V>(earlier + W.Count, window, key, b, zero);
            W.Store(score, a);
            W.Store(score + W.Count, b);
        }
        for (; key < seenByAll; key++, score += lanes)
        {
            V a = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score), factor, left)), b = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score + W.Count), factor, right));
            W.Store(score, a);
            W.Store(score + W.Count, b);
        }
        for (; key < keys; key++, score += lanes)
        {
            V a = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score), factor, left)), b = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score + W.Count), factor, right));
            a = W.Select(W.FirstLanes(key - earlier), zero, a);
            b = W.Select(W.FirstLanes(key - earlier - W.Count), zero, b);
            W.Store(score, a);
            W.Store(score + W.Count, b);
        }
        Sum<W, V>(scores, keys, partial, totals);
    }

    /// <summary>Sums of the columns of weights (keys, lanes), in the order of <see cref="SoftmaxSections"/>, with room for (16, lanes) sums on the way.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sum<W, V>(float* weights, int keys, float* partial, float* totals) where W : struct, ILanes<V> where V : unmanaged
    {
        const int rows = SoftmaxSections.Sums;
        var lanes = 2 * W.Count;
        for (var first = 0; first < rows; first += 2)
        {
            V a = W.Create(0), b = a, c = a, d = a;
            var row = first;
            for (; row + 1 < keys; row += rows)
            {
                var from = weights + (nint)row * lanes;
                a = W.Add(a, W.Load(from));
                b = W.Add(b, W.Load(from + W.Count));
                c = W.Add(c, W.Load(from + 2 * W.Count));
                d = W.Add(d, W.Load(from + 3 * W.Count));
            }
            if (row < keys)
            {
                a = W.Add(a, W.Load(weights + (nint)row * lanes));
                b = W.Add(b, W.Load(weights + (nint)row * lanes + W.Count));
            }
            var to = partial + first * lanes;
            W.Store(to, a);
            W.Store(to + W.Count, b);
            W.Store(to + 2 * W.Count, c);
            W.Store(to + 3 * W.Count, d);
        }
        for (var half = rows / 2 * lanes; half >= lanes; half /= 2)
        {
            var to = half == lanes ? totals : partial;
            for (var i = 0; i < half; i += W.Count) W.Store(to + i, W.Add(W.Load(partial + i), W.Load(partial + half + i)));
        }
    }
}

using System.Runtime.CompilerServices;

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
/// One part is one head of one sequence. It takes a strip of queries at a time, one to a lane, against all keys from the first that one
/// of them sees up to the strip's last: scores, weights and their gradients are kept transposed, (keys, queries), so that the softmax of a
/// query runs down its lane and no sum ever crosses lanes. Scratch is linear in the length of the sequence, or of the window.
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
    public static void Forward(WorkerPool pool, float* qkv, int* starts, int sequences, AttentionShape shape, float* o, float* lse) =>
        Simd.Run(pool, sequences * shape.Heads, new ForwardJob(new Sequences(starts, shape), qkv, o, lse));

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

    /// <summary>Where the heads of the sequences lie.</summary>
    private readonly struct Sequences(int* starts, AttentionShape shape)
    {
        internal AttentionShape Shape => shape;

        /// <summary>First row and number of rows of a sequence.</summary>
        internal (int Row, int Length) Of(int sequence) => (starts[sequence], starts[sequence + 1] - starts[sequence]);

        /// <summary>A head's block of (t, K) in a buffer of the given row stride.</summary>
        internal Matrix Head(float* data, int row, int length, int column, int stride) =>
            new(data + (nint)row * stride + column, length, shape.HeadSize, stride, 1);
    }

    /// <summary>A strip of queries and the keys they see. Keys are counted from the first of these.</summary>
    /// <param name="FirstQuery">The strip's first query, as a number of the sequence.</param>
    /// <param name="Count">Queries.</param>
    /// <param name="FirstKey">The first key that one of them sees, as a number of the sequence.</param>
    /// <param name="Window">0: none.</param>
    private readonly record struct Strip(int FirstQuery, int Count, int FirstKey, int Window)
    {
        internal static Strip At(int first, int lanes, int length, AttentionShape shape) =>
            new(first, Math.Min(lanes, length - first), shape.FirstKey(first), shape.Window);

        /// <summary>Keys before those of the queries themselves.</summary>
        internal int Earlier => FirstQuery - FirstKey;
        internal int Keys => Earlier + Count;
        /// <summary>Keys from the first on that the last of <paramref name="lanes"/> queries does not see any more.</summary>
        internal int Leaving(int lanes) => Window == 0 ? 0 : Math.Clamp(Earlier + lanes - Window, 0, Keys);
        /// <summary>The first key that query i of the strip sees.</summary>
        internal int SeenFrom(int i) => Window == 0 ? 0 : Math.Max(0, Earlier + i - Window + 1);
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

    /// <summary>target (keys, lanes) = rows (keys, K)·queriesᵀ (K, lanes), through a panel of K·lanes floats.</summary>
    private static void TimesTransposed<W, V>(Matrix rows, Matrix queries, float* panel, float* target)
        where W : struct, ILanes<V> where V : unmanaged
    {
        var width = 2 * W.Count;
        Panel<W, V>.Pack(queries.T, panel);
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
            int from = strip.SeenFrom(query), to = strip.Earlier + query + count;
            var seen = new Matrix(weights + (nint)from * 2 * W.Count + query, to - from, count, 2 * W.Count, 1);
            MatrixBlock<W, V>.Multiply(seen.T, From(b, from), output.Rows(query, count), Start.Zero);
        }
    }

    private readonly struct ForwardJob(Sequences sequences, float* qkv, float* o, float* lse) : ITieredJob
    {
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var shape = sequences.Shape;
            var (row, length) = sequences.Of(part / shape.Heads);
            int head = part % shape.Heads, group = head / shape.HeadsPerGroup;
            int lanes = 2 * W.Count, size = shape.HeadSize, stride = shape.QkvWidth, reach = shape.Reach(lanes, length);
            var panel = Scratch.ForPart((long)lanes * size + (long)lanes * reach + lanes + (long)length * Padded<W, V>(size));
            float* weights = panel + lanes * size, sums = weights + (nint)lanes * reach, packed = sums + lanes;

            var q = sequences.Head(qkv, row, length, head * size, stride);
            var keys = sequences.Head(qkv, row, length, shape.KeyColumn(group), stride);
            var values = AsPanels<W, V>(sequences.Head(qkv, row, length, shape.ValueColumn(group), stride), packed);
            var output = sequences.Head(o, row, length, head * size, shape.Width);
            for (var first = 0; first < length; first += lanes)
            {
                var strip = Strip.At(first, lanes, length, shape);
                TimesTransposed<W, V>(keys.Rows(strip.FirstKey, strip.Keys), q.Rows(first, strip.Count), panel, weights);
                var logSums = panel;
                Exponentials<W, V>(weights, strip, shape.Scale, sums, logSums);
                MixSeen<W, V>(weights, strip, From(values, strip.FirstKey), output.Rows(first, strip.Count));
                for (var i = 0; i < strip.Count; i++)
                {
                    Divide<W, V>(output.Data + (nint)(first + i) * shape.Width, size, sums[i]);
                    if (lse != null) lse[(nint)(row + first + i) * shape.Heads + head] = logSums[i] + MathF.Log(sums[i]);
                }
            }
        }
    }

    /// <summary>The given value where lane i's query, the strip's i-th, sees the key; the other where it does not (the key is later, or has left the window).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V WhereSeen<W, V>(int earlier, int window, int key, V value, V other) where W : struct, ILanes<V> where V : unmanaged =>
        W.Select(W.FirstLanes(key - earlier), other, W.Select(W.FirstLanes(key - earlier + window), value, other));

    /// <summary>
    /// Turns scores (keys, lanes) into e^(scale·(score − max)), 0 for keys that the lane's query does not see; gives each lane's sum and scale·max.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Exponentials<W, V>(float* scores, in Strip strip, float scale, float* sums, float* maxima)
        where W : struct, ILanes<V> where V : unmanaged
    {
        int lanes = 2 * W.Count, earlier = strip.Earlier, keys = strip.Keys, leaving = strip.Leaving(lanes), window = strip.Window;
        V lowest = W.Create(float.NegativeInfinity), zero = W.Create(0), factor = W.Create(scale), left = lowest, right = lowest;
        var score = scores;
        var key = 0;
        for (; key < leaving; key++, score += lanes)
        {
            left = W.Max(left, WhereSeen<W, V>(earlier, window, key, W.Load(score), lowest));
            right = W.Max(right, WhereSeen<W, V>(earlier + W.Count, window, key, W.Load(score + W.Count), lowest));
        }
        for (; key < earlier; key++, score += lanes)
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
        W.Store(maxima, left);
        W.Store(maxima + W.Count, right);
        left = W.Subtract(zero, left);
        right = W.Subtract(zero, right);

        V leftSum = zero, rightSum = zero;
        score = scores;
        for (key = 0; key < leaving; key++, score += lanes)
        {
            V a = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score), factor, left)), b = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score + W.Count), factor, right));
            a = WhereSeen<W, V>(earlier, window, key, a, zero);
            b = WhereSeen<W, V>(earlier + W.Count, window, key, b, zero);
            leftSum = W.Add(leftSum, a);
            rightSum = W.Add(rightSum, b);
            W.Store(score, a);
            W.Store(score + W.Count, b);
        }
        for (; key < earlier; key++, score += lanes)
        {
            V a = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score), factor, left)), b = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score + W.Count), factor, right));
            leftSum = W.Add(leftSum, a);
            rightSum = W.Add(rightSum, b);
            W.Store(score, a);
            W.Store(score + W.Count, b);
        }
        for (; key < keys; key++, score += lanes)
        {
            V a = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score), factor, left)), b = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score + W.Count), factor, right));
            a = W.Select(W.FirstLanes(key - earlier), zero, a);
            b = W.Select(W.FirstLanes(key - earlier - W.Count), zero, b);
            leftSum = W.Add(leftSum, a);
            rightSum = W.Add(rightSum, b);
            W.Store(score, a);
            W.Store(score + W.Count, b);
        }
        W.Store(sums, leftSum);
        W.Store(sums + W.Count, rightSum);
    }

    /// <summary>x ← x/divisor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Divide<W, V>(float* x, int n, float divisor) where W : struct, ILanes<V> where V : unmanaged
    {
        var factor = W.Create(1 / divisor);
        var i = 0;
        for (; i + W.Count <= n; i += W.Count) W.Store(x + i, W.Multiply(W.Load(x + i), factor));
        for (; i < n; i++) x[i] *= 1 / divisor;
    }
}

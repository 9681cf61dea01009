using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// Causal multi-head self-attention over sequences laid end to end (Vaswani et al. 2017, eq. 1):
/// o_i = Σ_{j ≤ i} softmax_j(q_i·k_j/√K)·v_j within each sequence and head.
/// </summary>
/// <remarks>
/// One part is one head of one sequence. It takes a strip of queries at a time, one to a lane, against all keys up to the
/// strip's last: scores, weights and their gradients are kept transposed, (keys, queries), so that the softmax of a query runs
/// down its lane and no sum ever crosses lanes. Scratch is linear in the length of the sequence.
/// </remarks>
public static unsafe partial class CausalAttention
{
    /// <param name="pool">Threads to use.</param>
    /// <param name="qkv">(T, 3·D), D = heads·headSize: queries, keys, values side by side, heads side by side within each.</param>
    /// <param name="starts">Where each sequence starts, and T at the end, (sequences + 1,).</param>
    /// <param name="sequences">Sequences.</param>
    /// <param name="heads">H.</param>
    /// <param name="headSize">K.</param>
    /// <param name="o">Receives (T, D).</param>
    /// <param name="lse">Receives log Σ_j exp(q_i·k_j/√K), (T, H), for the backward pass; null when there will be none.</param>
    public static void Forward(WorkerPool pool, float* qkv, int* starts, int sequences, int heads, int headSize, float* o, float* lse) =>
        Simd.Run(pool, sequences * heads, new ForwardJob(new Shape(starts, heads, headSize), qkv, o, lse));

    /// <summary>The definition, for one head of one sequence: all arrays (t, K) row-major.</summary>
    internal static void Reference(double[] q, double[] k, double[] v, int length, int headSize, double[] o)
    {
        for (var i = 0; i < length; i++)
        {
            var scores = new double[i + 1];
            for (var j = 0; j <= i; j++)
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
    private readonly struct Shape(int* starts, int heads, int headSize)
    {
        internal int Heads => heads;
        internal int HeadSize => headSize;
        /// <summary>D.</summary>
        internal int Width => heads * headSize;
        internal float Scale => 1 / MathF.Sqrt(headSize);

        /// <summary>First row and number of rows of the part's sequence, and its head.</summary>
        internal (int Row, int Length, int Head) Part(int part)
        {
            var start = starts[part / heads];
            return (start, starts[part / heads + 1] - start, part % heads);
        }

        /// <summary>A head's block of (t, K) in a buffer of the given row stride.</summary>
        internal Matrix Of(float* data, int row, int length, int column, int stride) =>
            new(data + (nint)row * stride + column, length, headSize, stride, 1);
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

    /// <summary>output (queries, K) = weightsᵀ·b, each tile of queries over the keys it sees.</summary>
    private static void MixSeen<W, V>(float* weights, int firstQuery, Panels b, Matrix output) where W : struct, ILanes<V> where V : unmanaged
    {
        for (var query = 0; query < output.RowCount; query += W.TileRows)
        {
            var count = Math.Min(W.TileRows, output.RowCount - query);
            var seen = new Matrix(weights + query, firstQuery + query + count, count, 2 * W.Count, 1);
            MatrixBlock<W, V>.Multiply(seen.T, b, output.Rows(query, count), Start.Zero);
        }
    }

    private readonly struct ForwardJob(Shape shape, float* qkv, float* o, float* lse) : ITieredJob
    {
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var (row, length, head) = shape.Part(part);
            int lanes = 2 * W.Count, size = shape.HeadSize, width = shape.Width, column = head * size;
            var panel = Scratch.ForPart((long)lanes * size + (long)lanes * length + lanes + (long)length * Padded<W, V>(size));
            float* weights = panel + lanes * size, sums = weights + (nint)lanes * length, packed = sums + lanes;

            var q = shape.Of(qkv, row, length, column, 3 * width);
            var keys = shape.Of(qkv, row, length, width + column, 3 * width);
            var values = AsPanels<W, V>(shape.Of(qkv, row, length, 2 * width + column, 3 * width), packed);
            var output = shape.Of(o, row, length, column, width);
            for (var first = 0; first < length; first += lanes)
            {
                var count = Math.Min(lanes, length - first);
                TimesTransposed<W, V>(keys.Rows(0, first + count), q.Rows(first, count), panel, weights);
                var logSums = panel;
                Exponentials<W, V>(weights, first, first + count, shape.Scale, sums, logSums);
                MixSeen<W, V>(weights, first, values, output.Rows(first, count));
                for (var i = 0; i < count; i++)
                {
                    Divide<W, V>(output.Data + (nint)(first + i) * width, size, sums[i]);
                    if (lse != null) lse[(nint)(row + first + i) * shape.Heads + head] = logSums[i] + MathF.Log(sums[i]);
                }
            }
        }
    }

    /// <summary>
    /// Turns scores (keys, lanes) into e^(scale·(score − max)), 0 for keys after the lane's query; gives each lane's sum and scale·max.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Exponentials<W, V>(float* scores, int firstQuery, int keys, float scale, float* sums, float* maxima)
        where W : struct, ILanes<V> where V : unmanaged
    {
        var lanes = 2 * W.Count;
        V lowest = W.Create(float.NegativeInfinity), zero = W.Create(0), factor = W.Create(scale), left = lowest, right = lowest;
        var score = scores;
        var key = 0;
        for (; key < firstQuery; key++, score += lanes)
        {
            left = W.Max(left, W.Load(score));
            right = W.Max(right, W.Load(score + W.Count));
        }
        for (; key < keys; key++, score += lanes)
        {
            left = W.Max(left, W.Select(W.FirstLanes(key - firstQuery), lowest, W.Load(score)));
            right = W.Max(right, W.Select(W.FirstLanes(key - firstQuery - W.Count), lowest, W.Load(score + W.Count)));
        }
        left = W.Multiply(left, factor);
        right = W.Multiply(right, factor);
        W.Store(maxima, left);
        W.Store(maxima + W.Count, right);
        left = W.Subtract(zero, left);
        right = W.Subtract(zero, right);

        V leftSum = zero, rightSum = zero;
        score = scores;
        for (key = 0; key < firstQuery; key++, score += lanes)
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
            a = W.Select(W.FirstLanes(key - firstQuery), zero, a);
            b = W.Select(W.FirstLanes(key - firstQuery - W.Count), zero, b);
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

using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// Causal multi-head self-attention over sequences laid end to end (Vaswani et al. 2017, eq. 1):
/// o_i = Σ_{j ≤ i} softmax_j(q_i·k_j/√K)·v_j within each sequence and head.
/// </summary>
/// <remarks>
/// One part is one head of one sequence. It works on strips of query rows against all keys up to the strip's last row,
/// as matrix products with exact row-wise softmax between them; scratch is linear in the length of the sequence.
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

        /// <summary>The part's block of (t, K) in a buffer of D columns per row, or of 3·D.</summary>
        internal Matrix Of(float* data, int row, int length, int column, int stride) =>
            new(data + (nint)row * stride + column, length, headSize, stride, 1);
    }

    /// <summary>Panels of a view for use as B: in place where its columns fill whole panels, else packed to the given memory.</summary>
    private static Panels AsPanels<W, V>(Matrix b, float* packed) where W : struct, ILanes<V> where V : unmanaged
    {
        var width = 2 * W.Count;
        if (b.ColumnStride == 1 && b.ColumnCount % width == 0) return new(b.Data, b.RowStride, width);
        var panelStride = (nint)width * b.RowCount;
        for (var column = 0; column < b.ColumnCount; column += width)
            Panel<W, V>.Pack(b.Columns(column, Math.Min(width, b.ColumnCount - column)), packed + column / width * panelStride);
        return new(packed, width, panelStride);
    }

    /// <summary>n rounded up to whole panels.</summary>
    private static int Padded<W, V>(int n) where W : struct, ILanes<V> where V : unmanaged => Simd.Pieces(n, 2 * W.Count) * 2 * W.Count;

    private readonly struct ForwardJob(Shape shape, float* qkv, float* o, float* lse) : ITieredJob
    {
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var (row, length, head) = shape.Part(part);
            int width = shape.Width, column = head * shape.HeadSize, padded = Padded<W, V>(length);
            var scratch = Scratch.ForPart((long)padded * shape.HeadSize + (long)length * Padded<W, V>(shape.HeadSize) + W.TileRows * padded);
            float* packedKeys = scratch, packedValues = packedKeys + (nint)padded * shape.HeadSize;
            var scores = packedValues + (nint)length * Padded<W, V>(shape.HeadSize);

            var q = shape.Of(qkv, row, length, column, 3 * width);
            var keys = AsPanels<W, V>(shape.Of(qkv, row, length, width + column, 3 * width).T, packedKeys);
            var values = AsPanels<W, V>(shape.Of(qkv, row, length, 2 * width + column, 3 * width), packedValues);
            var output = shape.Of(o, row, length, column, width);
            for (var i = 0; i < length; i += W.TileRows)
            {
                int rows = Math.Min(W.TileRows, length - i), seen = i + rows;
                var strip = new Matrix(scores, rows, seen, padded, 1);
                MatrixBlock<W, V>.Multiply(q.Rows(i, rows), keys, new Matrix(scores, rows, Padded<W, V>(seen), padded, 1), Start.Zero);
                for (var r = 0; r < rows; r++)
                {
                    var logSum = Softmax<W, V>(scores + r * padded, i + r + 1, seen, shape.Scale);
                    if (lse != null) lse[(nint)(row + i + r) * shape.Heads + head] = logSum;
                }
                MatrixBlock<W, V>.Multiply(strip, values, output.Rows(i, rows), Start.Zero);
            }
        }
    }

    /// <summary>
    /// Turns the first n scores into softmax(scale·scores), those from n up to total (and up to a whole vector) into 0; returns log Σ exp.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Softmax<W, V>(float* scores, int n, int total, float scale) where W : struct, ILanes<V> where V : unmanaged
    {
        V mask = W.FirstLanes(n % W.Count), lowest = W.Create(float.NegativeInfinity), largest = lowest, zero = W.Create(0);
        var whole = n / W.Count * W.Count;
        for (var j = 0; j < whole; j += W.Count) largest = W.Max(largest, W.Load(scores + j));
        if (whole < n) largest = W.Max(largest, W.Select(mask, W.Load(scores + whole), lowest));
        var max = W.Max(largest) * scale;

        V factor = W.Create(scale), minusMax = W.Create(-max), sum = zero;
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
        var sumOfAll = W.Sum(sum);
        var inverse = W.Create(1 / sumOfAll);
        for (var j = 0; j < n; j += W.Count) W.Store(scores + j, W.Multiply(W.Load(scores + j), inverse));
        for (var j = (n + W.Count - 1) / W.Count * W.Count; j < total; j += W.Count) W.Store(scores + j, zero);
        return max + MathF.Log(sumOfAll);
    }
}

using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

public static unsafe partial class CausalAttention
{
    /// <summary>Query rows worked on together: long enough sums for dK and dV, small enough for the cache.</summary>
    private const int BackwardRows = 48;

    /// <summary>
    /// Overwrites dQkv with the gradient. With P the attention weights (recomputed from lse), dP = dO·Vᵀ, δ_i = dO_i·o_i and
    /// dS = P∘(dP − δ)/√K: dQ = dS·K, dK = dSᵀ·Q, dV = Pᵀ·dO (Dao et al. 2022, appendix B.2).
    /// </summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="qkv">(T, 3·D), the input of the forward pass.</param>
    /// <param name="o">(T, D), its output.</param>
    /// <param name="dO">(T, D), gradient of the output.</param>
    /// <param name="lse">(T, H), from the forward pass.</param>
    /// <param name="starts">Where each sequence starts, and T at the end, (sequences + 1,).</param>
    /// <param name="sequences">Sequences.</param>
    /// <param name="heads">H.</param>
    /// <param name="headSize">K.</param>
    /// <param name="dQkv">Receives (T, 3·D); may not be qkv.</param>
    public static void Backward(
        WorkerPool pool, float* qkv, float* o, float* dO, float* lse, int* starts, int sequences, int heads, int headSize, float* dQkv) =>
        Simd.Run(pool, sequences * heads, new BackwardJob(new Shape(starts, heads, headSize), qkv, o, dO, lse, dQkv));

    private readonly struct BackwardJob(Shape shape, float* qkv, float* o, float* dO, float* lse, float* dQkv) : ITieredJob
    {
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var (row, length, head) = shape.Part(part);
            int size = shape.HeadSize, width = shape.Width, column = head * size, padded = Padded<W, V>(length);
            long transposed = (long)padded * size, direct = (long)length * Padded<W, V>(size), square = (long)BackwardRows * padded;
            var p = Scratch.ForPart(2 * transposed + 3 * direct + 2 * square);
            var dS = p + square;
            var pack = dS + square;

            var q = shape.Of(qkv, row, length, column, 3 * width);
            var k = shape.Of(qkv, row, length, width + column, 3 * width);
            var v = shape.Of(qkv, row, length, 2 * width + column, 3 * width);
            var gradient = shape.Of(dO, row, length, column, width);
            var panels = new PanelSet(
                AsPanels<W, V>(k.T, pack), AsPanels<W, V>(v.T, pack + transposed), AsPanels<W, V>(k, pack + 2 * transposed),
                AsPanels<W, V>(q, pack + 2 * transposed + direct), AsPanels<W, V>(gradient, pack + 2 * transposed + 2 * direct));

            var dQ = shape.Of(dQkv, row, length, column, 3 * width);
            var dK = shape.Of(dQkv, row, length, width + column, 3 * width);
            var dV = shape.Of(dQkv, row, length, 2 * width + column, 3 * width);
            for (var i = 0; i < length; i += BackwardRows)
            {
                var rows = Math.Min(BackwardRows, length - i);
                for (var r = 0; r < rows; r += W.TileRows)
                {
                    int count = Math.Min(W.TileRows, rows - r), seen = i + r + count;
                    float* stripOfP = p + (nint)r * padded, stripOfS = dS + (nint)r * padded;
                    MatrixBlock<W, V>.Multiply(
                        q.Rows(i + r, count), panels.KeysT, new Matrix(stripOfP, count, Padded<W, V>(seen), padded, 1), Start.Zero);
                    MatrixBlock<W, V>.Multiply(
                        gradient.Rows(i + r, count), panels.ValuesT, new Matrix(stripOfS, count, Padded<W, V>(seen), padded, 1), Start.Zero);
                    for (var m = 0; m < count; m++)
                    {
                        nint at = row + i + r + m;
                        var delta = Dot<W, V>(o + at * width + column, dO + at * width + column, size);
                        Weights<W, V>(stripOfP + m * padded, stripOfS + m * padded, i + r + m + 1, i + rows, shape.Scale,
                            lse[at * shape.Heads + head], delta);
                    }
                    MatrixBlock<W, V>.Multiply(new Matrix(stripOfS, count, seen, padded, 1), panels.Keys, dQ.Rows(i + r, count), Start.Zero);
                }
                AddToKeys<W, V>(new Matrix(dS, rows, i + rows, padded, 1), panels.Queries, dK, i);
                AddToKeys<W, V>(new Matrix(p, rows, i + rows, padded, 1), panels.Gradient, dV, i);
            }
        }

        /// <summary>target += weightsᵀ·b for the rows of keys seen so far; the keys of these very queries see only the queries from themselves on.</summary>
        private static void AddToKeys<W, V>(Matrix weights, Panels b, Matrix target, int firstQuery) where W : struct, ILanes<V> where V : unmanaged
        {
            var before = firstQuery;
            var queries = new Panels(b.Data + firstQuery * b.RowStride, b.RowStride, b.PanelStride);
            if (before > 0) MatrixBlock<W, V>.Multiply(weights.Columns(0, before).T, queries, target.Rows(0, before), Start.Target);
            for (var key = before; key < weights.ColumnCount; key += W.TileRows)
            {
                int count = Math.Min(W.TileRows, weights.ColumnCount - key), skipped = key - firstQuery;
                var seeing = weights.Rows(skipped, weights.RowCount - skipped).Columns(key, count);
                var from = new Panels(queries.Data + skipped * b.RowStride, b.RowStride, b.PanelStride);
                MatrixBlock<W, V>.Multiply(seeing.T, from, target.Rows(key, count), Start.Zero);
            }
        }
    }

    private readonly struct PanelSet(Panels keysT, Panels valuesT, Panels keys, Panels queries, Panels gradient)
    {
        internal readonly Panels KeysT = keysT, ValuesT = valuesT, Keys = keys, Queries = queries, Gradient = gradient;
    }

    /// <summary>Scores and dP of one query row become P and dS for its first n keys, 0 up to total (and a whole vector).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Weights<W, V>(float* scores, float* dP, int n, int total, float scale, float lse, float delta)
        where W : struct, ILanes<V> where V : unmanaged
    {
        V factor = W.Create(scale), minusLse = W.Create(-lse), d = W.Create(delta), zero = W.Create(0);
        var j = 0;
        for (; j + W.Count <= n; j += W.Count)
        {
            var p = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(scores + j), factor, minusLse));
            W.Store(scores + j, p);
            W.Store(dP + j, W.Multiply(W.Multiply(p, factor), W.Subtract(W.Load(dP + j), d)));
        }
        if (j < n)
        {
            var mask = W.FirstLanes(n - j);
            var p = W.Select(mask, LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(scores + j), factor, minusLse)), zero);
            W.Store(scores + j, p);
            W.Store(dP + j, W.Select(mask, W.Multiply(W.Multiply(p, factor), W.Subtract(W.Load(dP + j), d)), zero));
            j += W.Count;
        }
        for (; j < total; j += W.Count)
        {
            W.Store(scores + j, zero);
            W.Store(dP + j, zero);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Dot<W, V>(float* x, float* y, int n) where W : struct, ILanes<V> where V : unmanaged
    {
        var sum = W.Create(0);
        var j = 0;
        for (; j + W.Count <= n; j += W.Count) sum = W.MultiplyAdd(W.Load(x + j), W.Load(y + j), sum);
        if (j < n) sum = W.MultiplyAdd(LaneMath<W, V>.LoadFirst(x + j, n - j), LaneMath<W, V>.LoadFirst(y + j, n - j), sum);
        return W.Sum(sum);
    }
}

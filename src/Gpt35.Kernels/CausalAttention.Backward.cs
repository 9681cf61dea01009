using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

public static unsafe partial class CausalAttention
{
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
            int lanes = 2 * W.Count, size = shape.HeadSize, width = shape.Width, column = head * size;
            long strip = (long)lanes * length, copy = (long)length * Padded<W, V>(size);
            var panel = Scratch.ForPart((long)lanes * size + 2 * strip + 2 * lanes + 3 * copy);
            float* p = panel + lanes * size, dS = p + strip, minusLse = dS + strip, delta = minusLse + lanes, packed = delta + lanes;

            var q = shape.Of(qkv, row, length, column, 3 * width);
            var k = shape.Of(qkv, row, length, width + column, 3 * width);
            var v = shape.Of(qkv, row, length, 2 * width + column, 3 * width);
            var gradient = shape.Of(dO, row, length, column, width);
            var queryPanels = AsPanels<W, V>(q, packed);
            var keyPanels = AsPanels<W, V>(k, packed + copy);
            var gradientPanels = AsPanels<W, V>(gradient, packed + 2 * copy);

            var dQ = shape.Of(dQkv, row, length, column, 3 * width);
            var dK = shape.Of(dQkv, row, length, width + column, 3 * width);
            var dV = shape.Of(dQkv, row, length, 2 * width + column, 3 * width);
            new Span<float>(minusLse, 2 * lanes).Clear();
            for (var first = 0; first < length; first += lanes)
            {
                int count = Math.Min(lanes, length - first), keys = first + count;
                for (var i = 0; i < count; i++)
                {
                    nint at = row + first + i;
                    minusLse[i] = -lse[at * shape.Heads + head];
                    delta[i] = Dot<W, V>(o + at * width + column, dO + at * width + column, size);
                }
                TimesTransposed<W, V>(k.Rows(0, keys), q.Rows(first, count), panel, p);
                TimesTransposed<W, V>(v.Rows(0, keys), gradient.Rows(first, count), panel, dS);
                Weights<W, V>(p, dS, first, keys, shape.Scale, minusLse, delta);
                MixSeen<W, V>(dS, first, keyPanels, dQ.Rows(first, count));
                AddToKeys<W, V>(dS, first, count, queryPanels, dK);
                AddToKeys<W, V>(p, first, count, gradientPanels, dV);
            }
        }

        /// <summary>
        /// target (keys, K) += weights (keys, queries)·b (queries, K). The keys among these very queries are new, so they are set,
        /// and see only the queries from their tile's first on.
        /// </summary>
        private static void AddToKeys<W, V>(float* weights, int firstQuery, int count, Panels b, Matrix target)
            where W : struct, ILanes<V> where V : unmanaged
        {
            var lanes = 2 * W.Count;
            var queries = b.Data + firstQuery * b.RowStride;
            if (firstQuery > 0)
                MatrixBlock<W, V>.Multiply(new Matrix(weights, firstQuery, count, lanes, 1), new Panels(queries, b.RowStride, b.PanelStride),
                    target.Rows(0, firstQuery), Start.Target);
            for (var key = 0; key < count; key += W.TileRows)
            {
                var rows = Math.Min(W.TileRows, count - key);
                var seeing = new Matrix(weights + (nint)(firstQuery + key) * lanes + key, rows, count - key, lanes, 1);
                MatrixBlock<W, V>.Multiply(seeing, new Panels(queries + key * b.RowStride, b.RowStride, b.PanelStride),
                    target.Rows(firstQuery + key, rows), Start.Zero);
            }
        }
    }

    /// <summary>Scores and dP, (keys, lanes), become P and dS; 0 for keys after the lane's query.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Weights<W, V>(float* scores, float* dP, int firstQuery, int keys, float scale, float* minusLse, float* delta)
        where W : struct, ILanes<V> where V : unmanaged
    {
        V factor = W.Create(scale), zero = W.Create(0);
        for (var half = 0; half < 2 * W.Count; half += W.Count)
        {
            V logSum = W.Load(minusLse + half), d = W.Load(delta + half);
            float* score = scores + half, slope = dP + half;
            var key = 0;
            for (; key < firstQuery; key++, score += 2 * W.Count, slope += 2 * W.Count)
            {
                var p = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score), factor, logSum));
                W.Store(score, p);
                W.Store(slope, W.Multiply(W.Multiply(p, factor), W.Subtract(W.Load(slope), d)));
            }
            for (; key < keys; key++, score += 2 * W.Count, slope += 2 * W.Count)
            {
                var later = W.FirstLanes(key - firstQuery - half);
                var p = W.Select(later, zero, LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score), factor, logSum)));
                W.Store(score, p);
                W.Store(slope, W.Select(later, zero, W.Multiply(W.Multiply(p, factor), W.Subtract(W.Load(slope), d))));
            }
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

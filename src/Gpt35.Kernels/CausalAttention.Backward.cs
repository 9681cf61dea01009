using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

public static unsafe partial class CausalAttention
{
    /// <summary>
    /// Overwrites dQkv with the gradient. With P the attention weights (recomputed from lse), dP = dO·Vᵀ, δ_i = dO_i·o_i and
    /// dS = P∘(dP − δ)/√K: dQ = dS·K, dK = dSᵀ·Q, dV = Pᵀ·dO (Dao et al. 2022, appendix B.2); dK and dV are summed over the query heads
    /// that share them, in their order.
    /// </summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="qkv">(T, (H + 2G)·K), the input of the forward pass.</param>
    /// <param name="o">(T, H·K), its output.</param>
    /// <param name="dO">(T, H·K), gradient of the output.</param>
    /// <param name="lse">(T, H), from the forward pass.</param>
    /// <param name="starts">Where each sequence starts, and T at the end, (sequences + 1,).</param>
    /// <param name="sequences">Sequences.</param>
    /// <param name="shape">Heads and window.</param>
    /// <param name="dQkv">Receives (T, (H + 2G)·K); may not be qkv.</param>
    public static void Backward(
        WorkerPool pool, float* qkv, float* o, float* dO, float* lse, int* starts, int sequences, AttentionShape shape, float* dQkv)
    {
        var parts = new HeadsOfPart(sequences * shape.KeyValueHeads, pool.Threads);
        Simd.Run(pool, parts.Count, new BackwardJob(new Sequences(starts, shape), parts, qkv, o, dO, lse, dQkv));
    }

    /// <summary>Heads here are key/value heads, each with all query heads that share it.</summary>
    private readonly struct BackwardJob(Sequences sequences, HeadsOfPart parts, float* qkv, float* o, float* dO, float* lse, float* dQkv) : ITieredJob
    {
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            for (var item = parts.First(part); item < parts.End(part); item++) Attend<W, V>(item, item + 1 < parts.End(part));
        }

        /// <summary>One key/value head of one sequence.</summary>
        private void Attend<W, V>(int item, bool goesOn) where W : struct, ILanes<V> where V : unmanaged
        {
            var shape = sequences.Shape;
            var (row, length) = sequences.Of(item / shape.KeyValueHeads);
            var group = item % shape.KeyValueHeads;
            int lanes = 2 * W.Count, size = shape.HeadSize, stride = shape.QkvWidth;
            long strip = (long)lanes * shape.Reach(lanes, length), copy = (long)length * Padded<W, V>(size);
            var panel = Scratch.ForPart((long)lanes * size + 2 * strip + 2 * lanes + 3 * copy);
            float* p = panel + lanes * size, dS = p + strip, minusLse = dS + strip, delta = minusLse + lanes, packed = delta + lanes;

            var k = sequences.Head(qkv, row, length, shape.KeyColumn(group), stride);
            var v = sequences.Head(qkv, row, length, shape.ValueColumn(group), stride);
            var dK = sequences.Head(dQkv, row, length, shape.KeyColumn(group), stride);
            var dV = sequences.Head(dQkv, row, length, shape.ValueColumn(group), stride);
            var keyPanels = AsPanels<W, V>(k, packed + copy);
            for (var head = group * shape.HeadsPerGroup; head < (group + 1) * shape.HeadsPerGroup; head++)
            {
                var q = sequences.Head(qkv, row, length, head * size, stride);
                var gradient = sequences.Head(dO, row, length, head * size, shape.Width);
                var queryPanels = AsPanels<W, V>(q, packed);
                var gradientPanels = AsPanels<W, V>(gradient, packed + 2 * copy);
                var dQ = sequences.Head(dQkv, row, length, head * size, stride);
                var isFirst = head == group * shape.HeadsPerGroup;
                new Span<float>(minusLse, 2 * lanes).Clear();
                for (var first = 0; first < length; first += lanes)
                {
                    var at = Strip.Whole(first, lanes, length, shape);
                    var isLast = head + 1 == (group + 1) * shape.HeadsPerGroup;
                    var next = sequences.After(item / shape.KeyValueHeads, first + lanes, lanes, !isLast ? item / shape.KeyValueHeads : goesOn ? (item + 1) / shape.KeyValueHeads : -1);
                    var nextHead = first + lanes < length ? head : (head + 1) % shape.Heads;
                    RowNumbers<W, V>(row + first, at.Count, head, minusLse, delta);
                    Panel<W, V>.Pack(q.Rows(first, at.Count).T, panel);
                    Multiply<W, V>(k.Rows(at.FirstKey, at.Keys), panel, p);
                    Panel<W, V>.Pack(gradient.Rows(first, at.Count).T, panel);
                    Multiply<W, V>(v.Rows(at.FirstKey, at.Keys), panel, dS);
                    FetchQueries(next.Row, next.Count, nextHead);
                    Weights<W, V>(p, dS, at, shape.Scale, minusLse, delta);
                    FetchKeys(qkv, next.Row, next.Count, nextHead / shape.HeadsPerGroup);
                    FetchKeys(dQkv, next.Row, next.Count, nextHead / shape.HeadsPerGroup);
                    MixSeen<W, V>(dS, at, From(keyPanels, at.FirstKey), dQ.Rows(first, at.Count));
                    AddToKeys<W, V>(dS, at, From(queryPanels, first), dK.Rows(at.FirstKey, at.Keys), isFirst);
                    AddToKeys<W, V>(p, at, From(gradientPanels, first), dV.Rows(at.FirstKey, at.Keys), isFirst);
                }
            }
        }

        /// <summary>Asks for what a head's queries need.</summary>
        private void FetchQueries(int row, int count, int head)
        {
            var shape = sequences.Shape;
            nint at = (nint)row * shape.QkvWidth + head * shape.HeadSize, of = (nint)row * shape.Width + head * shape.HeadSize;
            Fetch(o + of, shape.Width, count, shape.HeadSize);
            Fetch(dO + of, shape.Width, count, shape.HeadSize);
            Fetch(qkv + at, shape.QkvWidth, count, shape.HeadSize);
            Fetch(dQkv + at, shape.QkvWidth, count, shape.HeadSize);
        }

        /// <summary>Asks for keys and values, or their gradients.</summary>
        private void FetchKeys(float* data, int row, int count, int group)
        {
            var shape = sequences.Shape;
            data += (nint)row * shape.QkvWidth;
            Fetch(data + shape.KeyColumn(group), shape.QkvWidth, count, shape.HeadSize);
            Fetch(data + shape.ValueColumn(group), shape.QkvWidth, count, shape.HeadSize);
        }

        /// <summary>−lse and δ of the strip's queries.</summary>
        private void RowNumbers<W, V>(int row, int count, int head, float* minusLse, float* delta) where W : struct, ILanes<V> where V : unmanaged
        {
            var shape = sequences.Shape;
            for (var i = 0; i < count; i++)
            {
                nint at = row + i, from = at * shape.Width + head * shape.HeadSize;
                minusLse[i] = -lse[at * shape.Heads + head];
                delta[i] = Dot<W, V>(o + from, dO + from, shape.HeadSize);
            }
        }

        /// <summary>
        /// target (keys, K) += weights (keys, queries)·b (queries, K). The keys among these very queries see only the queries from their
        /// tile's first on, and are new to the first head of a group, which sets them.
        /// </summary>
        private static void AddToKeys<W, V>(float* weights, in Strip strip, Panels b, Matrix target, bool isFirst)
            where W : struct, ILanes<V> where V : unmanaged
        {
            int lanes = 2 * W.Count, earlier = strip.Earlier;
            if (earlier > 0)
                MatrixBlock<W, V>.Multiply(new Matrix(weights, earlier, strip.Count, lanes, 1), b, target.Rows(0, earlier), Start.Target);
            for (var key = 0; key < strip.Count; key += W.TileRows)
            {
                var rows = Math.Min(W.TileRows, strip.Count - key);
                var seeing = new Matrix(weights + (nint)(earlier + key) * lanes + key, rows, strip.Count - key, lanes, 1);
                MatrixBlock<W, V>.Multiply(seeing, From(b, key), target.Rows(earlier + key, rows), isFirst ? Start.Zero : Start.Target);
            }
        }
    }

    /// <summary>Scores and dP, (keys, lanes), become P and dS; 0 for keys that the lane's query does not see.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Weights<W, V>(float* scores, float* dP, in Strip strip, float scale, float* minusLse, float* delta)
        where W : struct, ILanes<V> where V : unmanaged
    {
        int earlier = strip.Earlier, keys = strip.Keys, leaving = strip.Leaving(2 * W.Count), window = strip.Window;
        V factor = W.Create(scale), zero = W.Create(0);
        for (var half = 0; half < 2 * W.Count; half += W.Count)
        {
            V logSum = W.Load(minusLse + half), d = W.Load(delta + half);
            float* score = scores + half, slope = dP + half;
            var key = 0;
            for (; key < leaving; key++, score += 2 * W.Count, slope += 2 * W.Count)
            {
                var p = WhereSeen<W, V>(earlier + half, window, key, LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score), factor, logSum)), zero);
                W.Store(score, p);
                W.Store(slope, W.Multiply(W.Multiply(p, factor), W.Subtract(W.Load(slope), d)));
            }
            for (; key < earlier; key++, score += 2 * W.Count, slope += 2 * W.Count)
            {
                var p = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score), factor, logSum));
                W.Store(score, p);
                W.Store(slope, W.Multiply(W.Multiply(p, factor), W.Subtract(W.Load(slope), d)));
            }
            for (; key < keys; key++, score += 2 * W.Count, slope += 2 * W.Count)
            {
                var later = W.FirstLanes(key - earlier - half);
                var p = W.Select(later, zero, LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(score), factor, logSum)));
                W.Store(score, p);
                W.Store(slope, W.Select(later, zero, W.Multiply(W.Multiply(p, factor), W.Subtract(W.Load(slope), d))));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Dot<W, V>(float* x, float* y, int n) where W : struct, ILanes<V> where V : unmanaged
    {
        var sum = W.Create(0);
        var j = 0;
        for (; j + W.Count <= n; j += W.Count) sum = W.MultiplyAdd(W.Load(x + j), W.Load(y + j), sum);
        if (j < n) sum = W.MultiplyAdd(LaneMath<W, V>.LoadFirst(x + j, n - j), LaneMath<W, V>.LoadFirst(y + j, n - j), sum);
        return W.Sum(sum);
    }
}

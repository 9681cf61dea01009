using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>The loops of <see cref="PagedAttention"/> over blocks in place, and its softmax.</summary>
internal static unsafe class PagedKernels<W, V, F> where W : struct, ILanes<V> where V : unmanaged where F : struct, IKvFormat
{
    /// <summary>Scores of one query with four vectors of keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal static void ScoreOne(float* q, byte* a, byte* b, byte* c, byte* d, int size, float* scores)
    {
        V s0 = W.Create(0), s1 = s0, s2 = s0, s3 = s0;
        nint at = 0;
        for (var k = 0; k < size; k++, at += KvPages.BlockTokens)
        {
            var x = W.Create(q[k]);
            s0 = W.MultiplyAdd(x, F.Load<W, V>(a, at), s0);
            s1 = W.MultiplyAdd(x, F.Load<W, V>(b, at), s1);
            s2 = W.MultiplyAdd(x, F.Load<W, V>(c, at), s2);
            s3 = W.MultiplyAdd(x, F.Load<W, V>(d, at), s3);
        }
        W.Store(scores, s0);
        W.Store(scores + W.Count, s1);
        W.Store(scores + 2 * W.Count, s2);
        W.Store(scores + 3 * W.Count, s3);
    }

    /// <summary>The same of two queries, one behind the other; the second's scores lie <paramref name="stride"/> further.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal static void ScoreTwo(float* q, byte* a, byte* b, byte* c, byte* d, int size, float* scores, int stride)
    {
        V s0 = W.Create(0), s1 = s0, s2 = s0, s3 = s0, t0 = s0, t1 = s0, t2 = s0, t3 = s0;
        nint at = 0;
        for (var k = 0; k < size; k++, at += KvPages.BlockTokens)
        {
            V x = W.Create(q[k]), y = W.Create(q[size + k]), keys = F.Load<W, V>(a, at);
            s0 = W.MultiplyAdd(x, keys, s0);
            t0 = W.MultiplyAdd(y, keys, t0);
            keys = F.Load<W, V>(b, at);
            s1 = W.MultiplyAdd(x, keys, s1);
            t1 = W.MultiplyAdd(y, keys, t1);
            keys = F.Load<W, V>(c, at);
            s2 = W.MultiplyAdd(x, keys, s2);
            t2 = W.MultiplyAdd(y, keys, t2);
            keys = F.Load<W, V>(d, at);
            s3 = W.MultiplyAdd(x, keys, s3);
            t3 = W.MultiplyAdd(y, keys, t3);
        }
        W.Store(scores, s0);
        W.Store(scores + W.Count, s1);
        W.Store(scores + 2 * W.Count, s2);
        W.Store(scores + 3 * W.Count, s3);
        scores += stride;
        W.Store(scores, t0);
        W.Store(scores + W.Count, t1);
        W.Store(scores + 2 * W.Count, t2);
        W.Store(scores + 3 * W.Count, t3);
    }

    /// <summary>
    /// e^(scale·s_j − top) for j from <paramref name="seenFrom"/> to <paramref name="seenTo"/> − 1, 0 for the others between <paramref name="from"/> and the
    /// vector of <paramref name="to"/>. Scores count times their key's scale, and the results then times their value's.
    /// </summary>
    /// <param name="scores">Changed in place.</param>
    /// <param name="scale">1/√K.</param>
    /// <param name="from">Where to begin, a multiple of <see cref="SoftmaxSections.Sums"/>.</param>
    /// <param name="to">One behind the last.</param>
    /// <param name="seenFrom">The first that counts.</param>
    /// <param name="seenTo">One behind the last that counts.</param>
    /// <param name="keyScales">One per key, where the format has scales.</param>
    /// <param name="valueScales">One per key, where the format has scales.</param>
    /// <param name="top">Receives the largest score times the scale; −∞ when none counts.</param>
    /// <returns>The sum, before the values' scales; 0 when none counts.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal static float Exponentials(float* scores, float scale, int from, int to, int seenFrom, int seenTo, float* keyScales, float* valueScales, float* top)
    {
        V lowest = W.Create(float.NegativeInfinity), zero = W.Create(0), largest = lowest;
        for (var j = from; j < to; j += W.Count)
        {
            var s = W.Load(scores + j);
            if (F.HasScales)
            {
                s = W.Multiply(s, W.Load(keyScales + j));
                W.Store(scores + j, s);
            }
            largest = W.Max(largest, j >= seenFrom && j + W.Count <= seenTo ? s : WhereSeen(j, seenFrom, seenTo, s, lowest));
        }
        *top = W.Max(largest) * scale;
        V factor = W.Create(scale), minusTop = W.Create(-*top);
        var sums = stackalloc float[SoftmaxSections.Sums];
        for (var lane = 0; lane < SoftmaxSections.Sums; lane += W.Count)
        {
            var sum = zero;
            for (var j = from + lane; j < to; j += SoftmaxSections.Sums)
            {
                var p = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(scores + j), factor, minusTop));
                if (j < seenFrom || j + W.Count > seenTo) p = WhereSeen(j, seenFrom, seenTo, p, zero);
                sum = W.Add(sum, p);
                if (F.HasScales)
                {
                    p = W.Multiply(p, W.Load(valueScales + j));
                    if (j < seenFrom || j + W.Count > seenTo) p = WhereSeen(j, seenFrom, seenTo, p, zero);       // no scale there may be any number
                }
                W.Store(scores + j, p);
            }
            W.Store(sums + lane, sum);
        }
        return SoftmaxSections.Add(sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V WhereSeen(int j, int seenFrom, int seenTo, V value, V other) =>
        W.Select(W.FirstLanes(seenFrom - j), other, W.Select(W.FirstLanes(seenTo - j), value, other));

    /// <summary>Four vectors of o += Σ_j weights_j·v_j for j from … to − 1 of the section.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal static void MixOne(in KvPages pages, int group, int* blocks, int from, int to, int column, int size, float* weights, float* o)
    {
        V s0 = W.Load(o), s1 = W.Load(o + W.Count), s2 = W.Load(o + 2 * W.Count), s3 = W.Load(o + 3 * W.Count);
        while (from < to)
        {
            var values = pages.Values(blocks[from / KvPages.BlockTokens], group);
            var at = (nint)(from % KvPages.BlockTokens) * size + column;
            for (var end = Math.Min(to, (from / KvPages.BlockTokens + 1) * KvPages.BlockTokens); from < end; from++, at += size)
            {
                var p = W.Create(weights[from]);
                s0 = W.MultiplyAdd(p, F.Load<W, V>(values, at), s0);
                s1 = W.MultiplyAdd(p, F.Load<W, V>(values, at + W.Count), s1);
                s2 = W.MultiplyAdd(p, F.Load<W, V>(values, at + 2 * W.Count), s2);
                s3 = W.MultiplyAdd(p, F.Load<W, V>(values, at + 3 * W.Count), s3);
            }
        }
        W.Store(o, s0);
        W.Store(o + W.Count, s1);
        W.Store(o + 2 * W.Count, s2);
        W.Store(o + 3 * W.Count, s3);
    }

    /// <summary>The same for two rows of weights and results.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal static void MixTwo(
        in KvPages pages, int group, int* blocks, int from, int to, int column, int size, float* weights, int weightStride, float* o, int stride)
    {
        var second = o + stride;
        V s0 = W.Load(o), s1 = W.Load(o + W.Count), s2 = W.Load(o + 2 * W.Count), s3 = W.Load(o + 3 * W.Count);
        V t0 = W.Load(second), t1 = W.Load(second + W.Count), t2 = W.Load(second + 2 * W.Count), t3 = W.Load(second + 3 * W.Count);
        while (from < to)
        {
            var values = pages.Values(blocks[from / KvPages.BlockTokens], group);
            var at = (nint)(from % KvPages.BlockTokens) * size + column;
            for (var end = Math.Min(to, (from / KvPages.BlockTokens + 1) * KvPages.BlockTokens); from < end; from++, at += size)
            {
                V x = W.Create(weights[from]), y = W.Create(weights[weightStride + from]), v = F.Load<W, V>(values, at);
                s0 = W.MultiplyAdd(x, v, s0);
                t0 = W.MultiplyAdd(y, v, t0);
                v = F.Load<W, V>(values, at + W.Count);
                s1 = W.MultiplyAdd(x, v, s1);
                t1 = W.MultiplyAdd(y, v, t1);
                v = F.Load<W, V>(values, at + 2 * W.Count);
                s2 = W.MultiplyAdd(x, v, s2);
                t2 = W.MultiplyAdd(y, v, t2);
                v = F.Load<W, V>(values, at + 3 * W.Count);
                s3 = W.MultiplyAdd(x, v, s3);
                t3 = W.MultiplyAdd(y, v, t3);
            }
        }
        W.Store(o, s0);
        W.Store(o + W.Count, s1);
        W.Store(o + 2 * W.Count, s2);
        W.Store(o + 3 * W.Count, s3);
        W.Store(second, t0);
        W.Store(second + W.Count, t1);
        W.Store(second + 2 * W.Count, t2);
        W.Store(second + 3 * W.Count, t3);
    }
}

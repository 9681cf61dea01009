using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>
/// The order of operations of attention's softmax, which <see cref="CausalAttention"/> and <see cref="PagedAttention"/> both follow, so that a
/// query has the same bits in training and over a cache, in every tier.
/// </summary>
/// <remarks>
/// <para>
/// Keys are taken in sections of 256, counted from the sequence's start. Of each a query has, over the keys it sees, m = max s_j/√K,
/// l = Σ e^(s_j/√K − m) and u = Σ e^(s_j/√K − m)·v_j with s_j = q·k_j. Sections are joined from first to last, as in the online softmax
/// (Milakov and Gimelshein 2018; Dao et al. 2022): M = max(m, m′), l ← l·e^(m − M) + l′·e^(m′ − M), u alike. In the end o = u·(1/l).
/// </para>
/// <para>
/// A score is one chain of fused multiply-adds over K, its exponent one of s_j, 1/√K and −m, an element of u one chain over the keys. l is sixteen
/// sums, key j in sum j mod 16, each in the order of the keys, which are then added by halves: i and i + 8, i and i + 4, and so on. What a query does not see
/// adds exact zeros.
/// </para>
/// </remarks>
internal static unsafe class SoftmaxSections
{
    /// <summary>Keys that are taken at a time.</summary>
    internal const int Keys = 256;
    /// <summary>Sums that the keys of a section take turns in.</summary>
    internal const int Sums = 16;

    /// <summary>The sum of sixteen, by halves.</summary>
    internal static float Add(float* sums)
    {
        var four = Vector128.Load(sums) + Vector128.Load(sums + 8) + (Vector128.Load(sums + 4) + Vector128.Load(sums + 12));
        return four[0] + four[2] + (four[1] + four[3]);
    }

    /// <summary>Joins what a query found in a section to what it found before.</summary>
    /// <param name="top">m so far.</param>
    /// <param name="total">l so far; 0: nothing yet.</param>
    /// <param name="mixed">u so far, (n,).</param>
    /// <param name="hereTop">m of the section.</param>
    /// <param name="hereTotal">l of the section; 0: it sees none of its keys.</param>
    /// <param name="hereMixed">u of the section, (n,).</param>
    /// <param name="n">K.</param>
    internal static void Join<W, V>(ref float top, ref float total, float* mixed, float hereTop, float hereTotal, float* hereMixed, int n)
        where W : struct, ILanes<V> where V : unmanaged
    {
        if (hereTotal == 0) return;
        if (total == 0)
        {
            (top, total) = (hereTop, hereTotal);
            Unsafe.CopyBlockUnaligned(mixed, hereMixed, (uint)n * sizeof(float));
            return;
        }
        var most = MathF.Max(top, hereTop);
        var (before, here) = Mix<W, V>(top - most, hereTop - most, mixed, hereMixed, n);
        total = total * before + hereTotal * here;
        top = most;
    }

    /// <summary>x ← x·e^before + y·e^here.</summary>
    /// <returns>The two factors.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static (float Before, float Here) Mix<W, V>(float before, float here, float* x, float* y, int n) where W : struct, ILanes<V> where V : unmanaged
    {
        V ofBefore = LaneMath<W, V>.Exp(W.Create(before)), ofHere = LaneMath<W, V>.Exp(W.Create(here));
        float a = W.Max(ofBefore), b = W.Max(ofHere);
        var i = 0;
        for (; i + W.Count <= n; i += W.Count) W.Store(x + i, W.MultiplyAdd(W.Load(y + i), ofHere, W.Multiply(W.Load(x + i), ofBefore)));
        for (; i < n; i++) x[i] = MathF.FusedMultiplyAdd(y[i], b, x[i] * a);
        return (a, b);
    }

    /// <summary>y = factor·x; nothing beyond n is written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Scale<W, V>(float* x, float factor, int n, float* y) where W : struct, ILanes<V> where V : unmanaged
    {
        var f = W.Create(factor);
        var i = 0;
        for (; i + W.Count <= n; i += W.Count) W.Store(y + i, W.Multiply(W.Load(x + i), f));
        for (; i < n; i++) y[i] = x[i] * factor;
    }
}

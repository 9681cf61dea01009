using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>Functions of whole vectors on top of <see cref="ILanes{V}"/>.</summary>
internal static unsafe class LaneMath<W, V> where W : struct, ILanes<V> where V : unmanaged
{
    /// <summary>
    /// e^x to 2 units in the last place: x = n·ln 2 + r, |r| ≤ ln 2 / 2, polynomial in r (Cephes, expf), exponent raised by n.
    /// 0 below −87; stops growing at e^88; NaN stays NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Exp(V x) => W.Select(W.Less(x, W.Create(-87f)), W.Create(0f), ExpBounded(x));

    /// <summary>The same, but at least e^−87.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V ExpBounded(V x)
    {
        // 1.5·2^23: adding it rounds to an integer, which then sits in the low bits.
        var shifter = W.Create(12582912f);
        var bounded = W.Min(W.Create(88f), W.Max(W.Create(-87f), x));
        var shifted = W.MultiplyAdd(bounded, W.Create(1.44269504f), shifter);
        var n = W.Subtract(shifted, shifter);
        var r = W.MultiplyAdd(n, W.Create(-0.693359375f), bounded);
        r = W.MultiplyAdd(n, W.Create(2.12194440e-4f), r);
        var p = W.MultiplyAdd(W.Create(1.9875691500e-4f), r, W.Create(1.3981999507e-3f));
        p = W.MultiplyAdd(p, r, W.Create(8.3334519073e-3f));
        p = W.MultiplyAdd(p, r, W.Create(4.1665795894e-2f));
        p = W.MultiplyAdd(p, r, W.Create(1.6666665459e-1f));
        p = W.MultiplyAdd(p, r, W.Create(5.0000001201e-1f));
        p = W.MultiplyAdd(p, W.Multiply(r, r), W.Add(r, W.Create(1f)));
        return W.AddBits(p, W.ShiftLeft(shifted, 23));
    }

    /// <summary>1/(1 + e^x): the logistic function of −x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Logistic(V minusX) => W.Divide(W.Create(1), W.Add(W.Create(1), ExpBounded(minusX)));

    /// <summary>The first n &lt; Count floats, zeros after them; reads nothing beyond.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static V LoadFirst(float* from, int n)
    {
        V value = default;
        Unsafe.CopyBlockUnaligned(&value, from, (uint)n * sizeof(float));
        return value;
    }

    /// <summary>Writes the first n &lt; Count lanes and nothing beyond.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void StoreFirst(float* to, V value, int n) => Unsafe.CopyBlockUnaligned(to, &value, (uint)n * sizeof(float));
}

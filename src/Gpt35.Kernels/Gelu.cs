using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// GELU in the tanh form of GPT-2 (Hendrycks and Gimpel 2016): ½x(1 + tanh u), u = √(2/π)·(x + 0.044715x³).
/// Since ½(1 + tanh u) = σ(2u), it is computed as x·σ(2u), which keeps its precision where tanh is near −1.
/// The derivative is s + x·s·(1 − s)·2u′ with s = σ(2u), 2u′ = 2√(2/π)·(1 + 3·0.044715x²).
/// </summary>
internal readonly struct GeluTanh : ILaneFunction
{
    private const float Twice = 1.5957691216f, TwiceCubic = Twice * 0.044715f;

    /// <summary>The definition.</summary>
    internal static double Reference(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Value<W, V>(V x) where W : struct, ILanes<V> where V : unmanaged => W.Multiply(x, Gate<W, V>(x, W.Multiply(x, x)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Slope<W, V>(V x, out V value) where W : struct, ILanes<V> where V : unmanaged
    {
        var square = W.Multiply(x, x);
        var gate = Gate<W, V>(x, square);
        value = W.Multiply(x, gate);
        var slope = W.Multiply(x, W.MultiplyAdd(square, W.Create(3 * TwiceCubic), W.Create(Twice)));
        // Far out the slope may overflow where gate·(1 − gate) vanishes; 0·∞ must not become NaN.
        slope = W.Min(W.Create(1e9f), W.Max(W.Create(-1e9f), slope));
        return W.MultiplyAdd(W.Multiply(gate, W.Subtract(W.Create(1), gate)), slope, gate);
    }

    /// <summary>σ(2u).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Gate<W, V>(V x, V square) where W : struct, ILanes<V> where V : unmanaged
    {
        var minusTwiceU = W.Multiply(x, W.MultiplyAdd(square, W.Create(-TwiceCubic), W.Create(-Twice)));
        return LaneMath<W, V>.Logistic(minusTwiceU);
    }
}

/// <summary>GELU as defined (Hendrycks and Gimpel 2016): x·Φ(x), Φ the normal distribution function; the derivative is Φ(x) + x·φ(x), φ its density.</summary>
internal readonly struct GeluErf : ILaneFunction
{
    /// <summary>1/√(2π).</summary>
    private const float Density = 0.39894228f;

    /// <summary>The definition: Φ(x) = ½·erfc(−x/√2), by the series of Φ − ½ near 0 and the continued fraction of the tail beyond.</summary>
    internal static double Reference(double x)
    {
        double z = Math.Abs(x), density = Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI), tail;
        if (z < 4)
        {
            double term = z, sum = z;
            for (var n = 3; term > 1e-18 * sum; n += 2) sum += term *= z * z / n;
            tail = 0.5 - density * sum;
        }
        else
        {
            var fraction = z;
            for (var n = 200; n > 0; n--) fraction = z + n / fraction;
            tail = density / fraction;
        }
        return x * (x < 0 ? tail : 1 - tail);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Value<W, V>(V x) where W : struct, ILanes<V> where V : unmanaged => W.Multiply(x, Distribution<W, V>(x, out _));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Slope<W, V>(V x, out V value) where W : struct, ILanes<V> where V : unmanaged
    {
        var distribution = Distribution<W, V>(x, out var bell);
        value = W.Multiply(x, distribution);
        // Beyond 14 the density is 0 in float; x itself may be so large there that 0·x is no number.
        var bounded = W.Min(W.Create(20f), W.Max(W.Create(-20f), x));
        return W.MultiplyAdd(W.Multiply(bounded, W.Create(Density)), bell, distribution);
    }

    /// <summary>
    /// Φ(x), and e^(−x²/2). The tail Φ(−|x|) is e^(−x²/2)·t·P(t) with t = 1/(1 + 0.3|x|); P interpolates the quotient at the eleven
    /// Chebyshev points of [0, 1], with a relative error of 3.4e-8, which is below rounding.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Distribution<W, V>(V x, out V bell) where W : struct, ILanes<V> where V : unmanaged
    {
        V one = W.Create(1), zero = W.Create(0);
        // A NaN passes through Max as its second operand.
        var size = W.Min(W.Create(1e9f), W.Max(W.Subtract(zero, x), x));
        var t = W.Divide(one, W.MultiplyAdd(size, W.Create(0.3f), one));
        var p = W.Create(-0.009328870613f);
        p = W.MultiplyAdd(p, t, W.Create(0.0318847458f));
        p = W.MultiplyAdd(p, t, W.Create(-0.01604549726f));
        p = W.MultiplyAdd(p, t, W.Create(-0.04890739241f));
        p = W.MultiplyAdd(p, t, W.Create(0.03437217478f));
        p = W.MultiplyAdd(p, t, W.Create(0.01101760892f));
        p = W.MultiplyAdd(p, t, W.Create(0.06186449748f));
        p = W.MultiplyAdd(p, t, W.Create(0.08683051539f));
        p = W.MultiplyAdd(p, t, W.Create(0.108947781f));
        p = W.MultiplyAdd(p, t, W.Create(0.1196817432f));
        p = W.MultiplyAdd(p, t, W.Create(0.119682688f));
        // x² is rounded; what rounding took off goes into the exponential as a factor.
        var square = W.Multiply(size, size);
        var lost = W.MultiplyAdd(size, size, W.Subtract(zero, square));
        var exponential = LaneMath<W, V>.Exp(W.Multiply(square, W.Create(-0.5f)));
        bell = W.MultiplyAdd(exponential, W.Multiply(lost, W.Create(-0.5f)), exponential);
        var tail = W.Multiply(bell, W.Multiply(t, p));
        return W.Select(W.Less(x, zero), tail, W.Subtract(one, tail));
    }
}

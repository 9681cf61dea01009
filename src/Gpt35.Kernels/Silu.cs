using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>SiLU, also called swish (Elfwing et al. 2018): x·s with s = σ(x); the derivative is s + x·s·(1 − s).</summary>
internal readonly struct Silu : ILaneFunction
{
    /// <summary>The definition.</summary>
    internal static double Reference(double x) => x / (1 + Math.Exp(-x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Value<W, V>(V x) where W : struct, ILanes<V> where V : unmanaged =>
        W.Multiply(x, LaneMath<W, V>.Logistic(W.Subtract(W.Create(0), x)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Slope<W, V>(V x, out V value) where W : struct, ILanes<V> where V : unmanaged
    {
        var s = LaneMath<W, V>.Logistic(W.Subtract(W.Create(0), x));
        value = W.Multiply(x, s);
        return W.MultiplyAdd(value, W.Subtract(W.Create(1), s), s);
    }
}

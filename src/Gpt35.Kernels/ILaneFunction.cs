namespace Gpt35.Kernels;

/// <summary>A function of one number and its derivative, on whole vectors.</summary>
internal interface ILaneFunction
{
    static abstract V Value<W, V>(V x) where W : struct, ILanes<V> where V : unmanaged;

    /// <summary>f′(x), and f(x) beside it.</summary>
    static abstract V Slope<W, V>(V x, out V value) where W : struct, ILanes<V> where V : unmanaged;
}

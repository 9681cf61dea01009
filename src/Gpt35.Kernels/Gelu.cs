using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// GELU in the tanh form of GPT-2 (Hendrycks and Gimpel 2016): ½x(1 + tanh u), u = √(2/π)·(x + 0.044715x³).
/// Since ½(1 + tanh u) = σ(2u), it is computed as x·σ(2u), which keeps its precision where tanh is near −1.
/// </summary>
public static unsafe class Gelu
{
    private const int Chunk = 8192;
    private const float Twice = 1.5957691216f, TwiceCubic = Twice * 0.044715f;

    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(n,).</param>
    /// <param name="n">Elements.</param>
    /// <param name="y">Receives (n,); may be x.</param>
    public static void Forward(WorkerPool pool, float* x, long n, float* y) =>
        Simd.Run(pool, Simd.Pieces(n, Chunk), new ForwardJob(x, n, y));

    /// <summary>dx = dy·(s + x·s·(1 − s)·2u′) with s = σ(2u), 2u′ = 2√(2/π)·(1 + 3·0.044715x²).</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(n,), the input of the forward pass.</param>
    /// <param name="dy">(n,).</param>
    /// <param name="n">Elements.</param>
    /// <param name="dx">Receives (n,); may be dy or x.</param>
    public static void Backward(WorkerPool pool, float* x, float* dy, long n, float* dx) =>
        Simd.Run(pool, Simd.Pieces(n, Chunk), new BackwardJob(x, dy, n, dx));

    /// <summary>The definition.</summary>
    internal static double Reference(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));

    /// <summary>σ(2u).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Gate<W, V>(V x, V square) where W : struct, ILanes<V> where V : unmanaged
    {
        var minusTwiceU = W.Multiply(x, W.MultiplyAdd(square, W.Create(-TwiceCubic), W.Create(-Twice)));
        return W.Divide(W.Create(1), W.Add(W.Create(1), LaneMath<W, V>.ExpBounded(minusTwiceU)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Value<W, V>(V x) where W : struct, ILanes<V> where V : unmanaged => W.Multiply(x, Gate<W, V>(x, W.Multiply(x, x)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Derivative<W, V>(V x) where W : struct, ILanes<V> where V : unmanaged
    {
        var square = W.Multiply(x, x);
        var gate = Gate<W, V>(x, square);
        var slope = W.Multiply(x, W.MultiplyAdd(square, W.Create(3 * TwiceCubic), W.Create(Twice)));
        // Far out the slope may overflow where gate·(1 − gate) vanishes; 0·∞ must not become NaN.
        slope = W.Min(W.Create(1e9f), W.Max(W.Create(-1e9f), slope));
        return W.MultiplyAdd(W.Multiply(gate, W.Subtract(W.Create(1), gate)), slope, gate);
    }

    private readonly struct ForwardJob(float* x, long n, float* y) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var i = (long)part * Chunk;
            var end = Math.Min(i + Chunk, n);
            for (; i + W.Count <= end; i += W.Count) W.Store(y + i, Value<W, V>(W.Load(x + i)));
            if (i < end) LaneMath<W, V>.StoreFirst(y + i, Value<W, V>(LaneMath<W, V>.LoadFirst(x + i, (int)(end - i))), (int)(end - i));
        }
    }

    private readonly struct BackwardJob(float* x, float* dy, long n, float* dx) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var i = (long)part * Chunk;
            var end = Math.Min(i + Chunk, n);
            for (; i + W.Count <= end; i += W.Count) W.Store(dx + i, W.Multiply(W.Load(dy + i), Derivative<W, V>(W.Load(x + i))));
            if (i >= end) return;
            var tail = (int)(end - i);
            var slope = Derivative<W, V>(LaneMath<W, V>.LoadFirst(x + i, tail));
            LaneMath<W, V>.StoreFirst(dx + i, W.Multiply(LaneMath<W, V>.LoadFirst(dy + i, tail), slope), tail);
        }
    }
}

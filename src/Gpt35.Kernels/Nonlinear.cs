using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>Nonlinearities of feed-forward layers.</summary>
public enum Nonlinearity
{
    /// <summary><see cref="Kernels.GeluTanh"/>.</summary>
    GeluTanh,
    /// <summary><see cref="Kernels.GeluErf"/>.</summary>
    GeluErf,
    /// <summary><see cref="Kernels.Silu"/>.</summary>
    Silu,
}

/// <summary>
/// y = f(x) element by element, and the gated form y = f(g)∘u of rows (g | u) (Shazeer 2020; with f = SiLU, SwiGLU), both with gradients.
/// The functions are defined in Gelu.cs and Silu.cs; the loops are here. Matrix products take them through their pieces (<see cref="Epilogue"/>), except the gated form on
/// the way forward: a piece of (g | u) has not both.
/// </summary>
public static unsafe class Nonlinear
{
    private const int FloatsOfPart = 8192;

    /// <param name="pool">Threads to use.</param>
    /// <param name="f">The function.</param>
    /// <param name="x">(rows, 2·width): g | u.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns of the result.</param>
    /// <param name="y">Receives f(g)∘u, (rows, width).</param>
    public static void ForwardGated(WorkerPool pool, Nonlinearity f, float* x, int rows, int width, float* y)
    {
        var rowsEach = Math.Max(1, FloatsOfPart / width);
        var parts = Simd.Pieces(rows, rowsEach);
        switch (f)
        {
            case Nonlinearity.GeluTanh: Simd.Run(pool, parts, new ForwardGatedJob<GeluTanh>(x, rows, width, rowsEach, y)); break;
            case Nonlinearity.GeluErf: Simd.Run(pool, parts, new ForwardGatedJob<GeluErf>(x, rows, width, rowsEach, y)); break;
            default: Simd.Run(pool, parts, new ForwardGatedJob<Silu>(x, rows, width, rowsEach, y)); break;
        }
    }

    /// <summary>y = f(x), n of them; y may be x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Values<F, W, V>(float* x, int n, float* y) where F : struct, ILaneFunction where W : struct, ILanes<V> where V : unmanaged
    {
        var i = 0;
        for (; i + W.Count <= n; i += W.Count) W.Store(y + i, F.Value<W, V>(W.Load(x + i)));
        if (i < n) LaneMath<W, V>.StoreFirst(y + i, F.Value<W, V>(LaneMath<W, V>.LoadFirst(x + i, n - i)), n - i);
    }

    /// <summary>dx = dy∘f′(x) in the place of dy, and y = f(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Slopes<F, W, V>(float* x, float* dy, int n, float* y) where F : struct, ILaneFunction where W : struct, ILanes<V> where V : unmanaged
    {
        var i = 0;
        for (; i + W.Count <= n; i += W.Count)
        {
            var slope = F.Slope<W, V>(W.Load(x + i), out var value);
            W.Store(dy + i, W.Multiply(W.Load(dy + i), slope));
            W.Store(y + i, value);
        }
        if (i == n) return;
        var lastSlope = F.Slope<W, V>(LaneMath<W, V>.LoadFirst(x + i, n - i), out var lastValue);
        LaneMath<W, V>.StoreFirst(dy + i, W.Multiply(LaneMath<W, V>.LoadFirst(dy + i, n - i), lastSlope), n - i);
        LaneMath<W, V>.StoreFirst(y + i, lastValue, n - i);
    }

    /// <summary>dg = dy∘u∘f′(g) in the place of dy, du = dy∘f(g), and y = f(g)∘u.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void GatedSlopes<F, W, V>(float* g, float* u, float* dy, float* du, int n, float* y) where F : struct, ILaneFunction where W : struct, ILanes<V> where V : unmanaged
    {
        var i = 0;
        for (; i + W.Count <= n; i += W.Count)
        {
            V slope = F.Slope<W, V>(W.Load(g + i), out var value), d = W.Load(dy + i), up = W.Load(u + i);
            W.Store(dy + i, W.Multiply(W.Multiply(d, up), slope));
            W.Store(du + i, W.Multiply(d, value));
            W.Store(y + i, W.Multiply(value, up));
        }
        if (i == n) return;
        V lastSlope = F.Slope<W, V>(LaneMath<W, V>.LoadFirst(g + i, n - i), out var lastValue);
        V lastD = LaneMath<W, V>.LoadFirst(dy + i, n - i), lastUp = LaneMath<W, V>.LoadFirst(u + i, n - i);
        LaneMath<W, V>.StoreFirst(dy + i, W.Multiply(W.Multiply(lastD, lastUp), lastSlope), n - i);
        LaneMath<W, V>.StoreFirst(du + i, W.Multiply(lastD, lastValue), n - i);
        LaneMath<W, V>.StoreFirst(y + i, W.Multiply(lastValue, lastUp), n - i);
    }

    private readonly struct ForwardGatedJob<F>(float* x, int rows, int width, int rowsEach, float* y) : ITieredJob where F : struct, ILaneFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var end = Math.Min((part + 1) * rowsEach, rows);
            for (var row = part * rowsEach; row < end; row++)
            {
                float* g = x + 2 * (nint)row * width, u = g + width, target = y + (nint)row * width;
                var j = 0;
                for (; j + W.Count <= width; j += W.Count) W.Store(target + j, W.Multiply(F.Value<W, V>(W.Load(g + j)), W.Load(u + j)));
                if (j == width) continue;
                var value = F.Value<W, V>(LaneMath<W, V>.LoadFirst(g + j, width - j));
                LaneMath<W, V>.StoreFirst(target + j, W.Multiply(value, LaneMath<W, V>.LoadFirst(u + j, width - j)), width - j);
            }
        }
    }
}

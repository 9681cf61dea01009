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
/// The functions are defined in Gelu.cs and Silu.cs; the loops are here. The plain form forward is an <see cref="Epilogue"/>, mostly of a matrix product.
/// </summary>
public static unsafe class Nonlinear
{
    private const int Chunk = 8192;

    /// <summary>dx = dy∘f′(x).</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="f">The function.</param>
    /// <param name="x">(n,), the input of the forward pass.</param>
    /// <param name="dy">(n,).</param>
    /// <param name="n">Elements.</param>
    /// <param name="dx">Receives (n,); may be dy or x.</param>
    /// <param name="y">Receives f(x) once more, (n,).</param>
    public static void Backward(WorkerPool pool, Nonlinearity f, float* x, float* dy, long n, float* dx, float* y)
    {
        var parts = Simd.Pieces(n, Chunk);
        switch (f)
        {
            case Nonlinearity.GeluTanh: Simd.Run(pool, parts, new BackwardJob<GeluTanh>(x, dy, n, dx, y)); break;
            case Nonlinearity.GeluErf: Simd.Run(pool, parts, new BackwardJob<GeluErf>(x, dy, n, dx, y)); break;
            default: Simd.Run(pool, parts, new BackwardJob<Silu>(x, dy, n, dx, y)); break;
        }
    }

    /// <param name="pool">Threads to use.</param>
    /// <param name="f">The function.</param>
    /// <param name="x">(rows, 2·width): g | u.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns of the result.</param>
    /// <param name="y">Receives f(g)∘u, (rows, width).</param>
    public static void ForwardGated(WorkerPool pool, Nonlinearity f, float* x, int rows, int width, float* y)
    {
        var parts = Simd.Pieces(rows, RowsPerPart(width));
        switch (f)
        {
            case Nonlinearity.GeluTanh: Simd.Run(pool, parts, new ForwardGatedJob<GeluTanh>(x, rows, width, y)); break;
            case Nonlinearity.GeluErf: Simd.Run(pool, parts, new ForwardGatedJob<GeluErf>(x, rows, width, y)); break;
            default: Simd.Run(pool, parts, new ForwardGatedJob<Silu>(x, rows, width, y)); break;
        }
    }

    /// <summary>dg = dy∘u∘f′(g), du = dy∘f(g).</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="f">The function.</param>
    /// <param name="x">(rows, 2·width), the input of the forward pass.</param>
    /// <param name="dy">(rows, width).</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns of the result.</param>
    /// <param name="dx">Receives (rows, 2·width): dg | du; may be x.</param>
    /// <param name="y">Receives f(g)∘u once more, (rows, width).</param>
    public static void BackwardGated(WorkerPool pool, Nonlinearity f, float* x, float* dy, int rows, int width, float* dx, float* y)
    {
        var parts = Simd.Pieces(rows, RowsPerPart(width));
        switch (f)
        {
            case Nonlinearity.GeluTanh: Simd.Run(pool, parts, new BackwardGatedJob<GeluTanh>(x, dy, rows, width, dx, y)); break;
            case Nonlinearity.GeluErf: Simd.Run(pool, parts, new BackwardGatedJob<GeluErf>(x, dy, rows, width, dx, y)); break;
            default: Simd.Run(pool, parts, new BackwardGatedJob<Silu>(x, dy, rows, width, dx, y)); break;
        }
    }

    private static int RowsPerPart(int width) => Math.Max(1, Chunk / width);

    /// <summary>y = f(x), n of them; y may be x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Values<F, W, V>(float* x, int n, float* y) where F : struct, ILaneFunction where W : struct, ILanes<V> where V : unmanaged
    {
        var i = 0;
        for (; i + W.Count <= n; i += W.Count) W.Store(y + i, F.Value<W, V>(W.Load(x + i)));
        if (i < n) LaneMath<W, V>.StoreFirst(y + i, F.Value<W, V>(LaneMath<W, V>.LoadFirst(x + i, n - i)), n - i);
    }

    private readonly struct BackwardJob<F>(float* x, float* dy, long n, float* dx, float* y) : ITieredJob where F : struct, ILaneFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var i = (long)part * Chunk;
            var end = Math.Min(i + Chunk, n);
            for (; i + W.Count <= end; i += W.Count)
            {
                var slope = F.Slope<W, V>(W.Load(x + i), out var value);
                W.Store(dx + i, W.Multiply(W.Load(dy + i), slope));
                W.Store(y + i, value);
            }
            if (i >= end) return;
            var tail = (int)(end - i);
            var lastSlope = F.Slope<W, V>(LaneMath<W, V>.LoadFirst(x + i, tail), out var lastValue);
            LaneMath<W, V>.StoreFirst(dx + i, W.Multiply(LaneMath<W, V>.LoadFirst(dy + i, tail), lastSlope), tail);
            LaneMath<W, V>.StoreFirst(y + i, lastValue, tail);
        }
    }

    private readonly struct ForwardGatedJob<F>(float* x, int rows, int width, float* y) : ITieredJob where F : struct, ILaneFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var end = Math.Min((part + 1) * RowsPerPart(width), rows);
            for (var row = part * RowsPerPart(width); row < end; row++)
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

    private readonly struct BackwardGatedJob<F>(float* x, float* dy, int rows, int width, float* dx, float* y) : ITieredJob where F : struct, ILaneFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var end = Math.Min((part + 1) * RowsPerPart(width), rows);
            for (var row = part * RowsPerPart(width); row < end; row++)
            {
                float* g = x + 2 * (nint)row * width, d = dy + (nint)row * width, target = dx + 2 * (nint)row * width, again = y + (nint)row * width;
                var j = 0;
                for (; j + W.Count <= width; j += W.Count)
                {
                    V slope = F.Slope<W, V>(W.Load(g + j), out var value), dy = W.Load(d + j), u = W.Load(g + width + j);
                    W.Store(target + j, W.Multiply(W.Multiply(dy, u), slope));
                    W.Store(target + width + j, W.Multiply(dy, value));
                    W.Store(again + j, W.Multiply(value, u));
                }
                if (j == width) continue;
                var tail = width - j;
                V lastSlope = F.Slope<W, V>(LaneMath<W, V>.LoadFirst(g + j, tail), out var lastValue);
                V lastDy = LaneMath<W, V>.LoadFirst(d + j, tail), lastU = LaneMath<W, V>.LoadFirst(g + width + j, tail);
                LaneMath<W, V>.StoreFirst(target + j, W.Multiply(W.Multiply(lastDy, lastU), lastSlope), tail);
                LaneMath<W, V>.StoreFirst(target + width + j, W.Multiply(lastDy, lastValue), tail);
                LaneMath<W, V>.StoreFirst(again + j, W.Multiply(lastValue, lastU), tail);
            }
        }
    }
}

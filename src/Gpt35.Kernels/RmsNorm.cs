using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>y = γ·x/√(mean(x²) + ε) for each row (Zhang and Sennrich 2019, eq. 4).</summary>
public static unsafe class RmsNorm
{
    private const int RowsPerPart = 32;
    /// <summary>Rows whose share of dγ is summed on its own, whatever the threads.</summary>
    private const int RowsPerPartial = 64;

    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(rows, width); with a residual, receives its sum with it.</param>
    /// <param name="gamma">(width,).</param>
    /// <param name="eps">Added to the mean square.</param>
    /// <param name="rows">Rows; each is normalised for itself.</param>
    /// <param name="width">Columns.</param>
    /// <param name="y">Receives (rows, width); may be x.</param>
    /// <param name="rstd">Receives 1/√(mean(x²) + ε), (rows,), or null.</param>
    /// <param name="residual">(rows, width), added to x before anything else, each row while it is in the nearest cache; null: nothing is.</param>
    public static void Forward(WorkerPool pool, float* x, float* gamma, float eps, int rows, int width, float* y, float* rstd, float* residual = null) =>
        Simd.Run(pool, Simd.Pieces(rows, RowsPerPart), new ForwardJob(x, gamma, eps, rows, width, y, rstd, residual));

    /// <summary>Gradients; dγ is added to. With x̂ = x·rstd and g = γ·dy: dx = rstd·(g − x̂·mean(g·x̂)).</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="dy">(rows, width).</param>
    /// <param name="x">(rows, width), the input of the forward pass.</param>
    /// <param name="gamma">(width,).</param>
    /// <param name="rstd">(rows,), from the forward pass.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="dx">Receives (rows, width); may be dy.</param>
    /// <param name="accumulateDx">Whether to add to dx instead (then it may not be dy).</param>
    /// <param name="dGamma">Added to, (width,).</param>
    public static void Backward(
        WorkerPool pool, float* dy, float* x, float* gamma, float* rstd, int rows, int width, float* dx, bool accumulateDx, float* dGamma)
    {
        var partials = Simd.Pieces(rows, RowsPerPartial);
        var sums = Scratch.ForCall((long)partials * width);
        Simd.Run(pool, partials, new BackwardJob(dy, x, gamma, rstd, rows, width, dx, accumulateDx, sums));
        for (var i = 0; i < partials; i++) VectorMath.AddRow(sums + (long)i * width, width, dGamma);
    }

    /// <summary>The definition, for one row.</summary>
    internal static void Reference(ReadOnlySpan<double> x, ReadOnlySpan<double> gamma, double eps, Span<double> y)
    {
        double square = 0;
        foreach (var value in x) square += value * value / x.Length;
        for (var i = 0; i < x.Length; i++) y[i] = gamma[i] * x[i] / Math.Sqrt(square + eps);
    }

    private readonly struct ForwardJob(float* x, float* gamma, float eps, int rows, int width, float* y, float* rstd, float* residual) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var end = Math.Min((part + 1) * RowsPerPart, rows);
            for (var row = part * RowsPerPart; row < end; row++)
            {
                float* source = x + (nint)row * width, target = y + (nint)row * width;
                if (residual != null) VectorMath.AddRow(residual + (nint)row * width, width, source);
                var scale = 1 / MathF.Sqrt(SumOfSquares<W, V>(source, width) / width + eps);
                if (rstd != null) rstd[row] = scale;
                var r = W.Create(scale);
                var j = 0;
                for (; j + W.Count <= width; j += W.Count)
                    W.Store(target + j, W.Multiply(W.Multiply(W.Load(source + j), r), W.Load(gamma + j)));
                for (; j < width; j++) target[j] = source[j] * scale * gamma[j];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumOfSquares<W, V>(float* x, int n) where W : struct, ILanes<V> where V : unmanaged
    {
        V first = W.Create(0), second = first;
        var j = 0;
        for (; j + 2 * W.Count <= n; j += 2 * W.Count)
        {
            V a = W.Load(x + j), b = W.Load(x + j + W.Count);
            first = W.MultiplyAdd(a, a, first);
            second = W.MultiplyAdd(b, b, second);
        }
        var sum = W.Sum(W.Add(first, second));
        for (; j < n; j++) sum += x[j] * x[j];
        return sum;
    }

    private readonly struct BackwardJob(
        float* dy, float* x, float* gamma, float* rstd, int rows, int width, float* dx, bool accumulate, float* sums) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var gammaSum = sums + (long)part * width;
            new Span<float>(gammaSum, width).Clear();
            var end = Math.Min((part + 1) * RowsPerPartial, rows);
            for (var row = part * RowsPerPartial; row < end; row++)
                Row<W, V>(dy + (nint)row * width, x + (nint)row * width, rstd[row], dx + (nint)row * width, gammaSum);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Row<W, V>(float* dy, float* x, float rstd, float* dx, float* gammaSum) where W : struct, ILanes<V> where V : unmanaged
        {
            V r = W.Create(rstd), product = W.Create(0);
            var j = 0;
            for (; j + W.Count <= width; j += W.Count)
            {
                V d = W.Load(dy + j), normal = W.Multiply(W.Load(x + j), r);
                W.Store(gammaSum + j, W.MultiplyAdd(d, normal, W.Load(gammaSum + j)));
                product = W.MultiplyAdd(W.Multiply(d, W.Load(gamma + j)), normal, product);
            }
            var meanOfProduct = W.Sum(product);
            for (var tail = j; tail < width; tail++)
            {
                var normal = x[tail] * rstd;
                gammaSum[tail] += dy[tail] * normal;
                meanOfProduct += dy[tail] * gamma[tail] * normal;
            }
            meanOfProduct /= width;
            var minus = W.Create(-meanOfProduct);
            for (j = 0; j + W.Count <= width; j += W.Count)
            {
                var d = W.Multiply(r, W.MultiplyAdd(W.Multiply(W.Load(x + j), r), minus, W.Multiply(W.Load(dy + j), W.Load(gamma + j))));
                W.Store(dx + j, accumulate ? W.Add(d, W.Load(dx + j)) : d);
            }
            for (; j < width; j++)
            {
                var d = rstd * (dy[j] * gamma[j] - x[j] * rstd * meanOfProduct);
                dx[j] = accumulate ? dx[j] + d : d;
            }
        }
    }
}

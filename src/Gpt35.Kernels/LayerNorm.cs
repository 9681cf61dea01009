using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>y = γ·(x − mean)/√(var + ε) + β for each row (Ba et al. 2016); var is the mean squared deviation.</summary>
public static unsafe class LayerNorm
{
    private const int RowsPerPart = 32;
    /// <summary>Rows whose share of dγ and dβ is summed on its own, whatever the threads.</summary>
    private const int RowsPerPartial = 64;

    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(rows, width); with a residual, receives its sum with it.</param>
    /// <param name="gamma">(width,).</param>
    /// <param name="beta">(width,).</param>
    /// <param name="eps">Added to the variance.</param>
    /// <param name="rows">Rows; each is normalised for itself.</param>
    /// <param name="width">Columns.</param>
    /// <param name="y">Receives (rows, width); may be x.</param>
    /// <param name="mean">Receives (rows,), or null.</param>
    /// <param name="rstd">Receives 1/√(var + ε), (rows,), or null.</param>
    /// <param name="residual">(rows, width), added to x before anything else, each row while it is in the nearest cache; null: nothing is.</param>
    public static void Forward(
        WorkerPool pool, float* x, float* gamma, float* beta, float eps, int rows, int width, float* y, float* mean, float* rstd, float* residual = null) =>
        Simd.Run(pool, Simd.Pieces(rows, RowsPerPart), new ForwardJob(x, gamma, beta, eps, rows, width, y, mean, rstd, residual));

    /// <summary>Gradients; dγ and dβ are added to. With x̂ = (x − mean)·rstd and g = γ·dy: dx = rstd·(g − mean(g) − x̂·mean(g·x̂)).</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="dy">(rows, width).</param>
    /// <param name="x">(rows, width), the input of the forward pass.</param>
    /// <param name="gamma">(width,).</param>
    /// <param name="mean">(rows,), from the forward pass.</param>
    /// <param name="rstd">(rows,), from the forward pass.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="dx">Receives (rows, width); may be dy.</param>
    /// <param name="accumulateDx">Whether to add to dx instead (then it may not be dy).</param>
    /// <param name="dGamma">Added to, (width,).</param>
    /// <param name="dBeta">Added to, (width,).</param>
    public static void Backward(
        WorkerPool pool, float* dy, float* x, float* gamma, float* mean, float* rstd, int rows, int width,
        float* dx, bool accumulateDx, float* dGamma, float* dBeta)
    {
        var partials = Simd.Pieces(rows, RowsPerPartial);
        var sums = Scratch.ForCall(2L * partials * width);
        Simd.Run(pool, partials, new BackwardJob(dy, x, gamma, mean, rstd, rows, width, dx, accumulateDx, sums));
        for (var i = 0; i < partials; i++)
        {
            VectorMath.AddRow(sums + 2L * i * width, width, dGamma);
            VectorMath.AddRow(sums + (2L * i + 1) * width, width, dBeta);
        }
    }

    /// <summary>The definition, for one row.</summary>
    internal static void Reference(ReadOnlySpan<double> x, ReadOnlySpan<double> gamma, ReadOnlySpan<double> beta, double eps, Span<double> y)
    {
        double mean = 0, variance = 0;
        foreach (var value in x) mean += value / x.Length;
        foreach (var value in x) variance += (value - mean) * (value - mean) / x.Length;
        for (var i = 0; i < x.Length; i++) y[i] = gamma[i] * (x[i] - mean) / Math.Sqrt(variance + eps) + beta[i];
    }

    private readonly struct ForwardJob(
        float* x, float* gamma, float* beta, float eps, int rows, int width, float* y, float* mean, float* rstd, float* residual) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var end = Math.Min((part + 1) * RowsPerPart, rows);
            for (var row = part * RowsPerPart; row < end; row++)
            {
                float* source = x + (nint)row * width, target = y + (nint)row * width;
                if (residual != null) VectorMath.AddRow(residual + (nint)row * width, width, source);
                var centre = Sum<W, V>(source, width) / width;
                var scale = 1 / MathF.Sqrt(SumOfSquaredDeviations<W, V>(source, width, centre) / width + eps);
                if (mean != null) mean[row] = centre;
                if (rstd != null) rstd[row] = scale;
                V m = W.Create(centre), r = W.Create(scale);
                var j = 0;
                for (; j + W.Count <= width; j += W.Count)
                {
                    var normal = W.Multiply(W.Subtract(W.Load(source + j), m), r);
                    W.Store(target + j, W.MultiplyAdd(normal, W.Load(gamma + j), W.Load(beta + j)));
                }
                for (; j < width; j++) target[j] = MathF.FusedMultiplyAdd((source[j] - centre) * scale, gamma[j], beta[j]);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum<W, V>(float* x, int n) where W : struct, ILanes<V> where V : unmanaged
    {
        V first = W.Create(0), second = first;
        var j = 0;
        for (; j + 2 * W.Count <= n; j += 2 * W.Count)
        {
            first = W.Add(first, W.Load(x + j));
            second = W.Add(second, W.Load(x + j + W.Count));
        }
        var sum = W.Sum(W.Add(first, second));
        for (; j < n; j++) sum += x[j];
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumOfSquaredDeviations<W, V>(float* x, int n, float mean) where W : struct, ILanes<V> where V : unmanaged
    {
        V first = W.Create(0), second = first, m = W.Create(mean);
        var j = 0;
        for (; j + 2 * W.Count <= n; j += 2 * W.Count)
        {
            V a = W.Subtract(W.Load(x + j), m), b = W.Subtract(W.Load(x + j + W.Count), m);
            first = W.MultiplyAdd(a, a, first);
            second = W.MultiplyAdd(b, b, second);
        }
        var sum = W.Sum(W.Add(first, second));
        for (; j < n; j++) sum += (x[j] - mean) * (x[j] - mean);
        return sum;
    }

    private readonly struct BackwardJob(
        float* dy, float* x, float* gamma, float* mean, float* rstd, int rows, int width, float* dx, bool accumulate, float* sums) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            float* gammaSum = sums + 2L * part * width, betaSum = gammaSum + width;
            new Span<float>(gammaSum, 2 * width).Clear();
            var end = Math.Min((part + 1) * RowsPerPartial, rows);
            for (var row = part * RowsPerPartial; row < end; row++)
                Row<W, V>(dy + (nint)row * width, x + (nint)row * width, mean[row], rstd[row], dx + (nint)row * width, gammaSum, betaSum);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Row<W, V>(float* dy, float* x, float mean, float rstd, float* dx, float* gammaSum, float* betaSum)
            where W : struct, ILanes<V> where V : unmanaged
        {
            V m = W.Create(mean), r = W.Create(rstd), sum = W.Create(0), product = sum;
            var j = 0;
            for (; j + W.Count <= width; j += W.Count)
            {
                V d = W.Load(dy + j), normal = W.Multiply(W.Subtract(W.Load(x + j), m), r), g = W.Multiply(d, W.Load(gamma + j));
                W.Store(gammaSum + j, W.MultiplyAdd(d, normal, W.Load(gammaSum + j)));
                W.Store(betaSum + j, W.Add(d, W.Load(betaSum + j)));
                sum = W.Add(sum, g);
                product = W.MultiplyAdd(g, normal, product);
            }
            float meanOfG = W.Sum(sum), meanOfProduct = W.Sum(product);
            for (var tail = j; tail < width; tail++)
            {
                float normal = (x[tail] - mean) * rstd, g = dy[tail] * gamma[tail];
                gammaSum[tail] += dy[tail] * normal;
                betaSum[tail] += dy[tail];
                meanOfG += g;
                meanOfProduct += g * normal;
            }
            meanOfG /= width;
            meanOfProduct /= width;
            V mg = W.Create(meanOfG), mp = W.Create(-meanOfProduct);
            for (j = 0; j + W.Count <= width; j += W.Count)
            {
                V normal = W.Multiply(W.Subtract(W.Load(x + j), m), r), g = W.Multiply(W.Load(dy + j), W.Load(gamma + j));
                var d = W.Multiply(r, W.MultiplyAdd(normal, mp, W.Subtract(g, mg)));
                W.Store(dx + j, accumulate ? W.Add(d, W.Load(dx + j)) : d);
            }
            for (; j < width; j++)
            {
                var d = rstd * (dy[j] * gamma[j] - meanOfG - (x[j] - mean) * rstd * meanOfProduct);
                dx[j] = accumulate ? dx[j] + d : d;
            }
        }
    }
}

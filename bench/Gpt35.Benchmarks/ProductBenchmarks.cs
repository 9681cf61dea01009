using System.Diagnostics;
using System.Runtime.CompilerServices;
using Gpt35.Kernels;

namespace Gpt35.Benchmarks;

/// <summary>The matrix products of a training step beside the most that the cores can multiply and add, both on all of them, taking turns.</summary>
internal static unsafe class ProductBenchmarks
{
    /// <summary>Enough for two units of four cycles' latency, and few enough for the sixteen registers of AVX2.</summary>
    private const int Accumulators = 12;
    private const int Rounds = 5;
    private const long Repeats = 4_000_000;

    public static IEnumerable<Row> Rows(IEnumerable<TrainingShape> shapes)
    {
        using var pool = new WorkerPool();
        return [.. shapes.Select(shape => Row(shape, pool))];
    }

    private static Row Row(TrainingShape shape, WorkerPool pool)
    {
        int d = shape.Width, t = shape.Tokens;
        // Inputs and outputs of every product of a block's forward pass.
        (int Inputs, int Outputs)[] layers = [(d, 3 * d), (d, d), (d, 4 * d), (4 * d, d)];
        using NativeBuffer<float> x = new((long)t * 4 * d), y = new((long)t * 4 * d), w = new(4L * d * d);
        foreach (var buffer in (ReadOnlySpan<NativeBuffer<float>>)[x, y, w]) buffer.Span.Fill(0.01f);
        double flops = 0;
        var found = new List<double>();
        var peak = new List<double>();
        for (var round = 0; round <= Rounds; round++)                                                   // the first warms up
        {
            peak.Add(Peak(pool));
            var start = Stopwatch.GetTimestamp();
            flops = 0;
            foreach (var (inputs, outputs) in layers)
            {
                Matrix a = new(x.Pointer, t, inputs), b = new(w.Pointer, inputs, outputs), c = new(y.Pointer, t, outputs);
                Gemm.Multiply(pool, a, b, c);                                                           // y = x·W
                Gemm.Multiply(pool, a.T, c, b, accumulate: true);                                       // dW += xᵀ·dy
                Gemm.Multiply(pool, c, b.T, a);                                                         // dx = dy·Wᵀ
                w.Span.Fill(0.01f);
                flops += 3 * 2.0 * t * inputs * outputs;
            }
            found.Add(flops / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9);
        }
        return Benchmarks.Row.MoreIsBetter($"matrix products of {shape}", TrainingBenchmarks.Median(found.Skip(1)), TrainingBenchmarks.Median(peak.Skip(1)), "fused multiply-adds in registers", "GFLOP/s");
    }

    /// <summary>Fused multiply-adds on registers alone, in GFLOP/s over all threads.</summary>
    private static double Peak(WorkerPool pool)
    {
        var sums = stackalloc float[pool.Threads];
        var lanes = stackalloc int[1];
        var start = Stopwatch.GetTimestamp();
        Simd.Run(pool, pool.Threads, new Fused(sums, lanes));
        return 2.0 * Accumulators * Repeats * *lanes * pool.Threads / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9;
    }

    private readonly struct Fused(float* sums, int* lanes) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            V x = W.Create(0.999f), y = W.Create(0.001f), a0 = y, a1 = y, a2 = y, a3 = y, a4 = y, a5 = y, a6 = y, a7 = y;
            V a8 = y, a9 = y, a10 = y, a11 = y;
            for (long i = 0; i < Repeats; i++)
            {
                a0 = W.MultiplyAdd(a0, x, y); a1 = W.MultiplyAdd(a1, x, y); a2 = W.MultiplyAdd(a2, x, y); a3 = W.MultiplyAdd(a3, x, y);
                a4 = W.MultiplyAdd(a4, x, y); a5 = W.MultiplyAdd(a5, x, y); a6 = W.MultiplyAdd(a6, x, y); a7 = W.MultiplyAdd(a7, x, y);
                a8 = W.MultiplyAdd(a8, x, y); a9 = W.MultiplyAdd(a9, x, y); a10 = W.MultiplyAdd(a10, x, y); a11 = W.MultiplyAdd(a11, x, y);
            }
            V low = W.Add(W.Add(W.Add(a0, a1), W.Add(a2, a3)), W.Add(W.Add(a4, a5), W.Add(a6, a7)));
            V high = W.Add(W.Add(a8, a9), W.Add(a10, a11));
            sums[part] = W.Sum(W.Add(low, high));                                                       // so that nothing is left out
            *lanes = W.Count;
        }
    }
}

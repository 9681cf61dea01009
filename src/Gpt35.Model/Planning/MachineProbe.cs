using System.Diagnostics;
using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>Measures what this machine multiplies per second.</summary>
public static unsafe class MachineProbe
{
    /// <summary>
    /// Share of the rate of a bare matrix product that a whole training step reaches here: attention, norms, the vocabulary's softmax and the optimizer
    /// take the rest. Assumed, between what the benchmark of training reaches at its shapes (docs/benchmarks.md); docs/plan.md says so too.
    /// </summary>
    public const double StepShare = 0.65;

    private const int MaxRows = 1024, MaxWidth = 2048;

    /// <summary>This machine: products of the model's own width, timed for <paramref name="seconds"/>; and the memory that is free now.</summary>
    /// <param name="config">Whose feed-forward layer gives the shape of the product, up to a width of 2,048.</param>
    /// <param name="microTokens">Rows of the product, up to 1,024.</param>
    /// <param name="pool">Threads.</param>
    /// <param name="seconds">How long to measure.</param>
    /// <param name="format">What the cpu backend multiplies in.</param>
    public static Machine Measure(ModelConfig config, int microTokens, WorkerPool pool, double seconds = 1, Dtype format = Dtype.Fp32)
    {
        int m = Math.Min(microTokens, MaxRows), k = Math.Min(config.HiddenSize, MaxWidth), n = Math.Min(config.IntermediateSize, MaxWidth);
        using NativeBuffer<float> a = new((long)m * k), b = new((long)k * n), c = new((long)m * n);
        a.Span.Fill(0.5f);
        b.Span.Fill(0.5f);
        void Multiply()
        {
            Matrix x = new(a.Pointer, m, k), w = new(b.Pointer, k, n), y = new(c.Pointer, m, n);
            if (format == Dtype.Bf16) BFloat16Gemm.Multiply(pool, x, w, y);
            else Gemm.Multiply(pool, x, w, y);
        }

        var warm = Stopwatch.StartNew();
        do Multiply(); while (warm.Elapsed.TotalSeconds < seconds / 4);          // until the compiler has settled and the clock has risen
        // The best tenth, not the average: what others do on the machine meanwhile is no property of it.
        var rates = new List<double>();
        for (var clock = Stopwatch.StartNew(); clock.Elapsed.TotalSeconds < seconds || rates.Count < 3;)
        {
            var start = Stopwatch.GetTimestamp();
            Multiply();
            rates.Add(2.0 * m * k * n / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        var rate = rates.Order().ElementAt(rates.Count - 1 - rates.Count / 10);
        return new Machine("this machine", $"{pool.Threads} threads, measured {rate / 1e9:F0} GFLOP/s", rate, rate, MemoryCheck.Available(), StepShare);
    }
}

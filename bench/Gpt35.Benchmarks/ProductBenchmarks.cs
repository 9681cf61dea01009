using System.Diagnostics;
using System.Runtime.CompilerServices;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Benchmarks;

/// <summary>The matrix products of a training step beside the most that the cores can multiply and add, both on all of them, taking turns.</summary>
internal static unsafe class ProductBenchmarks
{
    /// <summary>Enough for two units of four cycles' latency, and few enough for the sixteen registers of AVX2.</summary>
    private const int Accumulators = 12;
    private const int Rounds = 5;
    private const long Repeats = 4_000_000;
    private const int DotAccumulators = 24, FloatsOfDot = 2 * 16;

    /// <summary><see cref="Gemm.Multiply"/>, or the same of numbers rounded to bfloat16.</summary>
    private delegate void Product(WorkerPool pool, Matrix a, Matrix b, Matrix c, bool accumulate = false, float* bias = null, Epilogue epilogue = default);

    /// <summary>What multiplies, and the peak that it is held against.</summary>
    private sealed record Way(string Suffix, Product Multiply, Func<WorkerPool, double> Peak, string PeakName);

    /// <summary>A layer of y = x·W for some rows at a time, as often as the rows of a step take.</summary>
    private readonly record struct Layer(int Rows, int Inputs, int Outputs, int Times)
    {
        /// <summary>Of its forward product and of the two of its backward pass.</summary>
        public double Flops => 3 * 2.0 * Rows * Inputs * Outputs * Times;
    }

    public static int Run(Options options)
    {
        if (!options.Json) Row.PrintHeader();
        foreach (var row in Rows(TrainingShape.All.Skip(1))) row.Print(options.Json);
        return 0;
    }

    public static IEnumerable<Row> Rows(IEnumerable<TrainingShape> shapes)
    {
        using var pool = new WorkerPool();
        var ways = Ways();
        foreach (var shape in shapes)
        {
            int d = shape.Width, t = shape.Tokens;
            foreach (var way in ways)
                yield return Beside($"products of blocks, D{d}, {t} rows{way.Suffix}", [new(t, d, 3 * d, 1), new(t, d, d, 1), new(t, d, 4 * d, 1), new(t, 4 * d, d, 1)], way, pool);
            var chunk = Decoder.LogitRowsAtOnce(shape.Config, t, forBackward: true, atOnce: true);
            foreach (var way in ways) yield return Beside($"products of the head, V{shape.Vocabulary}{way.Suffix}", [new(chunk, d, shape.Vocabulary, t / chunk)], way, pool);
        }
    }

    private static List<Way> Ways()
    {
        List<Way> ways = [new("", Gemm.Multiply, Peak, "fused multiply-adds in registers")];
        var dots = BFloat16Kernels.Available ? (nint)ExecutableMemory.Create(DotsInRegisters()) : 0;
        if (dots != 0) ways.Add(new(", bf16", BFloat16Gemm.Multiply, pool => DotPeak(pool, dots), "vdpbf16ps in registers"));
        return ways;
    }

    private static Row Beside(string what, Layer[] layers, Way way, WorkerPool pool)
    {
        using NativeBuffer<float> x = new(layers.Max(layer => (long)layer.Rows * layer.Inputs)), y = new(layers.Max(layer => (long)layer.Rows * layer.Outputs));
        using NativeBuffer<float> w = new(layers.Max(layer => (long)layer.Inputs * layer.Outputs)), dw = new(w.Length);
        foreach (var buffer in (ReadOnlySpan<NativeBuffer<float>>)[x, y, w]) buffer.Span.Fill(0.01f);
        List<double> found = [], peak = [];
        for (var round = 0; round <= Rounds; round++)                                                   // the first warms up
        {
            peak.Add(way.Peak(pool));
            var start = Stopwatch.GetTimestamp();
            foreach (var (rows, inputs, outputs, times) in layers)
            {
                Matrix a = new(x.Pointer, rows, inputs), b = new(w.Pointer, inputs, outputs), c = new(y.Pointer, rows, outputs);
                for (var i = 0; i < times; i++)
                {
                    way.Multiply(pool, a, b, c);                                                       // y = x·W
                    way.Multiply(pool, a.T, c, new Matrix(dw.Pointer, inputs, outputs), accumulate: true);  // dW += xᵀ·dy
                    way.Multiply(pool, c, b.T, a);                                                     // dx = dy·Wᵀ
                }
            }
            found.Add(layers.Sum(layer => layer.Flops) / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9);
            // The products grow what they read; numbers stay in the range where every processor is as fast.
            x.Span.Fill(0.01f);
            dw.Span.Clear();
        }
        return Row.MoreIsBetter(what, TrainingBenchmarks.Median(found.Skip(1)), TrainingBenchmarks.Median(peak.Skip(1)), way.PeakName, "GFLOP/s");
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

    /// <summary>AVX512-BF16's multiply-adds on registers alone, in GFLOP/s over all threads.</summary>
    private static double DotPeak(WorkerPool pool, nint code)
    {
        var start = Stopwatch.GetTimestamp();
        pool.Run(pool.Threads, new Dots(code));
        return 2.0 * DotAccumulators * Repeats * FloatsOfDot * pool.Threads / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9;
    }

    /// <summary>Code of a loop over all accumulators; the numbers are zeros.</summary>
    private static ReadOnlySpan<byte> DotsInRegisters()
    {
        var code = new EvexAssembler();
        for (var z = 0; z <= DotAccumulators; z++) code.Xor(z, z, z);
        var loop = code.Here;
        for (var z = 0; z < DotAccumulators; z++) code.DotPairs(z, DotAccumulators, DotAccumulators);
        code.CountDown(EvexAssembler.Rcx, loop);
        code.Return();
        return code.Code;
    }

    private readonly struct Dots(nint code) : IParallelJob
    {
        // The count is the fourth argument.
        public void Run(int part) => ((delegate* unmanaged[Cdecl]<long, long, long, long, void>)code)(0, 0, 0, Repeats);
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

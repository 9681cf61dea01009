using System.Runtime.InteropServices;

namespace Gpt35.Kernels.Tests;

/// <summary>
/// Floats behind a guard zone that must stay as it is, which disposing checks, and right before a page that nobody may touch: a kernel that reads or writes beyond them
/// ends the process. Where the system is not Linux a second zone stands for that page.
/// </summary>
internal sealed unsafe partial class Guarded : IDisposable
{
    private const float Mark = 12345.678f;
    private const int None = 0, ReadWrite = 3;
    private static readonly int page = Environment.SystemPageSize;
    private readonly int before;
    private readonly float* memory;

    internal Guarded(int length)
    {
        Length = length;
        var pages = 1 + Simd.Pieces((long)length * sizeof(float), page);
        before = pages * page / sizeof(float) - length;
        memory = (float*)NativeMemory.AlignedAlloc((nuint)(pages + 1) * (nuint)page, (nuint)page);
        Before.Fill(Mark);
        Span.Clear();
        After.Fill(Mark);
        Allow(None);
    }

    internal Guarded(float[] values) : this(values.Length) => values.CopyTo(Span);

    internal int Length { get; }
    internal float* Pointer => memory + before;
    internal Span<float> Span => new(Pointer, Length);
    internal float[] Array => Span.ToArray();
    /// <summary>The same by their bits, in which 0 is not −0.</summary>
    internal uint[] Bits => MemoryMarshal.Cast<float, uint>(Span).ToArray();
    private Span<float> Before => new(memory, before);
    private Span<float> After => new(Pointer + Length, page / sizeof(float));

    public void Dispose()
    {
        Allow(ReadWrite);
        var untouched = !Before.ContainsAnyExcept(Mark) && !After.ContainsAnyExcept(Mark);
        NativeMemory.AlignedFree(memory);
        Assert.True(untouched, "Something was written before or behind an array.");
    }

    public static implicit operator float*(Guarded guarded) => guarded.Pointer;

    /// <summary>What may be done with the page behind.</summary>
    private void Allow(int protection)
    {
        if (OperatingSystem.IsLinux()) Assert.Equal(0, Protect(Pointer + Length, (nuint)page, protection));
    }

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(void* memory, nuint length, int protection);
}

/// <summary>What the tests of all kernels share.</summary>
internal static class Support
{
    private const string Best = "best";

    /// <summary>Every tier that this processor can run.</summary>
    public static TheoryData<SimdTier> Tiers => [.. Enum.GetValues<SimdTier>().Where(tier => tier <= Simd.Best)];

    /// <summary>The same by name, and what the machine takes where no tier is forced: machine code of our own, where it can.</summary>
    public static TheoryData<string> TiersAndBest => [Best, .. Enum.GetValues<SimdTier>().Where(tier => tier <= Simd.Best).Select(tier => tier.ToString())];

    internal static readonly WorkerPool[] Pools = [new(1), new(2), new(3)];

    internal static float[] Normal(int n, ulong key, float scale = 1) =>
        [.. Enumerable.Range(0, n).Select(i => scale * CounterRandom.Normal(key, (ulong)i))];

    internal static double[] Widen(ReadOnlySpan<float> values)
    {
        var result = new double[values.Length];
        for (var i = 0; i < result.Length; i++) result[i] = values[i];
        return result;
    }

    internal static void InTier(SimdTier tier, Action action)
    {
        Simd.Forced = tier;
        try
        {
            action();
        }
        finally
        {
            Simd.Forced = null;
        }
    }

    /// <summary>One of <see cref="TiersAndBest"/>.</summary>
    internal static void InTier(string tier, Action action)
    {
        if (tier == Best) action();
        else InTier(Enum.Parse<SimdTier>(tier), action);
    }

    /// <summary>Differences of at most tolerance·(1 + |expected|).</summary>
    internal static void Close(ReadOnlySpan<double> expected, ReadOnlySpan<float> actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.True(
                Math.Abs(expected[i] - actual[i]) <= tolerance * (1 + Math.Abs(expected[i])), $"[{i}]: expected {expected[i]:R}, was {actual[i]:R}");
    }

    /// <summary>Central differences of f at x.</summary>
    internal static double[] Gradient(Func<double[], double> f, double[] x, double step = 1e-5)
    {
        var gradient = new double[x.Length];
        for (var i = 0; i < x.Length; i++)
        {
            var middle = x[i];
            x[i] = middle + step;
            var above = f(x);
            x[i] = middle - step;
            gradient[i] = (above - f(x)) / (2 * step);
            x[i] = middle;
        }
        return gradient;
    }

    internal static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        double sum = 0;
        for (var i = 0; i < x.Length; i++) sum += x[i] * y[i];
        return sum;
    }
}

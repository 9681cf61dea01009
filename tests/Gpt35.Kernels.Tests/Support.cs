namespace Gpt35.Kernels.Tests;

/// <summary>Floats between guard zones that must stay as they are; disposing checks them.</summary>
internal sealed unsafe class Guarded : IDisposable
{
    private const int Zone = 64;
    private const float Mark = 12345.678f;
    private readonly NativeBuffer<float> memory;

    internal Guarded(int length, int misalignment = 0)
    {
        Length = length;
        Offset = Zone + misalignment;
        memory = new NativeBuffer<float>(length + 2 * Zone + misalignment);
        memory.Span.Fill(Mark);
        Span.Clear();
    }

    internal Guarded(float[] values) : this(values.Length) => values.CopyTo(Span);

    internal int Length { get; }
    private int Offset { get; }
    internal float* Pointer => memory.Pointer + Offset;
    internal Span<float> Span => memory.Span.Slice(Offset, Length);
    internal float[] Array => Span.ToArray();

    public void Dispose()
    {
        Assert.DoesNotContain(memory.Span[..Offset].ToArray(), value => value != Mark);
        Assert.DoesNotContain(memory.Span[(Offset + Length)..].ToArray(), value => value != Mark);
        memory.Dispose();
    }

    public static implicit operator float*(Guarded guarded) => guarded.Pointer;
}

/// <summary>What the tests of all kernels share.</summary>
internal static class Support
{
    /// <summary>Every tier that this processor can run.</summary>
    public static TheoryData<SimdTier> Tiers => [.. Enum.GetValues<SimdTier>().Where(tier => tier <= Simd.Best)];

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

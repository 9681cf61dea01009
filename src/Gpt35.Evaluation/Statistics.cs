namespace Gpt35.Evaluation;

/// <summary>An estimate with its 95 % interval.</summary>
/// <param name="Value">The point estimate; NaN when <paramref name="Count"/> is 0.</param>
/// <param name="Low">Lower end of the interval.</param>
/// <param name="High">Upper end of the interval.</param>
/// <param name="Count">Observations behind it.</param>
public readonly record struct Estimate(double Value, double Low, double High, int Count)
{
    /// <summary>The estimate of nothing.</summary>
    public static Estimate None { get; } = new(double.NaN, double.NaN, double.NaN, 0);
}

/// <summary>Outcome of comparing two models prompt by prompt.</summary>
public readonly record struct WinCount(int Wins, int Ties, int Losses)
{
    public int Count => Wins + Ties + Losses;
    /// <summary>Comparisons that are not ties.</summary>
    public int Decided => Wins + Losses;

    /// <summary>(wins + ties/2) / n: the mean of scores 1, ½ and 0, with the interval of a mean; of a proportion when nothing tied.</summary>
    public Estimate WinRate => Ties == 0
        ? Statistics.Proportion(Wins, Count)
        : Statistics.Mean([.. Enumerable.Repeat(1.0, Wins), .. Enumerable.Repeat(0.5, Ties), .. Enumerable.Repeat(0.0, Losses)]).ClampedToUnit();

    /// <summary>wins / (wins + losses).</summary>
    public Estimate DecidedWinRate => Statistics.Proportion(Wins, Decided);
}

/// <summary>Estimates with 95 % intervals.</summary>
public static class Statistics
{
    /// <summary>The 97.5 % quantile of the standard normal distribution.</summary>
    public const double Z = 1.959963984540054;

    /// <summary>A share of successes with Wilson's score interval (Wilson 1927), which stays inside [0, 1] and is honest for small n and rare events.</summary>
    public static Estimate Proportion(int successes, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(successes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(successes, count);
        if (count == 0) return Estimate.None;
        double n = count, p = successes / n, z2 = Z * Z;
        var centre = (p + z2 / (2 * n)) / (1 + z2 / n);
        var half = Z * Math.Sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n);
        // At 0 and n the ends are exact; rounding would put them a hair outside.
        return new Estimate(p, successes == 0 ? 0 : centre - half, successes == count ? 1 : centre + half, count);
    }

    /// <summary>A mean with the normal interval mean ± z·s/√n, s with n − 1. One observation has no interval: its ends are NaN.</summary>
    public static Estimate Mean(ReadOnlySpan<double> values)
    {
        if (values.IsEmpty) return Estimate.None;
        double sum = 0;
        foreach (var value in values) sum += value;
        var mean = sum / values.Length;
        double squares = 0;
        foreach (var value in values) squares += (value - mean) * (value - mean);
        var half = values.Length == 1 ? double.NaN : Z * Math.Sqrt(squares / (values.Length - 1) / values.Length);
        return new Estimate(mean, mean - half, mean + half, values.Length);
    }

    /// <summary>A mean with the percentile bootstrap interval (Efron 1979); for skewed values. The same seed gives the same interval.</summary>
    public static Estimate BootstrapMean(ReadOnlySpan<double> values, ulong seed, int resamples = 2000)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(resamples, 40);
        if (values.IsEmpty) return Estimate.None;
        var means = new double[resamples];
        var random = seed;
        for (var r = 0; r < resamples; r++)
        {
            double sum = 0;
            for (var i = 0; i < values.Length; i++) sum += values[(int)Math.BigMul(SplitMix64(ref random), (ulong)values.Length, out _)];
            means[r] = sum / values.Length;
        }
        Array.Sort(means);
        return new Estimate(Mean(values).Value, Quantile(means, 0.025), Quantile(means, 0.975), values.Length);
    }

    /// <summary>Quantile of ascending values, linear between neighbours.</summary>
    public static double Quantile(ReadOnlySpan<double> sorted, double q)
    {
        var at = q * (sorted.Length - 1);
        var low = (int)at;
        var high = Math.Min(low + 1, sorted.Length - 1);
        return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
    }

    internal static Estimate ClampedToUnit(this Estimate e) => e with { Low = Math.Max(0, e.Low), High = Math.Min(1, e.High) };

    /// <summary>SplitMix64 (Steele, Lea and Flood 2014): own generator, so that an interval does not change with the runtime.</summary>
    private static ulong SplitMix64(ref ulong state)
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}

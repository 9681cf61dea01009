using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>
/// Angles of rotary positions: pair i of a head turns by position·ω_i with ω_i = θ^(−2i/K) (Su et al. 2021, eq. 15), stretched as
/// <see cref="RopeScaling"/> says. The table grows to the longest sequence seen; it is computed in double precision, then rounded.
/// </summary>
public sealed unsafe class RotaryTable : IDisposable
{
    private readonly double[] frequencies;
    private readonly double scale;
    private readonly int most;
    private NativeBuffer<float>? table;
    private int rows;

    /// <param name="config">A model with rotary positions.</param>
    public RotaryTable(ModelConfig config)
    {
        (frequencies, scale) = Frequencies(config);
        most = config.MaxPositionEmbeddings;
    }

    /// <summary>The table of positions 0 … <paramref name="positions"/> − 1 or more, as <see cref="Rotary"/> reads it: (positions, K), K/2 times m·cos, then K/2 times m·sin.</summary>
    public float* Reserve(int positions)
    {
        if (rows >= positions) return table!.Pointer;
        // Doubling, so that a conversation that grows token by token does not compute it anew each time.
        var target = (int)Math.Min(Math.Max(positions, most), Math.Max(positions, 2L * rows));
        int half = frequencies.Length, width = 2 * half;
        var grown = new NativeBuffer<float>((long)target * width);
        table?.Span[..checked(rows * width)].CopyTo(grown.Span);
        table?.Dispose();
        table = grown;
        for (; rows < target; rows++)
            for (var i = 0; i < half; i++)
            {
                var (sin, cos) = Math.SinCos(rows * frequencies[i]);
                table.Pointer[(long)rows * width + i] = (float)(scale * cos);
                table.Pointer[(long)rows * width + half + i] = (float)(scale * sin);
            }
        return table.Pointer;
    }

    public void Dispose() => table?.Dispose();

    /// <summary>ω_i of the K/2 pairs in radians per position, and m, which multiplies queries and keys.</summary>
    public static (double[] Frequencies, double Scale) Frequencies(ModelConfig config)
    {
        int k = config.HeadDim;
        double Plain(int i, double theta) => Math.Pow(theta, -2.0 * i / k);
        double[] All(Func<int, double> frequency) => [.. Enumerable.Range(0, k / 2).Select(frequency)];
        if (config.RopeScaling is not { } scaling) return (All(i => Plain(i, config.RopeTheta)), 1);

        var factor = scaling.Factor;
        var original = scaling.OriginalMaxPositionEmbeddings > 0 ? scaling.OriginalMaxPositionEmbeddings : config.MaxPositionEmbeddings / factor;
        return scaling.RopeType switch
        {
            RopeType.Linear => (All(i => Plain(i, config.RopeTheta) / factor), 1),
            RopeType.Ntk => (All(i => Plain(i, config.RopeTheta * Math.Pow(factor, k / (k - 2.0)))), 1),
            RopeType.Yarn => (All(i => Plain(i, config.RopeTheta) * YarnStretch(i, k, original, config.RopeTheta, scaling)), scaling.AttentionFactor ?? 0.1 * Math.Log(factor) + 1),
            _ => (All(i => Llama3(Plain(i, config.RopeTheta), original, scaling)), 1),
        };
    }

    /// <summary>
    /// What YaRN multiplies ω_i by: 1 for pairs up to the one that turns <see cref="RopeScaling.BetaFast"/> times over the original context, 1/factor
    /// from the one that turns <see cref="RopeScaling.BetaSlow"/> times, and on the line between in i (Peng et al. 2023, eq. 17-20, with the
    /// borders rounded outwards as in the authors' code).
    /// </summary>
    private static double YarnStretch(int i, int k, double original, double theta, RopeScaling scaling)
    {
        double Pair(double turns) => k * Math.Log(original / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));
        double low = Math.Max(Math.Floor(Pair(scaling.BetaFast)), 0), high = Math.Min(Math.Ceiling(Pair(scaling.BetaSlow)), k - 1);
        if (low == high) high += 0.001;
        var ramp = Math.Clamp((i - low) / (high - low), 0, 1);
        return ramp / scaling.Factor + (1 - ramp);
    }

    /// <summary>Llama 3.1's scaling: by 1/factor for long waves, not for short ones, and between them on the line in original context / wavelength.</summary>
    private static double Llama3(double frequency, double original, RopeScaling scaling)
    {
        var turns = original * frequency / (2 * Math.PI);
        var smooth = Math.Clamp((turns - scaling.LowFreqFactor) / (scaling.HighFreqFactor - scaling.LowFreqFactor), 0, 1);
        return frequency * ((1 - smooth) / scaling.Factor + smooth);
    }
}

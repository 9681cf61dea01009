namespace Gpt35.Model.Tests;

/// <summary>Frequencies worked out by hand for heads of width 8 with θ = 10,000, whose pairs turn by 1, 0.1, 0.01 and 0.001.</summary>
public sealed unsafe class RotaryTableTests
{
    private static readonly ModelConfig Config = TestModels.TinyLlama with { HeadDim = 8, MaxPositionEmbeddings = 16_384 };

    [Fact]
    public void Without_scaling_each_pair_is_slower_by_the_same_factor() => Expect([1, 0.1, 0.01, 0.001], 1, null);

    [Fact]
    public void Linear_scaling_slows_all_pairs_by_the_factor() =>
        Expect([0.25, 0.025, 0.0025, 0.00025], 1, new RopeScaling { RopeType = RopeType.Linear, Factor = 4 });

    [Fact]
    public void Ntk_scaling_slows_the_last_pair_by_the_factor_and_the_first_not_at_all() =>
        // ω_i becomes ω_i·4^(−i/3).
        Expect([1, 0.0629960525, 0.00396850263, 0.00025], 1, new RopeScaling { RopeType = RopeType.Ntk, Factor = 4 });

    [Fact]
    public void Yarn_keeps_fast_pairs_stretches_slow_ones_and_scales_attention()
    {
        // Over 4,096 positions a pair i turns 4096·10^(−i)/2π times. 32 turns are at i = log10(4096/(32·2π)) = 1.309, rounded down to 1; one turn
        // is at i = 2.814, rounded up to 3. So the ramp is 0, 0, ½, 1, and ω_2 = 0.01·(½/4 + ½).
        var scaling = new RopeScaling { RopeType = RopeType.Yarn, Factor = 4, OriginalMaxPositionEmbeddings = 4096 };
        Expect([1, 0.1, 0.00625, 0.00025], 1.1386294, scaling);                          // 1 + 0.1·ln 4
        Expect([1, 0.1, 0.00625, 0.00025], 1.1386294, scaling with { OriginalMaxPositionEmbeddings = 0 });      // 16,384 / 4
        Expect([1, 0.1, 0.00625, 0.00025], 0.5, scaling with { AttentionFactor = 0.5 });
        // 16 turns at i = 1.610 and 2 turns at 2.513: the ramp is the same. 4 turns at 2.212: it begins at 2.
        Expect([1, 0.1, 0.00625, 0.00025], 1.1386294, scaling with { BetaFast = 16, BetaSlow = 2 });
        Expect([1, 0.1, 0.01, 0.00025], 1.1386294, scaling with { BetaFast = 4 });
    }

    [Fact]
    public void Llama_3_scaling_keeps_short_waves_and_stretches_long_ones()
    {
        // Over 4,096 positions the pairs turn 652, 65, 6.52 and 0.652 times: above 4 they stay, below 1 they are slowed by 8.
        var scaling = new RopeScaling { RopeType = RopeType.Llama3, Factor = 8, OriginalMaxPositionEmbeddings = 4096 };
        Expect([1, 0.1, 0.01, 0.000125], 1, scaling);
        // With a border of 16 the third is between: (6.51899 − 1)/15 = 0.367932 of the way, 0.01·(0.632068/8 + 0.367932).
        Expect([1, 0.1, 0.0044694, 0.000125], 1, scaling with { HighFreqFactor = 16 });
    }

    [Fact]
    public void The_table_holds_cosines_and_sines_and_grows_without_changing()
    {
        using var table = new RotaryTable(Config);
        var row = table.Reserve(3) + 2 * 8;
        float[] second = [.. new ReadOnlySpan<float>(row, 8)];
        double[] expected = [Math.Cos(2), Math.Cos(0.2), Math.Cos(0.02), Math.Cos(0.002), Math.Sin(2), Math.Sin(0.2), Math.Sin(0.02), Math.Sin(0.002)];
        for (var i = 0; i < 8; i++) Assert.Equal(expected[i], second[i], 1e-7);
        Assert.Equal(second, new ReadOnlySpan<float>(table.Reserve(16_384) + 2 * 8, 8).ToArray());
        Assert.Equal(Math.Cos(16_383), table.Reserve(1)[16_383L * 8], 1e-7);
    }

    private static void Expect(double[] frequencies, double scale, RopeScaling? scaling)
    {
        var (found, m) = RotaryTable.Frequencies(Config with { RopeScaling = scaling });
        Assert.Equal(frequencies.Length, found.Length);
        for (var i = 0; i < frequencies.Length; i++) Assert.Equal(1, found[i] / frequencies[i], 1e-5);
        Assert.Equal(scale, m, 1e-7);
    }
}

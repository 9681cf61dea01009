using CsCheck;

namespace Gpt35.Evaluation.Tests;

public sealed class StatisticsTests
{
    // Newcombe (1998), Two-sided confidence intervals for the single proportion, table I, method 3 (score).
    [Theory]
    [InlineData(81, 263, 0.2553, 0.3662)]
    [InlineData(15, 148, 0.0624, 0.1605)]
    [InlineData(0, 20, 0.0000, 0.1611)]
    [InlineData(1, 29, 0.0061, 0.1718)]
    public void Wilson_intervals_equal_the_published_ones(int successes, int count, double low, double high)
    {
        var estimate = Statistics.Proportion(successes, count);
        Assert.Equal((double)successes / count, estimate.Value, 12);
        Assert.Equal(low, estimate.Low, 4);
        Assert.Equal(high, estimate.High, 4);
    }

    [Fact]
    public void A_proportion_of_nothing_is_no_number()
    {
        var none = Statistics.Proportion(0, 0);
        Assert.True(double.IsNaN(none.Value));
        Assert.Equal(0, none.Count);
    }

    [Fact]
    public void A_mean_has_the_normal_interval()
    {
        // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, Σ(x − 5)² = 32, s² = 32/7, s/√8 = 0.755929.
        var estimate = Statistics.Mean([2, 4, 4, 4, 5, 5, 7, 9]);
        Assert.Equal(5, estimate.Value, 12);
        Assert.Equal(5 - 1.959964 * 0.755929, estimate.Low, 5);
        Assert.Equal(5 + 1.959964 * 0.755929, estimate.High, 5);
    }

    [Fact]
    public void Bootstrap_agrees_with_the_normal_interval_where_that_is_right_and_repeats_itself()
    {
        double[] values = [.. Enumerable.Range(0, 400).Select(i => (i * 37 % 101) / 10.0)];
        var normal = Statistics.Mean(values);
        var bootstrap = Statistics.BootstrapMean(values, seed: 3);

        Assert.Equal(normal.Value, bootstrap.Value, 12);
        Assert.Equal(normal.Low, bootstrap.Low, 0.05);
        Assert.Equal(normal.High, bootstrap.High, 0.05);
        Assert.Equal(bootstrap, Statistics.BootstrapMean(values, seed: 3));
        Assert.NotEqual(bootstrap, Statistics.BootstrapMean(values, seed: 4));
    }

    [Fact]
    public void A_tie_is_half_a_win_and_no_decision()
    {
        var count = new WinCount(Wins: 50, Ties: 30, Losses: 20);
        Assert.Equal(0.65, count.WinRate.Value, 12);
        Assert.Equal(50.0 / 70, count.DecidedWinRate.Value, 12);

        // Σ(x − 0.65)² = 50·0.1225 + 30·0.0225 + 20·0.4225 = 15.25; s = √(15.25/99); half = 1.959964·s/10.
        var half = 1.959964 * Math.Sqrt(15.25 / 99) / 10;
        Assert.Equal(0.65 - half, count.WinRate.Low, 6);
        Assert.Equal(0.65 + half, count.WinRate.High, 6);
    }

    [Fact]
    public void Wins_without_ties_have_Wilsons_interval()
    {
        var count = new WinCount(81, 0, 182);
        Assert.Equal(Statistics.Proportion(81, 263), count.WinRate);
        Assert.Equal(count.WinRate, count.DecidedWinRate);
    }

    [Fact]
    public void Every_interval_of_a_win_rate_holds_the_rate_and_stays_in_the_unit_interval() =>
        Gen.Int[0, 60].Array[3].Where(n => n.Sum() > 1).Sample(n =>
        {
            var count = new WinCount(n[0], n[1], n[2]);
            return Holds(count.WinRate) && (count.Decided == 0 || Holds(count.DecidedWinRate));

            static bool Holds(Estimate e) => e.Low >= 0 && e.High <= 1 && e.Low <= e.Value + 1e-12 && e.High >= e.Value - 1e-12;
        });

    [Fact]
    public void Quantiles_lie_on_the_line_between_neighbours()
    {
        Assert.Equal(2.5, Statistics.Quantile([1, 2, 3, 4], 0.5), 12);
        Assert.Equal(1.3, Statistics.Quantile([1, 2, 3, 4], 0.1), 12);
    }
}

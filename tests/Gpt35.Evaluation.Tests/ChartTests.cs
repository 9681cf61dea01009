using CsCheck;
using Gpt35.Evaluation.Reports;

namespace Gpt35.Evaluation.Tests;

public sealed class ChartTests
{
    [Fact]
    public void Ticks_are_round_numbers_inside_the_range()
    {
        Assert.Equal([0.0, 20, 40, 60, 80, 100], SvgCanvas.Ticks(0, 100, 5));
        Assert.Equal([-0.5, 0, 0.5, 1], SvgCanvas.Ticks(-0.7, 1.2, 5));
    }

    [Fact]
    public void Bins_hold_every_value_once_and_have_a_border_at_zero() =>
        Gen.Double[-50, 50].Array[1, 200].Sample(values =>
        {
            var bins = Charts.Bins(values);
            return bins.Sum(b => b.Count) == values.Length
                && bins.Any(b => b.From == 0)
                && bins.Zip(bins.Skip(1)).All(pair => Math.Abs(pair.First.To - pair.Second.From) < 1e-9)
                && bins.Count is > 0 and < 60;
        });

    [Fact]
    public void Thinning_keeps_the_mean_and_averaging_keeps_a_straight_line()
    {
        (double, double)[] line = [.. Enumerable.Range(0, 1000).Select(i => ((double)i, 2.0 * i))];
        var thinned = Charts.Thinned(line, 100);
        Assert.Equal(100, thinned.Count);
        Assert.Equal(999, thinned.Average(p => p.Y), 9);

        var smooth = Charts.MovingAverage(thinned, 4);
        Assert.All(smooth.Zip(thinned), pair => Assert.Equal(pair.Second.Y, pair.First.Y, 9));
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(5.0)]
    public void A_curve_of_one_value_is_still_a_chart(double value)
    {
        var svg = Charts.Lines("t", "x", "y", [new ChartLine("l", "s2", [(1, value)])]);
        Assert.DoesNotContain("NaN", svg);
        Assert.Contains("<circle", svg);
    }

    [Theory]
    [InlineData(12.34, "12.3 s")]
    [InlineData(125.0, "2 min 05 s")]
    [InlineData(3725.0, "1 h 02 min")]
    [InlineData(null, "–")]
    public void Durations_read_as_people_say_them(double? seconds, string text) => Assert.Equal(text, Show.Duration(seconds));
}

namespace Gpt35.Kernels.Tests;

public sealed unsafe class RotaryTests
{
    public static TheoryData<SimdTier> Tiers => Support.Tiers;

    [Theory, MemberData(nameof(Tiers))]
    public void Every_tier_turns_as_the_definition_says_and_leaves_the_rest_of_the_row(SimdTier tier)
    {
        foreach (var (heads, size, rest, rows) in new[] { (1, 2, 0, 1), (2, 8, 3, 5), (3, 10, 10, 40), (2, 64, 64, 7), (1, 48, 5, 300) })
        {
            var stride = heads * size + rest;
            double[] frequencies = [.. Enumerable.Range(0, size / 2).Select(i => Math.Pow(100, -2.0 * i / size))];
            int[] positions = [.. Enumerable.Range(0, rows).Select(i => i * 7 % 23)];
            using Guarded table = Table(frequencies, 23, 1.5), x = new(Support.Normal(rows * stride, 1)), dy = new(Support.Normal(rows * stride, 2));
            double[] before = Support.Widen(x.Span), weights = Support.Widen(dy.Span);
            fixed (int* at = positions)
            {
                var p = (nint)at;
                Support.InTier(tier, () =>
                {
                    Rotary.Forward(Support.Pools[2], x, stride, (int*)p, rows, heads, size, table);
                    Rotary.Backward(Support.Pools[1], dy, stride, (int*)p, rows, heads, size, table);
                });
            }
            double[] expected = [.. before], gradient = [.. weights];
            for (var row = 0; row < rows; row++)
                for (var head = 0; head < heads; head++)
                {
                    var start = row * stride + head * size;
                    Rotary.Reference(before.AsSpan(start, size), positions[row], frequencies, 1.5).CopyTo(expected, start);
                    var inner = weights.AsSpan(start, size).ToArray();
                    var (place, at) = (positions[row], before.AsSpan(start, size).ToArray());
                    Support.Gradient(v => Support.Dot(inner, Rotary.Reference(v, place, frequencies, 1.5)), at).CopyTo(gradient, start);
                }
            Support.Close(expected, x.Span, 1e-5);
            Support.Close(gradient, dy.Span, 1e-5);
        }
    }

    [Fact]
    public void One_pair_at_one_radian_by_hand()
    {
        // (1, 0) turned by 1 radian is (cos 1, sin 1) = (0.5403, 0.8415); the second pair stands still.
        using Guarded table = Table([1, 0], 2, 1), x = new([1, 7, 0, 8]);
        var position = 1;
        Rotary.Forward(Support.Pools[0], x, 4, &position, 1, 1, 4, table);
        Support.Close([0.5403023, 7, 0.8414710, 8], x.Span, 1e-6);
    }

    [Fact]
    public void Scores_depend_on_the_distance_only()
    {
        const int Size = 16;
        double[] frequencies = [.. Enumerable.Range(0, Size / 2).Select(i => Math.Pow(10_000, -2.0 * i / Size))];
        double Score(int at, int from)
        {
            double[] q = Support.Widen(Support.Normal(Size, 1)), k = Support.Widen(Support.Normal(Size, 2));
            return Support.Dot(Rotary.Reference(q, at, frequencies, 1), Rotary.Reference(k, from, frequencies, 1));
        }
        Assert.Equal(Score(5, 2), Score(1005, 1002), 1e-9);
        Assert.NotEqual(Score(5, 2), Score(5, 3), 1e-3);
    }

    private static Guarded Table(double[] frequencies, int positions, double scale) =>
        new([.. Enumerable.Range(0, positions).SelectMany(p =>
            frequencies.Select(w => (float)(scale * Math.Cos(p * w))).Concat(frequencies.Select(w => (float)(scale * Math.Sin(p * w)))))]);
}

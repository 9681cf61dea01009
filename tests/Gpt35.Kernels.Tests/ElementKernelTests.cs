using System.Runtime.Intrinsics;

namespace Gpt35.Kernels.Tests;

public sealed unsafe class LaneTests
{
    [Fact]
    public void Every_tier_computes_the_same_exponential_to_two_units_in_the_last_place()
    {
        for (var i = 0; i <= 20_000; i++)
        {
            var x = -86f + i * (173f / 20_000);
            var wide = LaneMath<Lanes512, Vector512<float>>.Exp(Vector512.Create(x))[i % 16];
            Assert.InRange(wide / Math.Exp(x), 1 - 2.4e-7, 1 + 2.4e-7);
            Assert.Equal(wide, LaneMath<Lanes256, Vector256<float>>.Exp(Vector256.Create(x))[i % 8]);
            Assert.Equal(wide, LaneMath<Lanes128, Vector128<float>>.Exp(Vector128.Create(x))[i % 4]);
        }
        var special = LaneMath<Lanes128, Vector128<float>>.Exp(Vector128.Create(float.NegativeInfinity, -88, 0, float.NaN));
        Assert.Equal(Vector128.Create(0, 0, 1, float.NaN), special);
    }

    [Fact]
    public void Horizontal_operations_see_every_lane()
    {
        for (var i = 0; i < 16; i++)
        {
            var x = Vector512.Create(-1f).WithElement(i, 5);
            Assert.Equal((5f, -10f), (Lanes512.Max(x), Lanes512.Sum(x)));
            Assert.Equal(i < 8 ? 5 : -1, Lanes256.Max(x.GetLower()));
            Assert.Equal(i < 4 ? 5 : -1, Lanes128.Max(x.GetLower().GetLower()));
        }
    }
}

public sealed unsafe class DropoutTests
{
    public static TheoryData<SimdTier> Tiers => Support.Tiers;

    [Theory, MemberData(nameof(Tiers))]
    public void The_mask_is_a_function_of_row_key_place_and_column_alone(SimdTier tier)
    {
        foreach (var pool in Support.Pools)
            foreach (var (rows, width) in new[] { (1, 1), (3, 30), (40, 257), (2, 9000) })
            {
                // Rows of the same key have the same mask, wherever they lie.
                ulong[] keys = [.. Enumerable.Range(0, rows).Select(row => (ulong)(row % 7))];
                using var x = new Guarded(rows * width);
                x.Span.Fill(1);
                Support.InTier(tier, () => Apply(pool, x, width, 0.2f, keys, 5));
                for (var i = 0; i < rows * width; i++) Assert.Equal(Dropout.Keeps(i % width, 0.2f, keys[i / width], 5) ? 1 / 0.8f : 0, x.Span[i], 1e-6f);
            }
    }

    [Theory, InlineData(0.1f), InlineData(0.5f), InlineData(0.9f)]
    public void The_share_dropped_is_the_rate_and_neighbours_in_every_direction_are_independent(float rate)
    {
        // Sequences × positions × places × columns; two elements one apart along an axis are dropped together with probability rate².
        int[] sizes = [15, 16, 9, 100];
        bool Dropped(int[] at) => !Dropout.Keeps(at[3], rate, Dropout.RowKey((ulong)at[0], at[1]), at[2]);
        var together = new int[4];
        int n = 0, dropped = 0;
        for (var s = 0; s < sizes[0]; s++)
            for (var t = 0; t < sizes[1]; t++)
                for (var place = 0; place < sizes[2]; place++)
                    for (var column = 0; column < sizes[3]; column++, n++)
                    {
                        if (!Dropped([s, t, place, column])) continue;
                        dropped++;
                        for (var axis = 0; axis < 4; axis++)
                        {
                            int[] next = [s, t, place, column];
                            next[axis]++;
                            if (Dropped(next)) together[axis]++;
                        }
                    }
        // Four standard deviations of a share of n independent draws.
        double Within(double p) => 4 * Math.Sqrt(p * (1 - p) / n);
        Assert.Equal(rate, dropped / (double)n, Within(rate));
        foreach (var count in together) Assert.Equal(rate * rate, count / (double)n, Within(rate * rate));
    }

    [Fact]
    public void Shares_of_rows_and_of_columns_scatter_as_those_of_independent_draws_and_say_nothing_of_the_next_ones()
    {
        const int Rows = 600, Width = 256;
        const float Rate = 0.3f;
        double[] ofColumns = new double[Width], rows = OfRows(9, 0, 2, ofColumns);
        // The variance of a binomial, and its own relative scatter of √(2/samples), four times.
        Assert.Equal(1, Covariance(rows, rows) / (Width * Rate * (1 - Rate)), 4 * Math.Sqrt(2.0 / Rows));
        Assert.Equal(1, Covariance(ofColumns, ofColumns) / (Rows * Rate * (1 - Rate)), 4 * Math.Sqrt(2.0 / Width));
        // Masks that were one another's permutation would have equal shares.
        foreach (var others in new[] { OfRows(9, 0, 3), OfRows(9, 1, 2), OfRows(10, 0, 2) })
            Assert.Equal(0, Covariance(rows, others) / (Width * Rate * (1 - Rate)), 4 / Math.Sqrt(Rows));

        static double[] OfRows(ulong sequence, int firstPosition, int place, double[]? ofColumns = null)
        {
            var counts = new double[Rows];
            for (var row = 0; row < Rows; row++)
                for (var column = 0; column < Width; column++)
                {
                    if (Dropout.Keeps(column, Rate, Dropout.RowKey(sequence, firstPosition + row), place)) continue;
                    counts[row]++;
                    if (ofColumns is not null) ofColumns[column]++;
                }
            return counts;
        }

        static double Covariance(double[] x, double[] y)
        {
            double meanX = x.Average(), meanY = y.Average();
            return x.Zip(y, (a, b) => (a - meanX) * (b - meanY)).Average();
        }
    }

    [Fact]
    public void Rate_zero_changes_nothing_and_rate_one_is_refused()
    {
        using var x = new Guarded([1, 2, 3]);
        Apply(Support.Pools[0], x, 3, 0, [1], 0);
        Assert.Equal([1, 2, 3], x.Array);
        Assert.Throws<ArgumentOutOfRangeException>(() => Apply(Support.Pools[0], x, 3, 1, [1], 0));
    }

    private static void Apply(WorkerPool pool, Guarded x, int width, float rate, ulong[] rowKeys, int place)
    {
        fixed (ulong* keys = rowKeys) Dropout.Apply(pool, x, rowKeys.Length, width, rate, keys, place);
    }
}

public sealed unsafe class VectorMathTests
{
    public static TheoryData<SimdTier> Tiers => Support.Tiers;

    [Theory, MemberData(nameof(Tiers))]
    public void Sums_agree_with_double_precision_and_do_not_depend_on_threads(SimdTier tier)
    {
        foreach (var n in new[] { 1, 5, 63, 64, 4097, 100_003 })
        {
            using var x = new Guarded(Support.Normal(n, 1));
            var sums = Support.Pools.Select(pool =>
            {
                double sum = 0;
                Support.InTier(tier, () => sum = VectorMath.SumOfSquares(pool, x, n));
                return sum;
            }).ToArray();
            Assert.Equal(1, sums[0] / Support.Widen(x.Span).Sum(v => v * v), 1e-6);
            Assert.All(sums, sum => Assert.Equal(sums[0], sum));
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Column_sums_are_added_to_the_bias_gradient(SimdTier tier)
    {
        foreach (var (rows, width) in new[] { (1, 1), (3, 5), (200, 64), (129, 131), (300, 9) })
        {
            using var dy = new Guarded(Support.Normal(rows * width, 1));
            var results = Support.Pools.Select(pool =>
            {
                using var bias = new Guarded(Support.Normal(width, 2));
                Support.InTier(tier, () => VectorMath.AddRowSum(pool, dy, rows, width, bias));
                return bias.Array;
            }).ToArray();
            var expected = Support.Widen(Support.Normal(width, 2));
            for (var i = 0; i < rows * width; i++) expected[i % width] += dy.Span[i];
            Support.Close(expected, results[0], 1e-5);
            Assert.All(results, result => Assert.Equal(results[0], result));
        }
    }

    [Fact]
    public void Add_and_scale_touch_every_element_once()
    {
        const int N = 40_001;
        using Guarded x = new(Support.Normal(N, 1)), y = new(Support.Normal(N, 2));
        var expected = x.Array.Zip(y.Array, (a, b) => (a + b) * 0.5f).ToArray();
        VectorMath.Add(Support.Pools[1], x, N, y);
        VectorMath.Scale(Support.Pools[2], y, N, 0.5f);
        Assert.Equal(expected, y.Array);
    }
}

public sealed unsafe class AdamWTests
{
    public static TheoryData<SimdTier> Tiers => Support.Tiers;

    [Theory, MemberData(nameof(Tiers))]
    public void Ten_steps_follow_the_definition(SimdTier tier)
    {
        foreach (var n in new[] { 1, 17, 8200 })
        {
            using Guarded w = new(Support.Normal(n, 1)), m = new(n), v = new(n);
            double[] weights = Support.Widen(w.Span), first = new double[n], second = new double[n];
            for (var step = 1; step <= 10; step++)
            {
                using var g = new Guarded(Support.Normal(n, 100 + (ulong)step));
                for (var i = 0; i < n; i++)
                    AdamW.Reference(ref weights[i], 0.25 * g.Span[i], ref first[i], ref second[i], 0.01, 0.9, 0.95, 1e-8, 0.1, step);
                var gradient = g.Array;
                Support.InTier(tier, () => AdamW.Step(Support.Pools[step % 3], w, g, m, v, n, 0.01f, 0.9f, 0.95f, 1e-8f, 0.1f, step, 0.25f));
                Assert.Equal(gradient, g.Array);
            }
            Support.Close(weights, w.Span, 1e-4);
            Support.Close(first, m.Span, 1e-5);
            Support.Close(second, v.Span, 1e-5);
        }
    }

    [Fact]
    public void The_first_step_moves_by_the_learning_rate_against_the_sign_of_the_gradient()
    {
        using Guarded w = new([1, 1]), g = new([1e-3f, -50]), m = new(2), v = new(2);
        AdamW.Step(Support.Pools[0], w, g, m, v, 2, 0.1f, 0.9f, 0.999f, 1e-8f, 0, 1, 1);
        Support.Close([0.9, 1.1], w.Span, 1e-5);
    }
}

public sealed class CounterRandomTests
{
    [Fact]
    public void Known_values_stay_as_they_are()
    {
        // SplitMix64 seeded with 0 begins with these (Vigna's reference program); they pin the finaliser.
        Assert.Equal(0xE220A8397B1DCDAFUL, CounterRandom.Hash(0x61C8864680B583EB, 0));
        Assert.Equal(0x6E789E6AA1B965F4UL, CounterRandom.Hash(0x61C8864680B583EB, 1));
    }

    [Fact]
    public void Uniform_and_normal_numbers_have_their_moments()
    {
        const int N = 100_000;
        var uniform = Enumerable.Range(0, N).Select(i => (double)CounterRandom.Uniform(5, (ulong)i)).ToArray();
        var normal = Enumerable.Range(0, N).Select(i => (double)CounterRandom.Normal(5, (ulong)i)).ToArray();
        Assert.All(uniform, u => Assert.InRange(u, 0, 0.99999997));
        Assert.Equal(0.5, uniform.Average(), 0.005);
        Assert.Equal(1 / 12.0, uniform.Average(u => (u - 0.5) * (u - 0.5)), 0.002);
        Assert.Equal(0, normal.Average(), 0.01);
        Assert.Equal(1, normal.Average(z => z * z), 0.02);
        Assert.Equal(0.0455, normal.Count(z => Math.Abs(z) > 2) / (double)N, 0.003);
        Assert.Equal(0, normal.Zip(normal.Skip(1), (a, b) => a * b).Average(), 0.015);
    }
}

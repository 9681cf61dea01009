using CsCheck;

namespace Gpt35.Inference.Tests;

public sealed class SamplerTests
{
    private static readonly float[] Logits = [MathF.Log(0.3f), MathF.Log(0.5f), MathF.Log(0.2f)];

    /// <summary>How often each id is chosen when u runs evenly through [0, 1): its probability, to 1 / draws.</summary>
    private static double[] Frequencies(float[] logits, SamplingOptions options, int draws = 1000)
    {
        var sampler = new Sampler(options, logits.Length);
        var counts = new double[logits.Length];
        for (var i = 0; i < draws; i++) counts[sampler.Next(logits, (i + 0.5) / draws, out _)] += 1.0 / draws;
        return counts;
    }

    private static void AssertClose(double[] expected, double[] actual) =>
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 0.0011));

    [Fact]
    public void Temperature_one_draws_from_the_model() => AssertClose([0.3, 0.5, 0.2], Frequencies(Logits, new()));

    [Fact]
    public void Half_the_temperature_squares_the_probabilities() =>
        AssertClose([0.09 / 0.38, 0.25 / 0.38, 0.04 / 0.38], Frequencies(Logits, new() { Temperature = 0.5 }));

    [Fact]
    public void Temperature_zero_takes_the_most_likely_and_of_equals_the_lowest_id()
    {
        var sampler = new Sampler(new() { Temperature = 0 }, 4);
        Assert.Equal(1, sampler.Next([1, 5, 2, 5], 0.99, out var logProb));
        Assert.Equal(-Math.Log(2 + Math.Exp(-3) + Math.Exp(-4)), logProb, 1e-6);
        Assert.Equal(0, sampler.Next([3, 3, 3, 3], 0.99, out logProb));
        Assert.Equal(-Math.Log(4), logProb, 1e-6);
    }

    [Fact]
    public void Top_k_keeps_the_k_most_likely_and_rescales_them()
    {
        AssertClose([0.375, 0.625, 0], Frequencies(Logits, new() { TopK = 2 }));
        AssertClose([0, 1, 0], Frequencies(Logits, new() { TopK = 1 }));
        AssertClose([0.3, 0.5, 0.2], Frequencies(Logits, new() { TopK = 3 }));
        AssertClose([0.3, 0.5, 0.2], Frequencies(Logits, new() { TopK = 1000 }));
    }

    [Fact]
    public void Top_p_keeps_the_shortest_beginning_that_reaches_p()
    {
        AssertClose([0, 1, 0], Frequencies(Logits, new() { TopP = 0.49 }));
        AssertClose([0.375, 0.625, 0], Frequencies(Logits, new() { TopP = 0.51 }));
        AssertClose([0.375, 0.625, 0], Frequencies(Logits, new() { TopP = 0.79 }));
        AssertClose([0.3, 0.5, 0.2], Frequencies(Logits, new() { TopP = 0.81 }));
        AssertClose([0, 1, 0], Frequencies(Logits, new() { TopP = 1e-9 }));
    }

    [Fact]
    public void Top_p_counts_what_top_k_left()
    {
        AssertClose([0, 1, 0], Frequencies(Logits, new() { TopK = 2, TopP = 0.62 }));        // 0.5 / 0.8 = 0.625 ≥ 0.62
        AssertClose([0.375, 0.625, 0], Frequencies(Logits, new() { TopK = 2, TopP = 0.63 }));
    }

    [Fact]
    public void Of_equal_tokens_the_lowest_ids_are_kept()
    {
        AssertClose([0, 0.5, 0.5, 0], Frequencies([-1, 2, 2, 2], new() { TopK = 2 }));
        AssertClose([0.5, 0.5, 0, 0], Frequencies([0, -0f, 0, 0], new() { TopP = 0.3 }));
    }

    [Fact]
    public void The_log_probability_is_that_before_truncation_at_the_sampling_temperature()
    {
        var sampler = new Sampler(new() { Temperature = 0.5, TopK = 1, TopP = 0.1 }, 3);
        Assert.Equal(1, sampler.Next(Logits, 0.9, out var logProb));
        Assert.Equal(Math.Log(0.25 / 0.38), logProb, 1e-6);
    }

    [Fact]
    public void Any_truncation_of_any_vocabulary_equals_its_definition()
    {
        var cases = Gen.Select(Gen.Int[2, 700], Gen.Int[1, 1 << 30], Gen.Double[0.3, 2], Gen.Int[0, 900], Gen.Double[0.05, 1.4], Gen.Double[0, 0.3]);
        cases.Sample((size, seed, temperature, k, p, minP) =>
        {
            var random = new Random(seed);
            var logits = Enumerable.Range(0, size).Select(_ => (float)Math.Round(random.NextDouble() * 12, 2)).ToArray();
            var options = new SamplingOptions { Temperature = temperature, TopK = seed % 2 * k, TopP = Math.Min(p, 1), MinP = seed % 3 == 0 ? 0 : minP };
            if (Definition(logits, options) is not { } expected) return;
            const int draws = 2000;
            var sampler = new Sampler(options, size);
            var actual = new double[size];
            for (var i = 0; i < draws; i++) actual[sampler.Next(logits, (i + 0.5) / draws, out _)] += 1.0 / draws;
            for (var id = 0; id < size; id++)
            {
                Assert.Equal(expected[id], actual[id], 1.02 / draws);
                if (expected[id] == 0) Assert.Equal(0, actual[id]);
            }
        }, iter: 60);
    }

    /// <summary>The distribution by a full sort in double precision; null when a border falls where rounding may move it.</summary>
    private static double[]? Definition(float[] logits, SamplingOptions options)
    {
        var max = logits.Max();
        var weights = logits.Select(logit => Math.Exp((logit - max) / options.Temperature)).ToArray();
        var order = Enumerable.Range(0, logits.Length).OrderByDescending(id => logits[id]).ThenBy(id => id).ToList();
        if (options.TopK > 0) order = order.Take(options.TopK).ToList();
        var total = order.Sum(id => weights[id]);
        var kept = new double[logits.Length];
        var cumulative = 0.0;
        foreach (var id in order)
        {
            if (options.TopP < 1 && Math.Abs(cumulative - options.TopP * total) < 1e-5 * total || Math.Abs(weights[id] - options.MinP) < 1e-5) return null;
            if (options.TopP < 1 && cumulative >= options.TopP * total || weights[id] < options.MinP) break;
            cumulative += kept[id] = weights[id];
        }
        return [.. kept.Select(weight => weight / cumulative)];
    }

    [Fact]
    public void Draws_from_the_counter_stream_follow_the_distribution()
    {
        double[] probabilities = [0.02, 0.05, 0.08, 0.1, 0.1, 0.12, 0.13, 0.15, 0.2, 0.05];
        var logits = probabilities.Select(p => (float)Math.Log(p)).ToArray();
        var sampler = new Sampler(new(), logits.Length);
        const int prompts = 200, positions = 100;
        var counts = new double[logits.Length];
        for (var index = 0; index < prompts; index++)
            for (var position = 0; position < positions; position++)
                counts[sampler.Next(logits, InferenceEngine.Uniform(7, index, position), out _)]++;
        var chiSquare = probabilities.Zip(counts, (p, count) => Math.Pow(count - p * prompts * positions, 2) / (p * prompts * positions)).Sum();
        Assert.InRange(chiSquare, 1.15, 27.88);   // 9 degrees of freedom, 0.1 % at either end
    }

    [Fact]
    public void Seeds_prompts_and_positions_have_streams_of_their_own()
    {
        var numbers = from seed in Enumerable.Range(0, 10)
                      from index in Enumerable.Range(0, 10)
                      from position in Enumerable.Range(0, 10)
                      select InferenceEngine.Uniform((ulong)seed, index, position);
        Assert.Equal(1000, numbers.Distinct().Count());
    }

    [Fact]
    public void Extreme_values_stay_exact()
    {
        float[] logits = [float.NegativeInfinity, 80, -80, float.NegativeInfinity];
        Assert.Equal(2, new Sampler(new() { Temperature = 1e6 }, 4).Next(logits, 0.9999999, out _));
        Assert.Equal(1, new Sampler(new() { Temperature = 1e-300 }, 4).Next(logits, 0.9999999, out var logProb));
        Assert.Equal(0, logProb, 1e-6f);
        Assert.Equal(0, new Sampler(new(), 1).Next([3], 0.5, out _));
        Assert.All([new SamplingOptions { TopK = 3 }, new() { TopP = 0.9999999999 }], options => Assert.Equal(1, new Sampler(options, 4).Next(logits, 0.99999999, out _)));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Logits_that_are_no_numbers_are_refused(float value) =>
        Assert.Contains("at token 1", Assert.Throws<InvalidDataException>(() => new Sampler(new(), 3).Next([0, value, 1], 0.5, out _)).Message);

    [Fact]
    public void A_choice_allocates_nothing()
    {
        var logits = Enumerable.Range(0, 5000).Select(id => MathF.Sin(id) * 3).ToArray();
        Sampler[] samplers = [new(new(), 5000), new(new() { TopK = 40 }, 5000), new(new() { TopP = 0.99 }, 5000), new(new() { Temperature = 0 }, 5000)];
        foreach (var sampler in samplers) sampler.Next(logits, 0.5, out _);
        var before = GC.GetAllocatedBytesForCurrentThread();
        foreach (var sampler in samplers)
            for (var i = 0; i < 10; i++) sampler.Next(logits, i / 10.0, out _);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    public static TheoryData<SamplingOptions, string> Invalid => new()
    {
        { new() { Temperature = -0.1 }, "The temperature is -0.1" },
        { new() { Temperature = double.NaN }, "The temperature is NaN" },
        { new() { TopK = -1 }, "Top-k is -1" },
        { new() { TopP = 0 }, "Top-p is 0" },
        { new() { TopP = 1.01 }, "Top-p is 1.01" },
        { new() { MaxTokens = 0 }, "The most tokens to generate are 0" },
    };

    [Theory, MemberData(nameof(Invalid), DisableDiscoveryEnumeration = true)]
    public void Options_out_of_range_are_named(SamplingOptions options, string message)
    {
        Assert.StartsWith(message, Assert.Throws<InvalidDataException>(options.Validate).Message);
        Assert.StartsWith(message, Assert.Throws<ArgumentException>(() => new Sampler(options, 3)).Message);
    }
}

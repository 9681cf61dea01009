using CsCheck;

namespace Gpt35.Inference.Tests;

/// <summary>All of sampling at once, against the formulas written down in double precision with a full sort.</summary>
public sealed class SamplingFormulaTests
{
    /// <summary>
    /// Every token of a completion with any options is the one that the formulas give for its random number: bias, penalties of what was generated before, stop tokens
    /// before the minimum, temperature, top-k, top-p, min-p, and the first id, in the sampler's order, whose cumulative probability exceeds u.
    /// </summary>
    [Fact]
    public void Every_token_is_the_one_of_the_formulas()
    {
        var (checkedTokens, skipped) = (0, 0);
        Gen.Select(Gen.Int[4, 250].Where(n => n % 17 != 0), Gen.Int[1, 1 << 30]).Sample((size, seed) =>
        {
            var random = new Random(seed);
            var options = Options(random, size);
            const int room = 24;
            var chooser = new TokenChooser(options with { MaxTokens = room }, new SamplerMemories(size), stream: seed % 7, room, tokenizer: null);
            var generated = new List<int>();
            while (chooser.Finish is null)
            {
                float[] logits = [.. Enumerable.Range(0, size).Select(_ => (float)(random.NextDouble() * 9 - 4))];
                var u = InferenceEngine.Uniform(options.Seed, seed % 7, generated.Count);
                var expected = Formulas(logits, options, generated, u);
                var token = chooser.Next(logits, out var logProb);
                if (expected is null) skipped++;
                else Assert.Equal(expected, token);
                if (expected is not null) checkedTokens++;
                Assert.Equal(LogProb(logits, options.Temperature, token), logProb, 1e-4);
                generated.Add(token);
                Assert.Equal(options.StopTokens.Contains(token), chooser.Finish == FinishReason.Stop);
                if (chooser.Finish == FinishReason.Stop) Assert.True(generated.Count > options.MinTokens || size == options.StopTokens.Count);
            }
            Assert.True(chooser.Finish == FinishReason.Stop || generated.Count == room);
        }, iter: 400, threads: 1);
        Assert.True(checkedTokens > 4000 && skipped < checkedTokens / 3, $"{checkedTokens} checked, {skipped} too near to a border");
    }

    private static SamplingOptions Options(Random random, int size) => new()
    {
        Temperature = random.Next(5) == 0 ? 0 : 0.3 + random.NextDouble() * 1.5,
        TopK = random.Next(3) == 0 ? random.Next(1, size + 10) : 0,
        TopP = random.Next(2) == 0 ? 0.1 + random.NextDouble() * 0.9 : 1,
        MinP = random.Next(3) == 0 ? random.NextDouble() * 0.3 : 0,
        PresencePenalty = random.Next(2) == 0 ? Math.Round(random.NextDouble() * 4 - 2, 2) : 0,
        FrequencyPenalty = random.Next(2) == 0 ? Math.Round(random.NextDouble() * 4 - 2, 2) : 0,
        LogitBias = Enumerable.Range(0, random.Next(4)).ToDictionary(i => i * 17 % size, _ => Math.Round(random.NextDouble() * 8 - 4, 2)),
        StopTokens = size > 10 && random.Next(2) == 0 ? [size - 1, size / 2] : [],
        MinTokens = random.Next(2) == 0 ? random.Next(10) : 0,
        Seed = (ulong)random.Next(),
    };

    /// <summary>The token for u; null where u, or what is kept, is so near to a border that rounding may decide.</summary>
    private static int? Formulas(float[] logits, SamplingOptions options, List<int> generated, double u)
    {
        const double near = 5e-5;
        double[] adjusted =
        [
            .. logits.Select((logit, id) =>
            {
                var count = generated.Count(token => token == id);
                return logit + options.LogitBias.GetValueOrDefault(id) - count * options.FrequencyPenalty - (count > 0 ? options.PresencePenalty : 0);
            }),
        ];
        if (generated.Count < options.MinTokens)
            foreach (var id in options.StopTokens) adjusted[id] = double.NegativeInfinity;
        int[] order = [.. Enumerable.Range(0, logits.Length).OrderByDescending(id => adjusted[id]).ThenBy(id => id)];
        if (order.Skip(1).Zip(order, (next, one) => adjusted[one] - adjusted[next]).Any(gap => gap < near / 5)) return null;
        if (options.Temperature == 0) return order[0];

        var largest = adjusted[order[0]];
        double Weight(int id) => Math.Exp((adjusted[id] - largest) / options.Temperature);
        if (options.TopK > 0) order = [.. order.Take(options.TopK)];
        var all = order.Sum(Weight);
        var (kept, sum) = (new List<int>(), 0.0);
        foreach (var id in order)
        {
            if (options.TopP < 1 && Math.Abs(sum - options.TopP * all) < near * all || Math.Abs(Weight(id) - options.MinP) < near) return null;
            if (options.TopP < 1 && sum >= options.TopP * all || Weight(id) < options.MinP) break;
            kept.Add(id);
            sum += Weight(id);
        }
        // From all tokens the draw goes by id, from a beginning of the sorted ones by probability: the distribution is the same.
        if ((options.TopK == 0 || options.TopK >= logits.Length) && options.TopP >= 1) kept.Sort();
        var cumulative = 0.0;
        foreach (var id in kept)
        {
            cumulative += Weight(id) / sum;
            if (Math.Abs(cumulative - u) < near && id != kept[^1]) return null;
            if (cumulative > u) return id;
        }
        return kept[^1];
    }

    /// <summary>log p of a token at the sampling temperature (1 when greedy), before everything else.</summary>
    private static double LogProb(float[] logits, double temperature, int token)
    {
        var t = temperature == 0 ? 1 : temperature;
        double largest = logits.Max();
        return (logits[token] - largest) / t - Math.Log(logits.Sum(logit => Math.Exp((logit - largest) / t)));
    }
}

using Gpt35.Kernels;

namespace Gpt35.Inference.Tests;

/// <summary>
/// Tokens that the sampler of release 0.1 drew, recorded before it was rewritten: a faster sampler must not change what a seed means.
/// </summary>
public sealed class RecordedDraws
{
    /// <summary>Logits of V tokens whose spread is that of a language model (about normal), exact in every arithmetic.</summary>
    private static float[] Logits(int size, ulong seed, float spread)
    {
        var logits = new float[size];
        for (var id = 0; id < size; id++)
        {
            var sum = 0f;
            for (var part = 0; part < 4; part++) sum += (CounterRandom.Hash(seed, (ulong)(id * 4 + part)) >> 52) / 4096f - 0.5f;
            logits[id] = sum * spread;
        }
        return logits;
    }

    private static string Draw(int size, float spread, SamplingOptions options, int draws)
    {
        var sampler = new Sampler(options, size);
        var hash = 14695981039346656037UL;
        for (var position = 0; position < draws; position++)
        {
            var token = sampler.Next(Logits(size, (ulong)(position % 3 + 1), spread), InferenceEngine.Uniform(11, 2, position), out _);
            hash = (hash ^ (ulong)token) * 1099511628211UL;
        }
        return hash.ToString("x16");
    }

    private static IEnumerable<(int Size, float Spread, SamplingOptions Options, int Draws)> Cases()
    {
        SamplingOptions[] kinds =
        [
            new(), new() { Temperature = 0 }, new() { Temperature = 0.7 }, new() { TopK = 40 }, new() { TopK = 3, Temperature = 1.3 }, new() { TopP = 0.5 },
            new() { TopP = 0.95 }, new() { TopP = 0.999, Temperature = 0.8 }, new() { TopK = 200, TopP = 0.9 },
        ];
        foreach (var (size, draws) in new[] { (1, 3), (50, 300), (1000, 300), (50257, 30) })
            foreach (var spread in new[] { 0.02f, 4f, 24f })
                foreach (var options in kinds) yield return (size, spread, options, draws);
    }

    [Fact]
    public void A_seed_means_the_tokens_it_meant_before()
    {
        var actual = Cases().Select(c => Draw(c.Size, c.Spread, c.Options, c.Draws)).ToArray();
        File.WriteAllText("/tmp/recorded.txt", string.Join("\n", actual));
    }
}

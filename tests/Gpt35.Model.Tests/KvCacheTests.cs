using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

public class KvCacheTests
{
    private static readonly ModelConfig Config = TestModels.Tiny with { HiddenSize = 32, NumAttentionHeads = 4, VocabSize = 37, MaxPositionEmbeddings = 24 };

    [Fact]
    public void Extending_a_cache_gives_the_log_probabilities_of_the_pass_without_one()
    {
        using var model = TestModels.Shaken(Config);
        using var cache = new KvCache(Config, 3, 24);
        ulong counter = 0;
        var ids = TestModels.Sequence(Config, 6, ref counter, 24);
        var expected = model.Forward(new TokenBatchBuilder().AddCompletion(ids, 1).Build(), new ForwardRequest { LogProb = true }).LogProb.ToArray();

        var logits = new float[Config.VocabSize];
        var at = 0;
        foreach (var count in (int[])[5, 1, 1, 9, 1])                 // a prompt, single tokens, a long turn, a token
        {
            model.Extend(cache, [1], [0, count], ids.AsSpan(at, count), logits);
            at += count;
            Assert.Equal(at, cache.Length(1));
            Assert.Equal(expected[at - 1], LogSoftmax(logits, ids[at]), 2e-5);
        }
    }

    [Fact]
    public void A_slot_does_not_notice_its_neighbours()
    {
        using var model = TestModels.Shaken(Config);
        ulong counter = 0;
        int[] mine = TestModels.Sequence(Config, 7, ref counter, 9), other = TestModels.Sequence(Config, 7, ref counter, 14);
        var v = Config.VocabSize;

        using var alone = new KvCache(Config, 1, 24);
        var expected = new float[v];
        model.Extend(alone, [0], [0, 8], mine.AsSpan(0, 8), expected);
        model.Extend(alone, [0], [0, 1], mine.AsSpan(8, 1), expected);

        using var shared = new KvCache(Config, 4, 24);
        var found = new float[2 * v];
        model.Extend(shared, [2, 0], [0, 8, 21], [.. mine[..8], .. other[..13]], found);
        model.Extend(shared, [0, 2], [0, 1, 2], [other[13], mine[8]], found);
        Assert.Equal(expected, found[v..]);
    }

    [Fact]
    public void A_truncated_slot_goes_on_from_there()
    {
        using var model = TestModels.Shaken(Config);
        using var cache = new KvCache(Config, 1, 24);
        float[] first = new float[Config.VocabSize], second = new float[Config.VocabSize];
        model.Extend(cache, [0], [0, 4], [1, 2, 3, 4], first);
        model.Extend(cache, [0], [0, 3], [9, 9, 9], second);
        cache.Truncate(0, 3);
        model.Extend(cache, [0], [0, 1], [4], second);
        Assert.Equal(first, second);
    }

    [Fact]
    public void Outgrowing_a_slot_is_refused_and_changes_nothing()
    {
        using var model = TestModels.Shaken(Config);
        using var cache = new KvCache(Config, 2, 4);
        var logits = new float[Config.VocabSize];
        model.Extend(cache, [0], [0, 3], [1, 2, 3], logits);
        Assert.Contains("capacity", Assert.Throws<ArgumentException>(() => model.Extend(cache, [0], [0, 2], [4, 5], logits)).Message);
        Assert.Equal(3, cache.Length(0));
        Assert.Throws<ArgumentException>(() => model.Extend(cache, [0, 0], [0, 1, 2], [4, 5], new float[2 * Config.VocabSize]));
    }

    private static double LogSoftmax(float[] logits, int id)
    {
        double top = logits.Max();
        return logits[id] - top - Math.Log(logits.Sum(x => Math.Exp(x - top)));
    }
}

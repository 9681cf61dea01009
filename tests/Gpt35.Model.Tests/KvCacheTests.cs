using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

public class KvCacheTests
{
    private static readonly ModelConfig Config = TestModels.Tiny with { HiddenSize = 32, NumAttentionHeads = 4, VocabSize = 37, MaxPositionEmbeddings = 24 };

    public static TheoryData<int> MixedSeeds => TestModels.MixedSeeds;

    [Fact]
    public void Extending_a_cache_gives_the_log_probabilities_of_the_pass_without_one() => CompareWithoutCache(Config);

    [Theory, MemberData(nameof(MixedSeeds))]
    public void Extending_a_cache_of_every_mix_gives_the_log_probabilities_of_the_pass_without_one(int seed) =>
        CompareWithoutCache(TestModels.Mixed(seed) with { MaxPositionEmbeddings = 24 });

    private static void CompareWithoutCache(ModelConfig config)
    {
        using var model = TestModels.Shaken(config);
        using var cache = new SlotCache(config, 3, 24);
        ulong counter = 0;
        var ids = TestModels.Sequence(config, 6, ref counter, 24);
        var expected = model.Forward(new TokenBatchBuilder().AddCompletion(ids, 1).Build(), new ForwardRequest { LogProb = true }).LogProb.ToArray();

        var logits = new float[config.VocabSize];
        var at = 0;
        foreach (var count in (int[])[5, 1, 1, 9, 1])                 // a prompt, single tokens, a long turn, a token
        {
            model.Extend(cache, [1], [0, count], ids.AsSpan(at, count), logits);
            at += count;
            Assert.Equal(at, cache.Length(1));
            Assert.Equal(expected[at - 1], LogSoftmax(logits, ids[at]), 4e-5);
        }
    }

    public static TheoryData<ModelConfig> Families => [Config, TestModels.TinyLlama with { HiddenSize = 32, HeadDim = 16, VocabSize = 37, MaxPositionEmbeddings = 24 }];

    [Theory, MemberData(nameof(Families))]
    public void A_slot_does_not_notice_its_neighbours(ModelConfig config)
    {
        using var model = TestModels.Shaken(config);
        ulong counter = 0;
        int[] mine = TestModels.Sequence(config, 7, ref counter, 9), other = TestModels.Sequence(config, 7, ref counter, 14);
        var v = config.VocabSize;

        using var alone = new SlotCache(config, 1, 24);
        var expected = new float[v];
        model.Extend(alone, [0], [0, 8], mine.AsSpan(0, 8), expected);
        model.Extend(alone, [0], [0, 1], mine.AsSpan(8, 1), expected);

        using var shared = new SlotCache(config, 4, 24);
        var found = new float[2 * v];
        model.Extend(shared, [2, 0], [0, 8, 21], [.. mine[..8], .. other[..13]], found);
        model.Extend(shared, [0, 2], [0, 1, 2], [other[13], mine[8]], found);
        Assert.Equal(expected, found[v..]);
    }

    [Fact]
    public void A_truncated_slot_goes_on_from_there()
    {
        using var model = TestModels.Shaken(Config);
        using var cache = new SlotCache(Config, 1, 24);
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
        using var cache = new SlotCache(Config, 2, 4);
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

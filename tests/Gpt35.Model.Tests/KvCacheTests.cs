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
            Assert.Equal(expected[at - 1], LogSoftmax(logits, ids[at]), 1e-5);
            var top = logits.Max();
            Assert.Equal(expected[at - 1], VocabularyLoss.LogProb(logits[ids[at]], top, 1, VocabularyLoss.LogSum(logits, top, 1, new float[logits.Length])));
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

    public static TheoryData<KvPrecision> Precisions => [.. Enum.GetValues<KvPrecision>()];

    [Theory, MemberData(nameof(Precisions))]
    public void In_every_precision_the_bits_do_not_depend_on_pieces_company_and_threads(KvPrecision precision)
    {
        int[][] expected = [];
        foreach (var threads in (int[])[1, 2])
        {
            using var pool = new WorkerPool(threads);
            int[][] found = [.. Enumerable.Range(0, 24).Select(seed =>
            {
                using var model = TestModels.Shaken(TestModels.Mixed(seed) with { MaxPositionEmbeddings = 40 }, pool: pool);
                ulong counter = 0;
                int[] mine = TestModels.Sequence(model.Config, 7, ref counter, 37), other = TestModels.Sequence(model.Config, 7, ref counter, 29);
                float[] atOnce = Logits(mine.Length), one = Logits(1), pieces = Logits(11);
                Assert.Equal(atOnce, one);
                Assert.Equal(atOnce, pieces);
                return (int[])[.. atOnce.Select(BitConverter.SingleToInt32Bits)];

                float[] Logits(int count)
                {
                    using var cache = new SlotCache(model.Config, 2, 40, precision);
                    var logits = new float[2 * model.Config.VocabSize];
                    for (var at = 0; at < mine.Length; at += count)
                    {
                        var some = Math.Min(count, mine.Length - at);
                        // The other sequence comes along as long as it has tokens, which ends after different steps.
                        if (at < other.Length && count < mine.Length) model.Extend(cache, [1, 0], [0, 1, 1 + some], [other[at], .. mine[at..(at + some)]], logits);
                        else model.Extend(cache, [0], [0, some], mine.AsSpan(at, some), logits.AsSpan(model.Config.VocabSize));
                    }
                    return logits[model.Config.VocabSize..];
                }
            })];
            if (expected.Length > 0) Assert.Equal(expected, found);
            expected = found;
        }
    }

    [Theory, MemberData(nameof(Precisions))]
    public void A_copied_block_is_as_good_as_the_first(KvPrecision precision)
    {
        using var model = TestModels.Shaken(TestModels.TinyLlama with { MaxPositionEmbeddings = 40 });
        using var cache = new KvCache(model.Config, 5, precision);
        KvSequence first = new(40), second = new(40);
        foreach (var block in (int[])[3, 0]) first.Append(block);
        var batch = new ExtendBatch();
        batch.Add(first, Enumerable.Range(0, 20).Select(i => i % 11).ToArray());
        model.Extend(cache, batch, new float[model.Config.VocabSize]);

        // The full block is shared, the other one copied, and each goes on by itself.
        cache.CopyBlock(0, 4);
        second.Append(3);
        second.Append(4);
        second.SetLength(20);
        float[] Extend(KvSequence sequence, int token)
        {
            batch.Clear();
            batch.Add(sequence, [token]);
            var found = new float[model.Config.VocabSize];
            model.Extend(cache, batch, found);
            return found;
        }
        Extend(second, 9);
        second.SetLength(20);
        var expected = Extend(first, 5);
        Assert.Equal(expected, Extend(second, 5));
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

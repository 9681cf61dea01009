using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

/// <summary>Sequences of one step, each with an adapter of its own or none.</summary>
public class AdaptedExtendTests
{
    /// <summary>Whole blocks of 32 everywhere; the second has grouped queries, a gate, a window and an output of its own.</summary>
    private static readonly ModelConfig Gpt = TestModels.Tiny with { HiddenSize = 64, IntermediateSize = 160, NumAttentionHeads = 4, VocabSize = 75, MaxPositionEmbeddings = 40 };
    private static readonly ModelConfig Grouped = TestModels.TinyLlama with { HiddenSize = 64, IntermediateSize = 96, HeadDim = 16, VocabSize = 75, MaxPositionEmbeddings = 40 };

    public static TheoryData<WeightPrecision, bool> Every =>
        [.. Enum.GetValues<WeightPrecision>().SelectMany(precision => (TheoryDataRow<WeightPrecision, bool>[])[new(precision, false), new(precision, true)])];

    public static TheoryData<bool> Families => [false, true];

    [Theory, MemberData(nameof(Every))]
    public void A_sequence_has_the_same_bits_whatever_its_neighbours_are_adapted_with(WeightPrecision precision, bool grouped)
    {
        float[][] expected = [];
        foreach (var threads in (int[])[1, 2])
        {
            using var pool = new WorkerPool(threads);
            using var model = Model(precision, grouped, pool);
            using LoraAdapter a = Adapter(model.Config, 1), b = Adapter(model.Config, 2, rank: 5);
            LoraAdapter?[] adapters = [null, a, b, a, a, null, b, b, a];
            var counter = 0UL;
            int[][] ids = [.. adapters.Select((_, i) => TestModels.Sequence(model.Config, 4, ref counter, 3 + 7 * i % 13))];
            ids[4] = ids[1];                                              // the same text: with the same adapter, among the others
            ids[5] = ids[2];                                              // and with another one
            var together = Logits(model, [.. ids.Zip(adapters)]);
            for (var i = 0; i < ids.Length; i++)
            {
                Assert.Equal(together[i], Logits(model, [(ids[i], adapters[i])])[0]);
                Assert.Equal(together[i], Logits(model, [(ids[i], adapters[i])], first: 2)[0]);
            }
            Assert.Equal(together[1], together[4]);
            Assert.NotEqual(together[2], together[5]);
            Assert.Equal(together.Reverse(), Logits(model, [.. ids.Zip(adapters).Reverse()]));
            if (expected.Length > 0) Assert.Equal(expected, together);
            expected = together;
        }
    }

    [Theory, MemberData(nameof(Every))]
    public void A_sequence_with_an_adapter_has_the_bits_of_the_model_with_that_adapter(WeightPrecision precision, bool grouped)
    {
        using var model = Model(precision, grouped);
        using LoraAdapter adapter = Adapter(model.Config, 1), other = Adapter(model.Config, 2);
        using var adapted = model.WithAdapter(Adapter(model.Config, 1));
        var ids = Ids(model.Config, 17);
        var found = Logits(model, [(ids, other), (ids, adapter), (ids, null)]);
        Assert.Equal(Logits(adapted, [(ids, null)])[0], found[1]);
        Assert.Equal(Logits(model, [(ids, null)])[0], found[2]);
        Assert.NotEqual(found[1], found[2]);
        Assert.NotEqual(found[1], found[0]);
    }

    [Theory, MemberData(nameof(Families))]
    public void Each_matrix_is_adapted_as_the_merged_model_has_it(bool grouped)
    {
        using var model = Model(WeightPrecision.F32, grouped);
        var ids = Ids(model.Config, 17);
        var plain = Logits(model, [(ids, null)])[0];
        foreach (var target in LoraLayout.TargetsOf(model.Config))
        {
            using var adapted = model.WithAdapter(Adapter(model.Config, 3, targets: target));
            using var merged = adapted.Merge();
            var expected = Logits(merged, [(ids, null)])[0];
            var found = Logits(model, [(ids, null), (ids, adapted.Adapter)]);
            Assert.Equal(plain, found[0]);
            Assert.Equal(expected, found[1], (x, y) => Math.Abs(x - y) < 1e-4);
            Assert.True(expected.Zip(plain, (x, y) => Math.Abs(x - y)).Max() > 1e-2, $"{target} changes nothing");
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void Over_a_bf16_base_the_bits_are_those_of_the_rounded_base_in_f32_with_the_adapter_unrounded(bool grouped)
    {
        using var model = Model(WeightPrecision.F32, grouped);
        using var reduced = model.Reduce(WeightPrecision.BF16);
        foreach (var parameter in model.Parameters.All.Where(ReducedWeights.Holds))
        {
            var values = model.Parameters.ValuesOf(parameter);
            var bytes = new byte[2 * values.Length];
            TensorCodec.Encode(TensorType.BF16, values, bytes);
            TensorCodec.Decode(TensorType.BF16, bytes, values);
        }
        using var adapter = Adapter(model.Config, 1);
        var ids = Ids(model.Config, 17);
        Assert.Equal(Logits(model, [(ids, null), (ids, adapter)]), Logits(reduced, [(ids, null), (ids, adapter)]));
    }

    [Theory, MemberData(nameof(Every))]
    public void An_adapter_that_is_zero_changes_no_bit(WeightPrecision precision, bool grouped)
    {
        using var model = Model(precision, grouped);
        using var zero = LoraAdapter.Create(model.Config, new LoraConfig { Rank = 4, Alpha = 8, Targets = LoraLayout.TargetsOf(model.Config) }, seed: 5);
        using var other = Adapter(model.Config, 1);
        var ids = Ids(model.Config, 17);
        var expected = Logits(model, [(ids, null)])[0].Select(BitConverter.SingleToInt32Bits);
        Assert.Equal(expected, Logits(model, [(ids, other), (ids, zero)])[1].Select(BitConverter.SingleToInt32Bits));
    }

    [Theory, MemberData(nameof(Every))]
    public void A_model_over_reduced_weights_scores_as_it_generates_and_shares_them(WeightPrecision precision, bool grouped)
    {
        var model = Model(precision, grouped);
        using var adapted = model.WithAdapter(Adapter(model.Config, 1));
        using var judge = model.WithAdapter(Adapter(model.Config with { NumScalars = 2 }, 2));
        Assert.Same(model.Weights, adapted.Weights);
        Assert.Equal((precision, precision), (adapted.Precision, judge.Precision));
        Assert.Equal(model.WeightBytes + sizeof(float) * adapted.Parameters.Count, adapted.WeightBytes);
        model.Dispose();
        model.Dispose();                                                  // twice is once: the others still own the weights
        var ids = Ids(adapted.Config, 18);
        var logits = Logits(adapted, [(ids[..^1], null)])[0];
        double top = logits.Max(), all = top + Math.Log(logits.Sum(x => Math.Exp(x - top)));
        var batch = new TokenBatchBuilder().AddCompletion(ids, 1).Build();
        Assert.Equal(adapted.Forward(batch, new ForwardRequest { LogProb = true }).LogProb[^1], logits[ids[^1]] - all, 1e-4);
        Assert.Equal(2 * batch.ScoredCount, judge.Forward(batch, new ForwardRequest { Scalars = true }).Scalars.Length);
        if (precision != WeightPrecision.F32)
            Assert.Throws<InvalidOperationException>(() => { adapted.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true }); });
    }

    [Theory, MemberData(nameof(Every))]
    public void A_decoded_token_of_a_mixed_step_allocates_nothing(WeightPrecision precision, bool grouped)
    {
        using var pool = new WorkerPool(2);                                // of its own: waiting for another test's job would allocate
        using var model = Model(precision, grouped, pool);
        using LoraAdapter a = Adapter(model.Config, 1), b = Adapter(model.Config, 2);
        LoraAdapter?[] adapters = [null, a, b, a];
        using var cache = new KvCache(model.Config, 4);
        KvSequence[] sequences = [.. adapters.Select((_, i) => Sequence(16, i))];
        var batch = new ExtendBatch();
        var logits = new float[4 * model.Config.VocabSize];
        Assert.Equal(0, Enumerable.Range(0, 6).Min(_ => Decode()));        // in one round at least: the runtime compiles a method again once in a while

        long Decode()
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var step = 0; step < 5; step++)
            {
                batch.Clear();
                for (var i = 0; i < sequences.Length; i++)
                {
                    if (step == 0) sequences[i].SetLength(0);
                    batch.Add(sequences[i], [i + step], 1, adapters[i]);
                }
                model.Extend(cache, batch, logits);
            }
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Fact]
    public void What_does_not_fit_is_refused_and_changes_nothing()
    {
        using var model = Model(WeightPrecision.Int8, grouped: true);
        using var cache = new KvCache(model.Config, 1);
        var sequence = Sequence(16, 0);
        var logits = new float[model.Config.VocabSize];

        using (var narrow = Adapter(Grouped with { HiddenSize = 32, RopeTheta = 500 }, 1))
        {
            var message = Refusal(model, narrow);
            Assert.Contains("hidden_size 32 instead of 64, ", message);
            Assert.Contains("rope_theta 500 instead of 10000", message);
            Assert.Equal(message, Assert.Throws<InvalidDataException>(() => model.WithAdapter(narrow)).Message);
        }
        using (var shorter = Adapter(Grouped with { SlidingWindow = null }, 1)) Assert.Contains("sliding_window none instead of 5", Refusal(model, shorter));
        using (var gpt = Adapter(Gpt, 1)) Assert.Contains("position_encoding \"learned\" instead of \"rotary\"", Refusal(model, gpt));
        using (var own = model.WithAdapter(Adapter(model.Config, 1)))
        using (var second = Adapter(model.Config, 2)) Assert.Contains("the model is adapted itself", Refusal(own, second));
        using (var judge = Adapter(model.Config with { NumScalars = 1 }, 1)) Assert.Contains("scores, not text", Refusal(model, judge));

        var gone = Adapter(model.Config, 1);
        gone.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Extend(model, gone));
        Assert.Equal(0, sequence.Length);

        // Dropout and initial values are no part of the shape.
        using (var trained = Adapter(model.Config with { ResidDropout = 0.1f, InitializerRange = 0.5f }, 1)) Extend(model, trained);
        Assert.Equal(1, sequence.Length);

        string Refusal(Decoder decoder, LoraAdapter adapter) => Assert.Throws<ArgumentException>(() => Extend(decoder, adapter)).Message;
        void Extend(Decoder decoder, LoraAdapter adapter)
        {
            var batch = new ExtendBatch();
            batch.Add(sequence, [1], 1, adapter);
            decoder.Extend(cache, batch, logits);
        }
    }

    [Fact]
    public void A_language_adapter_over_a_reduced_reward_model_without_a_vocabulary_projection_is_refused()
    {
        using var model = TestModels.Shaken(Grouped with { NumScalars = 1 });
        using var reduced = model.Reduce(WeightPrecision.Int8);
        using var adapter = Adapter(Grouped, 1);
        Assert.Contains("no vocabulary projection", Assert.Throws<InvalidDataException>(() => reduced.WithAdapter(adapter)).Message);
    }

    private static Decoder Model(WeightPrecision precision, bool grouped, WorkerPool? pool = null)
    {
        var model = TestModels.Shaken(grouped ? Grouped : Gpt, pool: pool);
        if (precision == WeightPrecision.F32) return model;
        using (model) return model.Reduce(precision);
    }

    private static LoraAdapter Adapter(ModelConfig config, ulong seed, int rank = 3, params LoraTarget[] targets)
    {
        var adapter = LoraAdapter.Create(config, new LoraConfig { Rank = rank, Alpha = 4, Targets = targets.Length > 0 ? targets : LoraLayout.TargetsOf(config) }, seed);
        var values = adapter.Parameters.Values;
        for (var i = 0; i < values.Length; i++) values[i] += 0.1f * CounterRandom.Normal(seed + 50, (ulong)i);
        return adapter;
    }

    private static int[] Ids(ModelConfig config, int count)
    {
        var counter = 0UL;
        return TestModels.Sequence(config, 3, ref counter, count);
    }

    /// <summary>An empty sequence in the blocks from <paramref name="first"/> on.</summary>
    private static KvSequence Sequence(int tokens, int first)
    {
        var sequence = new KvSequence(tokens);
        for (var i = 0; i < KvCache.BlocksOf(tokens); i++) sequence.Append(first + i);
        return sequence;
    }

    /// <summary>Next-token logits of each sequence after two steps: its ids but the last, or the <paramref name="first"/> ones; then the rest.</summary>
    private static float[][] Logits(Decoder model, (int[] Ids, LoraAdapter? Adapter)[] texts, int? first = null)
    {
        var (v, blocks) = (model.Config.VocabSize, KvCache.BlocksOf(model.Config.MaxPositionEmbeddings));
        using var cache = new KvCache(model.Config, texts.Length * blocks);
        KvSequence[] sequences = [.. texts.Select((_, i) => Sequence(model.Config.MaxPositionEmbeddings, i * blocks))];
        var logits = new float[texts.Length * v];
        var batch = new ExtendBatch();
        foreach (var rest in (bool[])[false, true])
        {
            batch.Clear();
            for (var i = 0; i < texts.Length; i++)
            {
                var (ids, adapter) = texts[i];
                var cut = first ?? ids.Length - 1;
                batch.Add(sequences[i], rest ? ids[cut..] : ids[..cut], 1, adapter);
            }
            model.Extend(cache, batch, logits);
        }
        return [.. logits.Chunk(v)];
    }
}

using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

public sealed class ReducedDecoderTests : FormatTests
{
    private static readonly WeightPrecision[] Below = [WeightPrecision.BF16, WeightPrecision.Int8, WeightPrecision.Int4];

    public static TheoryData<int> MixedSeeds => TestModels.MixedSeeds;

    /// <summary>Whole blocks everywhere, grouped heads and a window in one of the two.</summary>
    private static readonly ModelConfig Gpt = TestModels.Tiny with { HiddenSize = 64, IntermediateSize = 160, NumAttentionHeads = 4, VocabSize = 75, MaxPositionEmbeddings = 40 };
    private static readonly ModelConfig Grouped = TestModels.TinyLlama with { HiddenSize = 64, IntermediateSize = 96, HeadDim = 16, VocabSize = 75, MaxPositionEmbeddings = 40 };

    public static TheoryData<WeightPrecision, bool> Every => [.. Below.SelectMany(precision => (TheoryDataRow<WeightPrecision, bool>[])[new(precision, false), new(precision, true)])];

    public static TheoryData<WeightPrecision> All => [WeightPrecision.F32, .. Below];

    [Theory, MemberData(nameof(MixedSeeds))]
    public void A_bf16_model_of_every_mix_has_the_bits_of_an_f32_model_with_rounded_weights(int seed)
    {
        var config = TestModels.Mixed(seed) with { MaxPositionEmbeddings = 24 };
        using var model = TestModels.Shaken(config);
        using var reduced = model.Reduce(WeightPrecision.BF16);
        foreach (var parameter in model.Parameters.All.Where(ReducedWeights.Holds))
        {
            var values = model.Parameters.ValuesOf(parameter);
            var bytes = new byte[2 * values.Length];
            TensorCodec.Encode(TensorType.BF16, values, bytes);
            TensorCodec.Decode(TensorType.BF16, bytes, values);
        }
        var counter = 0UL;
        var ids = TestModels.Sequence(config, 3, ref counter, 17);
        Assert.Equal(Logits(model, ids, 9, 1, 7), Logits(reduced, ids, 9, 1, 7));
        Assert.Equal(LogProbs(model, ids), LogProbs(reduced, ids));
    }

    [Theory, MemberData(nameof(Every))]
    public void The_cached_pass_gives_the_log_probabilities_of_the_pass_without_one(WeightPrecision precision, bool grouped)
    {
        using var model = TestModels.Shaken(grouped ? Grouped : Gpt);
        using var reduced = model.Reduce(precision);
        Assert.Equal(precision, reduced.Precision);
        var counter = 0UL;
        var ids = TestModels.Sequence(model.Config, 3, ref counter, 30);
        var logits = Logits(reduced, ids, 11, 1, 1, 17);
        double top = logits.Max(), all = top + Math.Log(logits.Sum(x => Math.Exp(x - top)));
        Assert.Equal(LogProbs(reduced, [.. ids, 5])[^1], logits[5] - all, 1e-4);
    }

    [Theory, MemberData(nameof(Every))]
    public void A_sequence_has_the_same_bits_alone_among_31_others_in_chunks_and_on_any_threads(WeightPrecision precision, bool grouped)
    {
        const int sequences = 32;
        int[] expected = [];
        foreach (var threads in (int[])[1, 2])
        {
            using var pool = new WorkerPool(threads);
            using var model = TestModels.Shaken(grouped ? Grouped : Gpt, pool: pool);
            using var reduced = model.Reduce(precision);
            var v = model.Config.VocabSize;
            var counter = 0UL;
            int[][] prompts = [.. Enumerable.Range(0, sequences).Select(i => TestModels.Sequence(model.Config, 4, ref counter, 3 + i % 13))];
            var together = new float[sequences * v];
            using var cache = new SlotCache(model.Config, sequences, 40);
            int[] slots = [.. Enumerable.Range(0, sequences)];
            int[] starts = [0, .. prompts.Select((prompt, i) => prompts[..(i + 1)].Sum(p => p.Length))];
            reduced.Extend(cache, slots, starts, prompts.SelectMany(prompt => prompt).ToArray(), together);
            reduced.Extend(cache, slots, [.. Enumerable.Range(0, sequences + 1)], slots, together);
            int[] bits = [.. together.Select(BitConverter.SingleToInt32Bits)];
            Assert.Equal(expected.Length == 0 ? bits : expected, bits);
            expected = bits;
            for (var i = 0; i < sequences; i += 6)
            {
                Assert.Equal(together[(i * v)..((i + 1) * v)], Logits(reduced, [.. prompts[i], i], prompts[i].Length, 1));
                Assert.Equal(together[(i * v)..((i + 1) * v)], Logits(reduced, [.. prompts[i], i], 2, prompts[i].Length - 1));
            }
        }
    }

    [Theory, MemberData(nameof(All))]
    public void A_decoded_token_allocates_nothing(WeightPrecision precision)
    {
        foreach (var config in (ModelConfig[])[Gpt, Grouped])
        {
            using var pool = new WorkerPool(2);                                // of its own: waiting for another test's job would allocate
            using var model = TestModels.Shaken(config, pool: pool);
            using var reduced = precision == WeightPrecision.F32 ? null : model.Reduce(precision);
            var decoder = reduced ?? model;
            using var cache = new SlotCache(config, 3, 40);
            var logits = new float[3 * config.VocabSize];
            decoder.Extend(cache, [0, 1, 2], [0, 4, 5, 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], logits);
            // What a token allocates shows in every round; what the runtime does once in a while (compiling a method again) in one of them.
            Assert.Equal(0, Enumerable.Range(0, 6).Min(_ => Decode()));

            long Decode()
            {
                var before = GC.GetAllocatedBytesForCurrentThread();
                for (var i = 0; i < 5; i++)
                {
                    decoder.Extend(cache, [0, 1, 2], [0, 1, 2, 3], [1, 2, 3], logits);
                    decoder.Extend(cache, [1], [0, 1], [i], logits.AsSpan(0, config.VocabSize));
                    cache.Truncate(1, cache.Length(1) - 1);
                }
                return GC.GetAllocatedBytesForCurrentThread() - before;
            }
        }
    }

    [Fact]
    public void Rows_that_are_no_whole_blocks_are_held_in_bf16_and_the_vocabulary_of_an_int4_model_in_int8()
    {
        var config = Gpt with { IntermediateSize = 70 };                       // down takes 70 inputs, the others 64
        using var model = TestModels.Shaken(config);
        using var reduced = model.Reduce(WeightPrecision.Int4);
        // Rows go in groups of at most 16: 75 of the vocabulary in 80, 70 of up in 80 or 72 with vectors of 8.
        int lanes = ReducedMatrix.Create(WeightPrecision.Int4, 1, 32) is { } one ? (int)(one.Bytes / 18) : 0, halfLanes = ReducedMatrix.Create(WeightPrecision.BF16, 1, 2) is { } half ? (int)(half.Bytes / 4) : 0;
        long Padded(int rows, int group) => (rows + group - 1) / group * group;
        var vocabulary = Padded(75, lanes) * 64 * 34 / 32;
        var block = (Padded(192, lanes) + Padded(64, lanes) + Padded(70, lanes)) * 64 * 18 / 32 + Padded(64, halfLanes) * 70 * 2;
        var vectors = DecoderLayout.Parameters(config).Where(parameter => parameter.Shape.Length == 1).Sum(parameter => parameter.Count) + 40 * 64;
        Assert.Equal(vocabulary + config.NumHiddenLayers * block + 4 * vectors, reduced.WeightBytes);
        var counter = 0UL;
        Assert.All(Logits(reduced, TestModels.Sequence(config, 1, ref counter, 8), 8), logit => Assert.True(float.IsFinite(logit)));
    }

    [Theory]
    [InlineData("llama", WeightPrecision.Int8, TensorType.Q8_0)]
    [InlineData("llama, tied, biases", WeightPrecision.Int8, TensorType.Q8_0)]
    [InlineData("mistral", WeightPrecision.BF16, TensorType.BF16)]
    public void A_file_in_that_precision_is_taken_over_number_by_number(string name, WeightPrecision precision, TensorType type)
    {
        var folder = SaveFolder(Models[name]);
        Convert(folder, At("m.gguf"), ModelFormat.Gguf, type);
        using var fromFolder = ModelFolder.Load(folder, WorkerPool.Shared, precision);
        using var fromFile = ModelFolder.Load(At("m.gguf"), WorkerPool.Shared, precision);
        var counter = 0UL;
        var ids = TestModels.Sequence(Models[name], 2, ref counter, 9);
        Assert.Equal(Logits(fromFolder.Model, ids, 9), Logits(fromFile.Model, ids, 9));
    }

    [Fact]
    public void A_reward_model_scores_in_reduced_precision()
    {
        using var model = TestModels.Shaken(Gpt with { NumScalars = 1 });
        using var reduced = model.Reduce(WeightPrecision.BF16);
        var batch = new TokenBatchBuilder().AddLast([1, 2, 3]).Build();
        var expected = model.Forward(batch, new ForwardRequest { Scalars = true }).Scalars[0];
        Assert.Equal(expected, reduced.Forward(batch, new ForwardRequest { Scalars = true }).Scalars[0], 0.05 * (1 + Math.Abs(expected)));
    }

    [Fact]
    public void An_adapter_is_worked_in()
    {
        using var model = TestModels.Shaken(Gpt);
        using var adapted = model.Adapt(new LoraConfig { Rank = 2, Alpha = 3, Targets = [LoraTarget.CAttn] }, 0, seed: 4);
        for (var i = 0; i < adapted.Parameters.Values.Length; i++) adapted.Parameters.Values[i] = 0.3f * CounterRandom.Normal(5, (ulong)i);
        using var merged = adapted.Merge();
        using Decoder expected = merged.Reduce(WeightPrecision.Int8), reduced = adapted.Reduce(WeightPrecision.Int8);
        Assert.Null(reduced.Adapter);
        Assert.Equal(Logits(expected, [1, 2, 3], 3), Logits(reduced, [1, 2, 3], 3));
    }

    [Fact]
    public void What_needs_all_weights_is_refused()
    {
        using var model = TestModels.Shaken(Gpt);
        using var reduced = model.Reduce(WeightPrecision.Int8);
        var batch = new TokenBatchBuilder().AddCompletion([1, 2, 3], 1).Build();
        Assert.Throws<InvalidOperationException>(() => { reduced.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true }); });
        Assert.Throws<InvalidOperationException>(() => reduced.CloneWithHead(1, 1));
        Assert.Throws<InvalidOperationException>(() => reduced.Reduce(WeightPrecision.Int4));
        Assert.Throws<InvalidOperationException>(() => reduced.Merge());
        Assert.Throws<InvalidOperationException>(() => ModelFolder.Save(At("no"), reduced, Words, new ModelCard { Stage = "sft" }));
    }

    [Theory]
    [InlineData(WeightPrecision.BF16)]
    [InlineData(WeightPrecision.Int8)]
    [InlineData(WeightPrecision.Int4)]
    public void A_diverged_model_is_refused_with_the_place(WeightPrecision precision)
    {
        using (var model = TestModels.Shaken(Gpt2))
        {
            model.Parameters.ValuesOf(model.Parameters["h.1.mlp.c_fc.weight"])[70] = float.NaN;
            ModelFolder.Save(At("model"), model, Words, new ModelCard { Stage = "pretrain" });
        }
        var message = Assert.Throws<InvalidDataException>(() => ModelFolder.Load(At("model"), WorkerPool.Shared, precision)).Message;
        Assert.StartsWith($"{At("model")}: h.1.mlp.c_fc.weight: ", message);
        Assert.Contains("NaN", message);
    }

    [Fact]
    public void Memory_is_asked_for_what_the_precision_takes()
    {
        var config = new ModelConfig { VocabSize = 50257, HiddenSize = 4096, NumHiddenLayers = 32, NumAttentionHeads = 32, MaxPositionEmbeddings = 2048 };
        Assert.Contains("as F32", Assert.Throws<InvalidDataException>(() => MemoryCheck.RequireRoom("m", config, available: 16L << 30)).Message);
        MemoryCheck.RequireRoom("m", config, WeightPrecision.Int8, available: 16L << 30);
        Assert.Contains("as Int8", Assert.Throws<InvalidDataException>(() => MemoryCheck.RequireRoom("m", config, WeightPrecision.Int8, available: 4L << 30)).Message);
    }

    /// <summary>Next-token logits after ids fed in chunks of those sizes.</summary>
    private static float[] Logits(Decoder model, int[] ids, params int[] chunks)
    {
        using var cache = new SlotCache(model.Config, 1, model.Config.MaxPositionEmbeddings);
        var logits = new float[model.Config.VocabSize];
        var at = 0;
        foreach (var chunk in chunks)
        {
            var count = Math.Min(chunk, ids.Length - at);
            model.Extend(cache, [0], [0, count], ids.AsSpan(at, count), logits);
            at += count;
        }
        return logits;
    }

    private static float[] LogProbs(Decoder model, int[] ids) =>
        model.Forward(new TokenBatchBuilder().AddCompletion(ids, 1).Build(), new ForwardRequest { LogProb = true }).LogProb.ToArray();
}

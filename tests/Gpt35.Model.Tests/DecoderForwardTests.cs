using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

public class DecoderForwardTests
{
    private static readonly ForwardRequest LogProbAndEntropy = new() { LogProb = true, Entropy = true };

    public static TheoryData<int> MixedSeeds => TestModels.MixedSeeds;

    [Theory, MemberData(nameof(MixedSeeds))]
    public void Scores_of_every_mix_equal_those_of_the_plain_decoder(int seed)
    {
        using var model = TestModels.Shaken(TestModels.Mixed(seed));
        var batch = TestModels.Batch(model.Config, 5, 7, 1, 12, 3);
        var found = model.Forward(batch, LogProbAndEntropy);
        var expected = new ReferenceDecoder(model).Score(batch);
        for (var i = 0; i < batch.ScoredCount; i++)
        {
            Assert.Equal(expected.LogProb[i], found.LogProb[i], 5e-5);
            Assert.Equal(expected.Entropy[i], found.Entropy[i], 5e-5);
        }
    }

    [Theory]
    [InlineData(1.0, 0.0)]
    [InlineData(0.7, 0.0)]
    [InlineData(1.0, 0.3)]
    public void Scores_equal_those_of_the_plain_decoder_in_double_precision(double temperature, double dropout)
    {
        using var model = TestModels.Shaken(TestModels.Tiny with { ResidDropout = (float)dropout });
        var batch = TestModels.Batch(model.Config, 5, 7, 1, 12, 3);

        var found = model.Forward(batch, LogProbAndEntropy with { Temperature = (float)temperature, DropoutKeys = [77, 8, 9, 77] });
        var expected = new ReferenceDecoder(model).Score(batch, temperature, [77, 8, 9, 77]);

        for (var i = 0; i < batch.ScoredCount; i++)
        {
            Assert.Equal(expected.LogProb[i], found.LogProb[i], 2e-5);
            Assert.Equal(expected.Entropy[i], found.Entropy[i], 2e-5);
        }
    }

    [Fact]
    public void A_scalar_head_reads_the_last_hidden_state()
    {
        using var model = TestModels.Shaken(TestModels.Tiny with { NumScalars = 3 });
        var batch = new TokenBatchBuilder().AddLast([1, 2, 3]).AddLast([4]).AddLast([5, 6, 7, 8, 9]).Build();
        Assert.Equal([2, 3, 8], batch.ScoredRows);

        var found = model.Forward(batch, new ForwardRequest { Scalars = true }).Scalars;
        var expected = new ReferenceDecoder(model).Score(batch).Scalars;
        Assert.Equal(9, found.Length);
        for (var i = 0; i < 9; i++) Assert.Equal(expected[i], found[i], 2e-5);
    }

    public static TheoryData<ModelConfig> Families =>
    [
        TestModels.Tiny with { HiddenSize = 32, VocabSize = 50 },
        TestModels.TinyLlama with { HiddenSize = 48, HeadDim = 16, VocabSize = 50 },
    ];

    [Theory, MemberData(nameof(Families))]
    public void A_batch_without_padding_equals_its_sequences_one_by_one_bit_for_bit(ModelConfig config)
    {
        using var model = TestModels.Shaken(config);
        int[] lengths = [7, 2, 12, 5, 12, 9];
        var together = model.Forward(TestModels.Batch(model.Config, 3, lengths), LogProbAndEntropy).LogProb.ToArray();

        var alone = new List<float>();
        ulong counter = 0;
        foreach (var length in lengths)
        {
            var one = new TokenBatchBuilder().AddCompletion(TestModels.Sequence(model.Config, 3, ref counter, length), 1).Build();
            alone.AddRange(model.Forward(one, LogProbAndEntropy).LogProb);
        }
        Assert.Equal(alone, together);
    }

    [Theory, MemberData(nameof(Families))]
    public void Threads_do_not_change_a_bit(ModelConfig config)
    {
        float[] Run(int threads)
        {
            using var pool = new WorkerPool(threads);
            using var model = TestModels.Shaken(config, pool: pool);
            var batch = TestModels.Batch(config, 8, 12, 11, 3, 12, 12, 6);
            var n = batch.ScoredCount;
            var scores = model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true }).LogProb.ToArray();
            model.Backward(new TokenGradients { LogProb = Enumerable.Repeat(-1f / n, n).ToArray() });
            return [.. scores, .. model.Parameters.Gradients];
        }
        var one = Run(1);
        Assert.Equal(one, Run(2));
        Assert.Equal(one, Run(3));
    }

    [Fact]
    public void A_mask_scores_exactly_the_trained_tokens()
    {
        var batch = new TokenBatchBuilder()
            .Add([10, 11, 12, 13], [true, false, true, true])     // the first token has nothing before it, so it is never scored
            .Add([20, 21, 22], [false, true, false])
            .Build();
        Assert.Equal([1, 2, 4], batch.ScoredRows);
        Assert.Equal([12, 13, 21], batch.Targets);
        Assert.Equal([0, 2, 3], batch.ScoredStarts);
        Assert.Equal([0, 4, 7], batch.SequenceStarts);
    }

    [Fact]
    public void Misuse_is_named()
    {
        using var model = TestModels.Shaken(TestModels.Tiny);
        var request = new ForwardRequest { LogProb = true };
        Assert.Contains("positions", Assert.Throws<ArgumentException>(() => { model.Forward(TestModels.Batch(model.Config, 1, 13), request); }).Message);
        Assert.Contains("vocabulary", Assert.Throws<ArgumentException>(() => { model.Forward(new TokenBatchBuilder().AddCompletion([1, 11], 1).Build(), request); }).Message);
        Assert.Contains("scores no position", Assert.Throws<ArgumentException>(() => { model.Forward(new TokenBatchBuilder().AddCompletion([1], 1).Build(), request); }).Message);
        Assert.Contains("2 dropout keys for 1 sequences", Assert.Throws<ArgumentException>(() =>
            { model.Forward(TestModels.Batch(model.Config, 1, 3), request with { DropoutKeys = [1, 2] }); }).Message);
        Assert.Throws<InvalidOperationException>(() => { model.Forward(TestModels.Batch(model.Config, 1, 3), new ForwardRequest { Scalars = true }); });
        Assert.Throws<InvalidOperationException>(() => model.Backward(default));
    }

    [Fact]
    public void Parameter_counts_are_the_published_ones()
    {
        var gpt2 = new ModelConfig { VocabSize = 50257, HiddenSize = 768, NumHiddenLayers = 12, NumAttentionHeads = 12, MaxPositionEmbeddings = 1024 };
        Assert.Equal(124_439_808, DecoderLayout.Parameters(gpt2).Sum(p => p.Count));
        var xl = gpt2 with { HiddenSize = 1600, NumHiddenLayers = 48, NumAttentionHeads = 25 };
        Assert.Equal(1_557_611_200, DecoderLayout.Parameters(xl).Sum(p => p.Count));
        var llama = TestModels.TinyLlama with { VocabSize = 32_000, HiddenSize = 4096, NumHiddenLayers = 32, NumAttentionHeads = 32, NumKeyValueHeads = 0, HeadDim = 0, IntermediateSize = 11_008 };
        Assert.Equal(6_738_415_616, DecoderLayout.Parameters(llama).Sum(p => p.Count));                                                     // Llama 2 7B
        Assert.Equal(7_241_732_096, DecoderLayout.Parameters(llama with { NumKeyValueHeads = 8, IntermediateSize = 14_336 }).Sum(p => p.Count));     // Mistral 7B
    }
}

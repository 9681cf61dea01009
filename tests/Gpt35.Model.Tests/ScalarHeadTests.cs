using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

/// <summary>Heads that read the token beside the state, and how rewards are read off scalars.</summary>
public class ScalarHeadTests
{
    private static readonly ModelConfig Actions = TestModels.Tiny with { NumScalars = 1, ScalarHead = ScalarHead.Action };

    [Fact]
    public void A_head_that_reads_tokens_starts_as_the_logit_of_the_token()
    {
        using var language = TestModels.Shaken(TestModels.Tiny);
        using var reward = language.CloneWithHead(1, seed: 4, ScalarHead.Action);
        int[] ids = [1, 2, 3, 4, 5, 6];
        var batch = new TokenBatchBuilder().AddCompletion(ids, 2).Build();
        var scalars = reward.Forward(batch, new ForwardRequest { Scalars = true }).Scalars.ToArray();
        // Two targets at one position: their log-probabilities differ by their logits.
        for (var i = 0; i < 4; i++)
        {
            int[] other = [.. ids[..(2 + i)], 7];
            var one = new TokenBatchBuilder().AddCompletion(ids.AsSpan(0, 3 + i), 2 + i).AddCompletion(other, 2 + i).Build();
            var logProb = language.Forward(one, new ForwardRequest { LogProb = true }).LogProb.ToArray();
            var scalar = reward.Forward(one, new ForwardRequest { Scalars = true }).Scalars.ToArray();
            Assert.Equal(scalars[i], scalar[0], 1e-5);
            Assert.Equal(DecoderLayout.InitialActionScore * (logProb[0] - logProb[1]), scalar[0] - scalar[1], 1e-4);
        }
    }

    [Fact]
    public void Scalars_follow_from_state_and_token_by_hand()
    {
        // One block that adds nothing, no positions: h is the norm of the embedding, (1, −1) for (3, 1) and (−1, 1) for (0, 2).
        var config = new ModelConfig { VocabSize = 3, HiddenSize = 2, NumHiddenLayers = 1, NumAttentionHeads = 1, MaxPositionEmbeddings = 4, LayerNormEps = 1e-12f, NumScalars = 1, ScalarHead = ScalarHead.Action };
        using var model = Decoder.Create(config, 1, WorkerPool.Shared);
        foreach (var parameter in model.Parameters.All)
            if (parameter.Name is "wpe.weight" || parameter.Name.Contains("c_proj", StringComparison.Ordinal)) model.Parameters.ValuesOf(parameter).Clear();
        ((ReadOnlySpan<float>)[3, 1, 0, 2, 5, 7]).CopyTo(model.Parameters.ValuesOf(model.Parameters["wte.weight"]));
        ((ReadOnlySpan<float>)[0.25f, 0.5f]).CopyTo(model.Parameters.ValuesOf(model.Parameters["score.weight"]));
        ((ReadOnlySpan<float>)[2, 10]).CopyTo(model.Parameters.ValuesOf(model.Parameters["score.action.weight"]));
        var batch = new TokenBatchBuilder().AddJudged(config, new JudgedSequence([0, 1, 2], 1)).Build();
        var scalars = model.Forward(batch, new ForwardRequest { Scalars = true }).Scalars;
        // 0.25·1 + 0.5·(−1) + 2·1·0 + 10·(−1)·2;  0.25·(−1) + 0.5·1 + 2·(−1)·5 + 10·1·7
        Assert.Equal(-20.25f, scalars[0], 1e-4);
        Assert.Equal(60.25f, scalars[1], 1e-4);
        Assert.Equal(20f, SequenceReward.Rewards(batch, scalars)[0], 1e-4);
    }

    [Fact]
    public void A_reward_is_the_mean_over_the_answer_or_the_last_tokens_scalar()
    {
        JudgedSequence[] sequences = [new([1, 2, 3, 4], 2), new([5, 6], 1)];
        var tokens = Batch(Actions);
        Assert.Equal([1, 2, 4], tokens.ScoredRows);
        Assert.Equal([3, 4, 6], tokens.Targets);
        Assert.Equal([2f, 7f], SequenceReward.Rewards(tokens, [1f, 3f, 7f]));
        var gradient = new float[3];
        SequenceReward.Gradient(tokens, [6f, 5f], gradient);
        Assert.Equal([3f, 3f, 5f], gradient);

        var last = Batch(TestModels.Tiny with { NumScalars = 2 });
        Assert.Equal([3, 5], last.ScoredRows);
        Assert.Equal([1f, 3f], SequenceReward.Rewards(last, [1f, 2f, 3f, 4f]));

        TokenBatch Batch(ModelConfig config) => sequences.Aggregate(new TokenBatchBuilder(), (builder, sequence) => builder.AddJudged(config, sequence)).Build();
    }

    [Fact]
    public void A_value_network_keeps_what_reads_states_and_drops_what_reads_tokens()
    {
        using var reward = TestModels.Shaken(Actions);
        using var value = reward.CloneWithHead(1, seed: 9);
        Assert.Equal((ScalarHead.State, false), (value.Config.ScalarHead, value.Parameters.Contains(DecoderLayout.ActionScore)));
        Assert.Equal(reward.Parameters.Values[..(int)value.Parameters.Count].ToArray(), value.Parameters.Values.ToArray());
    }

    [Fact]
    public void What_cannot_read_tokens_says_so()
    {
        using var reward = TestModels.Shaken(Actions);
        Assert.Contains("f32", Assert.Throws<InvalidDataException>(() => reward.Reduce(WeightPrecision.BF16)).Message);
        Assert.Contains("num_scalars", Assert.Throws<InvalidDataException>(() => (Actions with { NumScalars = 0 }).Validate()).Message);
        using var adapted = reward.Adapt(new LoraConfig { Rank = 2, Alpha = 2, Targets = [LoraTarget.O] }, 1, seed: 3);
        Assert.Equal(ScalarHead.State, adapted.Config.ScalarHead);
        Assert.Contains("last token", Assert.Throws<InvalidDataException>(() => adapted.CloneWithHead(1, 5, ScalarHead.Action)).Message);
        Assert.Throws<ArgumentException>(() => reward.Forward(new TokenBatch { Tokens = [1, 2], SequenceStarts = [0, 2], ScoredRows = [0], Targets = [Actions.VocabSize], ScoredStarts = [0, 1] }, new ForwardRequest { Scalars = true }));
    }
}

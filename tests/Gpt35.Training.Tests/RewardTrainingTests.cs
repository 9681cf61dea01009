using Gpt35.Kernels;

namespace Gpt35.Training.Tests;

public sealed class RewardTrainingTests
{
    /// <summary>Completions that end in token 1 are better than those that end in 2, and those better than 3.</summary>
    private static readonly RankedPrompt[] Data =
    [
        RankedPrompt.Of([[0, 1], [0, 2], [4, 3]], [[1, 2, 3]]),
        RankedPrompt.Of([[0, 0, 3], [4, 1]], [[2, 1]]),
        RankedPrompt.Of([[3, 2], [1, 2], [2, 1], [0, 3]], [[2, 2, 1, 4]]),
    ];

    [Fact]
    public void A_reward_model_learns_the_order_of_the_completions()
    {
        using var model = new BigramModel(5, scalar: true);
        using var optimizer = new Optimizer(model.Parameters, new OptimizerOptions { Lr = 0.1 }, WorkerPool.Shared);
        var before = RewardModeling.Measure(model, Data, 100);
        for (var step = 0; step < 20; step++)
        {
            RewardModeling.Accumulate(model, Data, [0, 1, 2], 100);
            optimizer.Step(0.1);
        }
        var after = RewardModeling.Measure(model, Data, 100);
        Assert.Equal(Math.Log(2), before.Loss, 1e-6);
        Assert.Equal(0, before.Accuracy);
        Assert.Equal(1, after.Accuracy);
        Assert.True(after.Loss < 0.2);
        Assert.Equal(3 + 1 + 5, after.Margins.Length);
    }

    [Fact]
    public void Cutting_a_step_into_micro_batches_keeps_prompts_whole_and_the_gradient_the_same()
    {
        using var one = new BigramModel(5, scalar: true);
        using var three = new BigramModel(5, scalar: true);
        foreach (var model in (BigramModel[])[one, three]) model.Table[5] = 0.5f;
        var whole = RewardModeling.Accumulate(one, Data, [2, 0, 1], microTokens: 1000);
        var parts = RewardModeling.Accumulate(three, Data, [2, 0, 1], microTokens: 1);
        Assert.Equal((1, 3), (one.Forwards, three.Forwards));
        Assert.Equal(whole.Loss, parts.Loss, 1e-6);
        Assert.Equal((whole.Pairs, whole.Correct), (parts.Pairs, parts.Correct));
        Differences.AssertClose([.. one.TableGradient.ToArray().Select(x => (double)x)], three.TableGradient.ToArray(), 1e-6);
    }

    [Fact]
    public void Completions_that_read_the_same_pass_once_and_count_as_often_as_they_came()
    {
        using var merged = new BigramModel(5, scalar: true);
        using var apart = new BigramModel(5, scalar: true);
        int[][] completions = [[0, 1], [0, 2], [0, 1]], ranks = [[1, 3, 1], [1, 2, 1]];
        var once = RankedPrompt.Of(completions, ranks);
        Assert.Equal([0, 1, 0], once.Which);
        var one = RewardModeling.Accumulate(merged, [once], [0], microTokens: 100);
        var other = RewardModeling.Accumulate(apart, [new RankedPrompt(completions, [0, 1, 2], ranks)], [0], microTokens: 100);
        Assert.Equal(other, one);
        Differences.AssertClose([.. apart.TableGradient.ToArray().Select(x => (double)x)], merged.TableGradient.ToArray(), 1e-6);
    }

    [Fact]
    public void Rewards_are_read_at_the_last_token_of_each_sequence()
    {
        using var model = new BigramModel(5, scalar: true);
        for (var token = 0; token < 5; token++) model.Table[token * 5] = token * 10;
        Assert.Equal([30f, 10f, 40f], RewardModeling.Rewards(model, [new([1, 2, 3], 1), new([4, 1], 1), new([4], 0)], microTokens: 3));
    }
}

using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Training.Tests;

/// <summary>Reward models that are read at every token of the answer, from recipe to PPO.</summary>
public sealed class TokenRewardStageTests(TinyRun tiny) : IClassFixture<TinyRun>
{
    [Fact]
    public void A_reward_model_that_reads_tokens_learns_survives_the_file_and_serves_ppo()
    {
        var recipe = tiny.Reward with { Head = RewardHead.Tokens };
        var summary = RewardModeling.Run(recipe, tiny.Context("token-reward"));
        Assert.True(summary.Numbers["heldout_loss_after"] < summary.Numbers["heldout_loss_before"]);
        Assert.True(summary.Numbers["heldout_accuracy_after"] > 0.9);
        using var folder = ModelFolder.Load(tiny.ModelOf("token-reward"), WorkerPool.Shared);
        Assert.Equal((1, ScalarHead.Action), (folder.Model.Config.NumScalars, folder.Model.Config.ScalarHead));

        var ppo = Ppo.Run(tiny.Ppo with { RewardModel = tiny.ModelOf("token-reward") }, tiny.Context("token-ppo"));
        Assert.True(double.IsFinite(ppo.Numbers["score_last"]));
        Assert.True(ppo.Numbers["score_last"] > ppo.Numbers["score_first"]);
    }

    [Fact]
    public void An_adapter_does_not_bring_such_a_head()
    {
        var lora = new LoraOptions { Rank = 2, Alpha = 4 };
        Assert.Contains("lora", Assert.Throws<InvalidDataException>(() => RewardModeling.Run(tiny.Reward with { Head = RewardHead.Tokens, Lora = lora }, tiny.Context("token-lora"))).Message);
        Assert.False(Directory.Exists(tiny.In("token-lora")));
    }
}

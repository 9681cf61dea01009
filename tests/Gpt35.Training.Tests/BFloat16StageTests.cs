using System.Text.Json.Nodes;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Training.Tests;

/// <summary>Stages on the cpu backend with dtype: bf16.</summary>
public sealed class BFloat16StageTests(TinyRun tiny) : IClassFixture<TinyRun>
{
    [Theory]
    [InlineData("pretrain", 3)]
    [InlineData("sft", 2)]
    [InlineData("reward", 5)]
    [InlineData("ppo", 2)]
    public void A_run_interrupted_at_any_step_resumes_to_the_same_weights(string stage, int after)
    {
        var (whole, interrupted) = ($"{stage}-bf16", $"{stage}-bf16-interrupted");
        var recorder = new Recorder();
        Run(stage, tiny.Context(whole, observer: recorder));
        Assert.Single(recorder.Notes, $"dtype: bf16 ({BFloat16Gemm.KernelName}).");
        Assert.Throws<OperationCanceledException>(() => Run(stage, tiny.Context(interrupted, observer: new Recorder(after))));
        Run(stage, tiny.Context(interrupted, resume: true));
        Assert.Equal(tiny.Metrics(whole), tiny.Metrics(interrupted));
        Assert.Equal(Weights(whole), Weights(interrupted));
        Assert.NotEqual(Weights(stage), Weights(whole));
        Assert.Contains("dtype: bf16", File.ReadAllText(Path.Combine(tiny.In(whole), "recipe.yaml")));
    }

    [Fact]
    public void A_run_goes_on_only_in_the_type_it_began_with()
    {
        Assert.Throws<OperationCanceledException>(() => Run("pretrain", tiny.Context("pretrain-other", observer: new Recorder(2))));
        var refused = Assert.Throws<InvalidDataException>(() => tiny.Run("pretrain", tiny.Context("pretrain-other", resume: true)));
        Assert.Contains("dtype", refused.Message);
    }

    [Fact]
    public void The_losses_are_those_of_fp32_within_a_hundredth_of_a_nat()
    {
        var recipe = tiny.Pretrain with { Steps = 60, EvalEvery = 0 };
        var (single, half) = (Pretraining.Run(recipe, tiny.Context("long")), Pretraining.Run(recipe with { Dtype = Dtype.Bf16 }, tiny.Context("long-bf16")));
        Assert.True(single.Numbers["heldout_loss_after"] < 0.5 * single.Numbers["heldout_loss_before"]);
        Assert.NotEqual(single.Numbers["heldout_loss_after"], half.Numbers["heldout_loss_after"]);
        Assert.Equal(single.Numbers["heldout_loss_after"], half.Numbers["heldout_loss_after"], 0.01);
    }

    [Fact]
    public void In_ppo_the_old_log_probabilities_are_the_trainers_own_and_the_sampler_is_fp32()
    {
        Run("ppo", tiny.Context("ppo-bf16-gaps"));
        foreach (var row in tiny.Metrics("ppo-bf16-gaps").Select(line => JsonNode.Parse(line)!))
        {
            Assert.Equal(0, (double)row["first_ratio_gap"]!);
            Assert.InRange((double)row["sampler_gap"]!, 1e-6, 0.05);
        }
    }

    [Fact]
    public void An_unknown_type_is_refused_with_those_there_are()
    {
        File.WriteAllText(tiny.In("wrong.yaml"), "dtype: fp8\n");
        var refused = Assert.Throws<InvalidDataException>(() => RecipeFile.Load<PretrainRecipe>(tiny.In("wrong.yaml"), []));
        Assert.Contains("dtype is \"fp8\"; expected one of fp32, bf16", refused.Message);
    }

    private StageSummary Run(string stage, StageContext context) => stage switch
    {
        "pretrain" => Pretraining.Run(tiny.Pretrain with { Dtype = Dtype.Bf16 }, context),
        "sft" => SupervisedFineTuning.Run(tiny.Sft with { Dtype = Dtype.Bf16 }, context),
        "reward" => RewardModeling.Run(tiny.Reward with { Dtype = Dtype.Bf16 }, context),
        _ => Ppo.Run(tiny.Ppo with { Dtype = Dtype.Bf16 }, context),
    };

    private float[] Weights(string run)
    {
        using var folder = ModelFolder.Load(tiny.ModelOf(run), WorkerPool.Shared);
        return folder.Model.Parameters.Values.ToArray();
    }
}

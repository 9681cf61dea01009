using System.Text.Json.Nodes;

namespace Gpt35.Training.Tests;

/// <summary>Measuring, keeping, averaging and stopping, in the stages themselves.</summary>
public sealed class StageOptionTests(TinyRun tiny) : IClassFixture<TinyRun>
{
    [Theory]
    [InlineData("pretrain", "heldout_loss")]
    [InlineData("sft", "heldout_loss")]
    [InlineData("reward", "heldout_accuracy")]
    [InlineData("ppo", "heldout_score")]
    public void Every_stage_measures_while_it_trains_without_changing_what_it_learns(string stage, string figure)
    {
        var run = $"{stage}-measured";
        Run(stage, run, new Measured(2));
        var rows = tiny.Metrics(run).Select(line => JsonNode.Parse(line)!.AsObject()).ToList();
        Assert.All(rows, row => Assert.Equal((int)row["step"]! % 2 == 0, row.ContainsKey(figure)));
        Assert.Equal(Weights(stage), Weights(run));
    }

    [Fact]
    public void The_best_measured_model_is_kept_and_is_the_final_one_even_after_an_interruption()
    {
        var recipe = tiny.Sft with { Epochs = 12, EvalEvery = 1, KeepBest = true, Keep = 1, Optimizer = tiny.Sft.Optimizer with { Lr = 0.3 }, CheckpointEvery = 3 };
        var recorder = new Recorder();
        var summary = SupervisedFineTuning.Run(recipe, tiny.Context("best", observer: recorder));
        var losses = tiny.Metrics("best").Select(line => (double)JsonNode.Parse(line)!["heldout_loss"]!).ToList();
        var best = losses.IndexOf(losses.Min()) + 1;
        Assert.True(best < losses.Count, "the test needs a run that gets worse at the end");
        Assert.Equal((best, losses.Min(), losses.Min()), ((int)summary.Numbers["best_step"], summary.Numbers["best_heldout_loss"], summary.Numbers["heldout_loss_after"]));
        Assert.Contains(recorder.Notes, note => note.Contains($"that of step {best}"));
        Assert.True(Directory.Exists(Path.Combine(tiny.In("best"), "checkpoints", $"step-{best}")));
        Assert.InRange(Directory.GetDirectories(Path.Combine(tiny.In("best"), "checkpoints")).Length, 1, 2);
        Assert.Equal(File.ReadAllBytes(Path.Combine(tiny.In("best"), "checkpoints", $"step-{best}", "model.safetensors")), Weights("best"));

        Assert.Throws<OperationCanceledException>(() => SupervisedFineTuning.Run(recipe, tiny.Context("best-broken", observer: new Recorder(losses.Count - 1))));
        SupervisedFineTuning.Run(recipe, tiny.Context("best-broken", resume: true));
        Assert.Equal(Weights("best"), Weights("best-broken"));
    }

    [Fact]
    public void A_run_that_no_longer_gets_better_stops_after_its_patience()
    {
        var recipe = tiny.Sft with { Epochs = 30, EvalEvery = 1, EarlyStopping = new EarlyStoppingOptions { Patience = 3 }, Optimizer = tiny.Sft.Optimizer with { Lr = 0.3 } };
        var recorder = new Recorder();
        var summary = SupervisedFineTuning.Run(recipe, tiny.Context("early", observer: recorder));
        Assert.True(summary.Steps < recorder.TotalSteps);
        Assert.Equal(summary.Steps, (int)summary.Numbers["best_step"] + 3);
        Assert.Equal(summary.Steps, tiny.Metrics("early").Count);
        Assert.Contains(recorder.Notes, note => note.Contains("Stopped early"));
    }

    [Fact]
    public void Stopping_and_keeping_need_something_to_go_by()
    {
        Assert.Contains("eval_every", Assert.Throws<InvalidDataException>(() => SupervisedFineTuning.Run(tiny.Sft with { KeepBest = true }, tiny.Context("nothing-1"))).Message);
        var recipe = tiny.Reward with { EvalEvery = 1, EarlyStopping = new EarlyStoppingOptions { Patience = 1 }, Data = tiny.Reward.Data with { HeldoutFraction = 0 } };
        Assert.Contains("held out", Assert.Throws<InvalidDataException>(() => RewardModeling.Run(recipe, tiny.Context("nothing-2"))).Message);
    }

    [Theory]
    [InlineData("pretrain")]
    [InlineData("sft")]
    [InlineData("reward")]
    [InlineData("ppo")]
    public void An_average_is_the_final_model_or_lies_beside_it_and_the_weights_train_as_without(string stage)
    {
        Run(stage, $"{stage}-ema", new Measured(0) { Ema = new EmaOptions { Decay = 0.5 } });
        Run(stage, $"{stage}-ema-beside", new Measured(0) { Ema = new EmaOptions { Decay = 0.5, Use = false } });
        Assert.Equal(Weights(stage), Weights($"{stage}-ema-beside"));
        Assert.NotEqual(Weights(stage), Weights($"{stage}-ema"));
        Assert.Equal(Weights($"{stage}-ema"), File.ReadAllBytes(Path.Combine(tiny.In($"{stage}-ema-beside"), "model-ema", "model.safetensors")));

        // Resumed, the average goes on too.
        Assert.Throws<OperationCanceledException>(() => Run(stage, $"{stage}-ema-broken", new Measured(0) { Ema = new EmaOptions { Decay = 0.5 } }, new Recorder(2)));
        Run(stage, $"{stage}-ema-broken", new Measured(0) { Ema = new EmaOptions { Decay = 0.5 } }, resume: true);
        Assert.Equal(Weights($"{stage}-ema"), Weights($"{stage}-ema-broken"));
    }

    [Theory]
    [InlineData("pretrain")]
    [InlineData("sft")]
    [InlineData("reward")]
    [InlineData("ppo")]
    public void Recomputed_activations_train_to_the_same_weights(string stage)
    {
        Run(stage, $"{stage}-recomputed", new Measured(0) { Recompute = true });
        Assert.Equal(Weights(stage), Weights($"{stage}-recomputed"));
    }

    [Fact]
    public void A_run_without_outliers_is_the_same_with_the_guard_on()
    {
        var summary = Pretraining.Run(tiny.Pretrain with { SkipOutliers = new OutlierOptions { Z = 1000 } }, tiny.Context("guarded"));
        Assert.Equal(0, summary.Numbers["skipped_steps"]);
        Assert.Equal(Weights("pretrain"), Weights("guarded"));
    }

    [Fact]
    public void Two_processes_do_not_work_in_one_run_folder()
    {
        Assert.Throws<OperationCanceledException>(() => tiny.Run("sft", tiny.Context("locked", observer: new Recorder(1))));
        using (new FileStream(Path.Combine(tiny.In("locked"), "run.lock"), FileMode.Create, FileAccess.ReadWrite, FileShare.None))
            Assert.Contains("another process", Assert.Throws<IOException>(() => tiny.Run("sft", tiny.Context("locked", resume: true))).Message);
        tiny.Run("sft", tiny.Context("locked", resume: true));
        Assert.False(File.Exists(Path.Combine(tiny.In("locked"), "run.lock")));
    }

    [Fact]
    public void A_run_killed_before_it_had_a_recipe_starts_from_the_first_step()
    {
        Directory.CreateDirectory(tiny.In("stillborn"));
        File.WriteAllText(Path.Combine(tiny.In("stillborn"), "recipe.yaml.77-1.tmp"), "see");
        tiny.Run("sft", tiny.Context("stillborn", resume: true));
        Assert.Equal(Weights("sft"), Weights("stillborn"));
    }

    [Fact]
    public void The_options_are_read_from_the_recipe()
    {
        var recipe = RecipeFile.Parse<SftRecipe>("""
            init: x
            data: { train: [a.jsonl] }
            batch: { tokens: 100 }
            epochs: 1
            optimizer: { lr: 1e-3 }
            eval_every: 10
            keep: 5
            keep_best: true
            early_stopping: { patience: 3 }
            ema: { decay: 0.992, use: false }
            skip_outliers: { z: 5 }
            """, "r.yaml");
        Assert.Equal((5, true, 3, 0.992, false, 5.0), (recipe.Keep, recipe.KeepBest, recipe.EarlyStopping!.Patience, recipe.Ema!.Decay, recipe.Ema.Use, recipe.SkipOutliers!.Z));
        Assert.Equal(recipe, RecipeFile.Parse<SftRecipe>(RecipeFile.ToYaml(recipe), "r.yaml") with { Data = recipe.Data });
        Assert.Contains("true or false", Assert.Throws<InvalidDataException>(() => RecipeFile.Parse<SftRecipe>("keep_best: yes", "r.yaml")).Message);
    }

    private byte[] Weights(string run) => File.ReadAllBytes(Path.Combine(tiny.ModelOf(run), "model.safetensors"));

    /// <summary>The options of a test, for whichever stage.</summary>
    private sealed record Measured(int Every)
    {
        public EmaOptions? Ema { get; init; }
        public bool Recompute { get; init; }
    }

    /// <summary>With all of Ziegler's −20 % per horizon, β would fall by a fifth of rollout_prompts / kl_horizon in one round.</summary>
    [Theory, InlineData(1, false), InlineData(2, true)]
    public void A_kl_horizon_that_would_turn_the_penalty_into_a_reward_is_refused(int horizon, bool works)
    {
        var run = $"ppo-horizon-{horizon}";
        var recipe = tiny.Ppo with { Iterations = 2, KlTarget = 1e6, KlHorizon = horizon };
        var refused = Record.Exception(() => Ppo.Run(recipe, tiny.Context(run)));
        if (works)
        {
            Assert.Null(refused);
            Assert.All(tiny.Metrics(run), row => Assert.True((double)JsonNode.Parse(row)!["kl_coef"]! > 0, row));
            return;
        }
        Assert.Contains("kl_horizon is 1 and rollout_prompts 8", Assert.IsType<InvalidDataException>(refused).Message);
        Assert.False(Directory.Exists(tiny.In(run)));
    }

    private void Run(string stage, string run, Measured options, Recorder? observer = null, bool resume = false)
    {
        var context = tiny.Context(run, resume, observer);
        switch (stage)
        {
            case "pretrain": Pretraining.Run(tiny.Pretrain with { EvalEvery = options.Every, Ema = options.Ema, ActivationCheckpointing = options.Recompute }, context); break;
            case "sft": SupervisedFineTuning.Run(tiny.Sft with { EvalEvery = options.Every, Ema = options.Ema, ActivationCheckpointing = options.Recompute }, context); break;
            case "reward": RewardModeling.Run(tiny.Reward with { EvalEvery = options.Every, Ema = options.Ema, ActivationCheckpointing = options.Recompute }, context); break;
            default: Ppo.Run(tiny.Ppo with { EvalEvery = options.Every, Ema = options.Ema, ActivationCheckpointing = options.Recompute }, context); break;
        }
    }
}

using Gpt35.Model;

namespace Gpt35.Training.Tests;

public sealed class PlanTests(TinyRun tiny) : IClassFixture<TinyRun>
{
    [Fact]
    public void The_tokens_of_a_plan_are_those_that_the_stage_then_trains_on()
    {
        Assert.Equal(tiny.SftSummary.Tokens, RecipeWorkload.Of(tiny.Sft).Tokens);
        Assert.Equal(tiny.RewardSummary.Tokens, RecipeWorkload.Of(tiny.Reward).Tokens);
        Assert.Equal(8 * 256, RecipeWorkload.Of(tiny.Pretrain).Tokens);
        Assert.InRange(tiny.PretrainSummary.Tokens, 0.7 * 8 * 256, 8 * 256);          // a step is filled as far as whole windows go
        Assert.InRange(tiny.PpoSummary.Tokens, 0.4 * RecipeWorkload.Of(tiny.Ppo).Tokens, 1.1 * RecipeWorkload.Of(tiny.Ppo).Tokens);
    }

    [Fact]
    public void A_recipe_shows_its_stage_by_its_keys()
    {
        Assert.Equal(WorkloadKind.Pretrain, Read("model: {preset: laptop-1m}\ntokenizer: r50k_base\ndata: {train: x.txt}\nbatch: {tokens: 512}\nsteps: 3\noptimizer: {lr: 1e-3}").Kind);
        Assert.Equal(WorkloadKind.Sft, Read("init: gpt2-124m\ndata: {train: x.jsonl}\nbatch: {tokens: 512}\nepochs: 3\noptimizer: {lr: 1e-3}").Kind);
        Assert.Equal(WorkloadKind.Reward, Read("init: gpt2-124m\ndata: {train: x.jsonl}\nprompts_per_step: 4\noptimizer: {lr: 1e-3}").Kind);
        Assert.Equal(WorkloadKind.Ppo, Read("init: gpt2-124m\nreward_model: gpt2-124m\ndata: {train: x.jsonl}\niterations: 2\nmax_tokens: 8\noptimizer: {lr: 1e-3}\nvalue_optimizer: {lr: 1e-3}").Kind);
        Assert.Contains("no recipe of pretrain", Assert.Throws<InvalidDataException>(() => Read("seed: 3")).Message);
    }

    [Fact]
    public void What_is_not_there_yet_is_a_note_and_not_an_error()
    {
        var work = Read("init: gpt2-124m\ndata: {train: nowhere.jsonl}\nbatch: {tokens: 512}\nepochs: 3\noptimizer: {lr: 1e-3}");
        Assert.True(double.IsNaN(work.Tokens));
        Assert.Contains("nowhere.jsonl: not there yet", Assert.Single(work.Notes));
        Assert.Contains("name of a preset", Assert.Throws<DirectoryNotFoundException>(() => Read("init: nowhere\ndata: {train: x}\nbatch: {tokens: 9}\nepochs: 1\noptimizer: {lr: 1}")).Message);
    }

    [Fact]
    public void A_preset_in_a_recipe_gives_its_shape_and_the_tokenizer_its_vocabulary()
    {
        var shape = new ModelShape { Preset = "gpt3-125m", MaxPositionEmbeddings = 256 };
        var config = shape.ToConfig(vocabSize: 300);
        Assert.Equal((300, 768, 12, 256, 3072), (config.VocabSize, config.HiddenSize, config.NumHiddenLayers, config.MaxPositionEmbeddings, config.IntermediateSize));
        Assert.Equal(2, config.SlidingWindowPattern);
        Assert.Contains("model.preset: there is no preset", Assert.Throws<InvalidDataException>(() => new ModelShape { Preset = "gpt5" }.ToConfig(300)).Message);
    }

    [Fact]
    public void Ppo_holds_four_models_and_adapters_over_one_base_hold_its_weights_once()
    {
        var whole = Plan.Of(RecipeWorkload.Of(tiny.Ppo));
        Assert.Equal(["policy", "reference", "value", "reward"], whole.Models.Select(model => model.Role));
        var weights = 4 * whole.Models[0].Parameters;
        Assert.Equal((weights, 0, 2 * weights), (whole.Models[0].Memory.Weights, whole.Models[1].Memory.Gradients, whole.Models[0].Memory.Optimizer));
        Assert.All(whole.Models, model => Assert.True(model.Memory.Weights > 0 && model.Memory.Activations > 0));

        var lora = new LoraConfig { Rank = 2, Alpha = 4, Targets = [LoraTarget.CAttn] };
        var adapted = Plan.Of(whole.Work with { Lora = lora, OneBase = true });
        var adapter = 4L * 2 * (16 + 48);                                             // one layer of D = 16
        Assert.Equal([weights + adapter, 0, adapter + 4 * 16, 0], adapted.Models.Select(model => model.Memory.Weights));
        Assert.Equal([adapter, 0, adapter + 4 * 16, 0], adapted.Models.Select(model => model.Memory.Gradients));
    }

    [Fact]
    public void Operations_of_ppo_count_generation_scoring_and_updates()
    {
        var work = new Workload
        {
            Kind = WorkloadKind.Ppo,
            Model = ModelPreset.Get("laptop-1m").Config,
            Judge = ModelPreset.Get("laptop-1m").Config with { NumScalars = 1 },
            Context = 64,
            MicroTokens = 512,
            Rollouts = new RolloutWork(Count: 10, PromptTokens: 24, CompletionTokens: 40, Epochs: 2, PtxTokens: 100),
        };
        double policy = ComputeCost.ForwardPerToken(work.Model, 64, 40 / 64.0), judge = ComputeCost.ForwardPerToken(work.Judge, 64);
        // Per token: generated once, scored by four models, two epochs of training two networks.
        var expected = 10 * 64 * (policy + 2 * policy + 2 * judge + 2 * 3 * (policy + judge)) + 100 * 3 * ComputeCost.ForwardPerToken(work.Model, 64);
        Assert.Equal(1, Plan.Of(work).TotalFlops / expected, 1e-12);
    }

    [Fact]
    public void Advice_names_changes_with_the_memory_they_would_take()
    {
        var plan = Plan.Of(new Workload { Kind = WorkloadKind.Sft, Model = ModelPreset.Get("gpt3-1.3b").Config, Context = 2048, MicroTokens = 8192 });
        var available = 14L << 30;
        Assert.True(plan.TotalMemory > available);
        var advice = PlanAdvice.For(plan, available);
        Assert.Equal("batch.micro_tokens: 2048 instead of 8192", advice[0].What);
        Assert.Equal(Plan.Of(plan.Work with { MicroTokens = 2048 }).TotalMemory, advice[0].Bytes);
        Assert.All(advice, suggestion => Assert.InRange(suggestion.Bytes, 1, plan.TotalMemory - 1));
        Assert.Contains(advice, suggestion => suggestion.What.StartsWith("lora: {rank: 8}", StringComparison.Ordinal) && suggestion.Bytes <= available);
        Assert.Contains(advice, suggestion => suggestion.What.Contains("bf16", StringComparison.Ordinal));
    }

    [Fact]
    public void A_plan_that_fits_when_activations_are_computed_again_says_so()
    {
        var plan = Plan.Of(new Workload { Kind = WorkloadKind.Pretrain, Model = ModelPreset.Get("gpt3-125m").Config, Context = 2048, MicroTokens = 2048 });
        var again = Plan.Of(plan.Work with { ActivationCheckpointing = true });
        var available = again.TotalMemory;
        Assert.True(plan.TotalMemory > available);
        Assert.Contains(PlanAdvice.For(plan, available), suggestion => suggestion.What.StartsWith("activation_checkpointing: true", StringComparison.Ordinal) && suggestion.Bytes == available);
        Assert.DoesNotContain(PlanAdvice.For(again, 1), suggestion => suggestion.What.Contains("activation_checkpointing", StringComparison.Ordinal));
        Assert.Equal(plan.TrainingFlops + ComputeCost.RecomputedPerToken(plan.Work.Model, 2048), again.TrainingFlops, 1e-6);
    }

    [Fact]
    public void A_recipe_with_activation_checkpointing_is_planned_with_it() =>
        Assert.True(Read("model: {preset: laptop-1m}\ntokenizer: r50k_base\ndata: {train: x.txt}\nbatch: {tokens: 512}\nsteps: 3\noptimizer: {lr: 1e-3}\nactivation_checkpointing: true").ActivationCheckpointing);

    [Fact]
    public void On_the_cpu_backend_bf16_takes_the_memory_of_fp32()
    {
        var single = new Workload { Kind = WorkloadKind.Pretrain, Model = ModelPreset.Get("laptop-4m").Config, Context = 256, MicroTokens = 2048 };
        var half = single with { Format = Dtype.Bf16 };
        Assert.Equal(Plan.Of(single).TotalMemory, Plan.Of(half with { KeepsFormat = false }).TotalMemory);
        Assert.NotEqual(Plan.Of(single).TotalMemory, Plan.Of(half).TotalMemory);
    }

    [Fact]
    public void A_smaller_preset_is_the_largest_that_fits()
    {
        var plan = Plan.Of(new Workload { Kind = WorkloadKind.Model, Model = ModelPreset.Get("gpt3-175b").Config, Context = 2048, MicroTokens = 2048, Slots = 1 });
        var preset = PlanAdvice.For(plan, 80L << 30).Single(suggestion => suggestion.What.StartsWith("the preset", StringComparison.Ordinal));
        Assert.Equal("the preset gpt3-2.7b", preset.What);
    }

    private Workload Read(string yaml)
    {
        var path = tiny.In($"{Guid.NewGuid():N}.yaml");
        File.WriteAllText(path, yaml);
        return RecipeWorkload.Read(path, []);
    }
}

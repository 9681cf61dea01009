using Gpt35.Data;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>The four models of PPO and the two optimizers: what is loaded, what is trained, and what a checkpoint keeps.</summary>
internal sealed class PpoModels : IDisposable
{
    private readonly ModelFolder referenceFolder, rewardFolder;
    private readonly PpoRecipe recipe;
    private readonly RunFolder run;

    /// <summary>Loads policy and value network from the checkpoint to go on from, else as copies of the fine-tuned and the reward model.</summary>
    /// <exception cref="InvalidDataException">A model is not of the kind its role needs, or the two do not fit together.</exception>
    public PpoModels(PpoRecipe recipe, RunFolder run)
    {
        var pool = run.Context.Pool;
        this.recipe = recipe;
        this.run = run;
        referenceFolder = StageModels.LoadLanguageModel(recipe.Init, "init", pool);
        // A frozen base is the reference for free, and may carry the reward model too.
        rewardFolder = StageModels.LoadRewardModel(recipe.RewardModel, pool, StageModels.BaseOf(referenceFolder, recipe.Init));
        run.Context.Ranks.RequireSameModel(recipe.Init, Reference);
        run.Context.Ranks.RequireSameModel(recipe.RewardModel, Reward);
        if (Reward.Config.VocabSize != Reference.Config.VocabSize)
            throw new InvalidDataException($"{recipe.RewardModel}: a vocabulary of {Reward.Config.VocabSize} ids; the policy {recipe.Init} has {Reference.Config.VocabSize}. Both must come from one base model.");
        Format = StageModels.FormatOf(referenceFolder, recipe.Init);
        if (StageModels.FormatOf(rewardFolder, recipe.RewardModel) is var judged && !judged.IsSameAs(Format))
            throw new InvalidDataException($"{recipe.RewardModel}: it reads chat format \"{judged.Name}\", and the policy {recipe.Init} writes \"{Format.Name}\"{(judged.Name == Format.Name ? " with another definition" : "")}. Train the reward model from a model of the same format.");
        var checkpoint = run.CheckpointFolder;
        Policy = checkpoint is null ? StageModels.Trainee(Reference, recipe.Init, recipe.Lora, 0, recipe.Seed)
            : ModelFolder.Load(checkpoint, pool, StageModels.BaseOf(referenceFolder, recipe.Init)).Model;
        Value = checkpoint is null ? StageModels.Trainee(Reward, recipe.RewardModel, recipe.Lora, 1, recipe.Seed)
            : ModelFolder.Load(ValueFolder(checkpoint), pool, StageModels.BaseOf(rewardFolder, recipe.RewardModel)).Model;
        (TrainedPolicy, TrainedValue) = (On(Policy, recipe.ActivationCheckpointing, run.Context.Observer.Note), On(Value, recipe.ActivationCheckpointing));
        (ScoringReference, ScoringReward) = (On(Reference), On(Reward));
        PolicyOptimizer = new Optimizer(Policy.Parameters, recipe.Optimizer, pool, run.Context.Ranks, recipe.Ema, recipe.SkipOutliers);
        ValueOptimizer = new Optimizer(Value.Parameters, recipe.ValueOptimizer, pool, run.Context.Ranks, outliers: recipe.SkipOutliers);
        if (checkpoint is null) return;
        Checkpoint.LoadOptimizer(checkpoint, PolicyOptimizer);
        Checkpoint.LoadOptimizer(ValueFolder(checkpoint), ValueOptimizer);
    }

    public Decoder Policy { get; }
    public Decoder Value { get; }
    public Decoder Reference => referenceFolder.Model;
    public Decoder Reward => rewardFolder.Model;

    /// <summary>What computes over the weights of each; the sampler reads the same weights through <see cref="Policy"/>.</summary>
    public ITrainableModel TrainedPolicy { get; }
    public ITrainableModel TrainedValue { get; }
    public ITrainableModel ScoringReference { get; }
    public ITrainableModel ScoringReward { get; }

    /// <summary>What the reward model's scores are shifted by.</summary>
    public double RewardBias => rewardFolder.Card.RewardBias;
    public Tokenizer Tokenizer => referenceFolder.Tokenizer;
    public ChatFormat Format { get; }
    public Optimizer PolicyOptimizer { get; }
    public Optimizer ValueOptimizer { get; }

    /// <summary>Longest sequence that every model can read.</summary>
    public int Context => Math.Min(Reference.Config.MaxPositionEmbeddings, Reward.Config.MaxPositionEmbeddings);

    /// <summary>Writes policy and value network with their optimizers; see <see cref="Checkpoint.SaveModel"/>.</summary>
    public void SaveCheckpoint(string? folder)
    {
        Checkpoint.SaveModel(folder, Policy, Tokenizer, Card, PolicyOptimizer);
        Checkpoint.SaveModel(folder is null ? null : ValueFolder(folder), Value, Tokenizer, Card with { Stage = "value" }, ValueOptimizer);
    }

    public void SavePolicy() => run.SaveModel(Policy, Tokenizer, () => Card, PolicyOptimizer, recipe);

    /// <summary>Takes the policy back to a checkpoint.</summary>
    public void LoadPolicy(string folder) => Checkpoint.LoadModel(folder, Policy, PolicyOptimizer, run.Context.Pool);

    public void Dispose()
    {
        foreach (var model in (ReadOnlySpan<ITrainableModel>)[TrainedPolicy, TrainedValue, ScoringReference, ScoringReward]) model.Dispose();
        PolicyOptimizer.Dispose();
        ValueOptimizer.Dispose();
        Policy.Dispose();
        Value.Dispose();
        referenceFolder.Dispose();
        rewardFolder.Dispose();
    }

    private ITrainableModel On(Decoder model, bool checkpointing = false, Action<string>? note = null) =>
        StageModels.On(recipe.Backend, recipe.Dtype, model, run.Context.Pool, checkpointing, note);

    private ModelCard Card => StageModels.CardOf("ppo", Format, [recipe.Init, recipe.RewardModel], run);

    private static string ValueFolder(string checkpoint) => Path.Combine(checkpoint, "value");
}

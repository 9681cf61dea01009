using System.ComponentModel.DataAnnotations;

namespace Gpt35.Training;

/// <summary>Where a stage's records come from. Paths are relative to the working directory.</summary>
public sealed record DataOptions
{
    /// <summary>Files to train on; one that ends in .yaml describes a mixture of files (<see cref="MixRecipe"/>).</summary>
    public required IReadOnlyList<string> Train { get; init; }

    /// <summary>Files to measure on, never trained on. With none, <see cref="HeldoutFraction"/> applies.</summary>
    public IReadOnlyList<string> Heldout { get; init; } = [];

    /// <summary>Share of the training records (documents, conversations, prompts) to hold out, chosen by a hash of their content.</summary>
    [Range(0.0, 0.9)]
    public double HeldoutFraction { get; init; }
}

/// <summary>How the shuffled examples of an epoch are put together into steps. There is no padding, so a mixture of lengths costs nothing; what length can do is leave a step half empty.</summary>
public enum BatchFill
{
    /// <summary>In their random order; the first one that does not fit begins the next step.</summary>
    InOrder,
    /// <summary>Each into the fullest of some open steps that has room for it, and in a step likewise into micro-batches: fewer, fuller steps where examples are long beside the budget.</summary>
    BestFit,
}

/// <summary>How much goes into an optimizer step and into one pass through the model.</summary>
public sealed record BatchOptions
{
    /// <summary>Tokens of one optimizer step, prompts included.</summary>
    [Range(1, int.MaxValue)]
    public required int Tokens { get; init; }

    /// <summary>Tokens of one pass through the model. Changes memory and speed, and the result by rounding only.</summary>
    [Range(1, int.MaxValue)]
    public int MicroTokens { get; init; } = 8192;

    /// <summary>How examples are put together into steps.</summary>
    public BatchFill Fill { get; init; } = BatchFill.InOrder;
}

/// <summary>AdamW and its learning-rate schedule. Defaults: GPT-3 (Brown et al. 2020, appendix B) unless noted.</summary>
public sealed record OptimizerOptions
{
    /// <summary>Peak learning rate.</summary>
    [Range(0.0, 10.0)]
    public required double Lr { get; init; }

    /// <summary>Steps over which the learning rate rises from 0 to its peak.</summary>
    [Range(0, int.MaxValue)]
    public int WarmupSteps { get; init; }

    /// <summary>How it falls afterwards.</summary>
    public ScheduleShape Schedule { get; init; } = ScheduleShape.Cosine;

    /// <summary>Floor of the schedule as a share of the peak.</summary>
    [Range(0.0, 1.0)]
    public double MinLrRatio { get; init; } = 0.1;

    /// <summary>Decay of the first moment.</summary>
    [Range(0.0, 0.999999)]
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment.</summary>
    [Range(0.0, 0.999999)]
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Added to the root of the second moment. Public PPO code uses 1e-5: with less, the first steps are too bold.</summary>
    [Range(1e-12, 1.0)]
    public double Eps { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay on matrices; GPT-3 pre-trains with 0.1, the later stages usually go without.</summary>
    [Range(0.0, 10.0)]
    public double WeightDecay { get; init; }

    /// <summary>Largest global norm of a gradient; 0 turns clipping off.</summary>
    [Range(0.0, 1e9)]
    public double Clip { get; init; } = 1;
}

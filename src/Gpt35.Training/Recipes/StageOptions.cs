using System.ComponentModel.DataAnnotations;

namespace Gpt35.Training;

/// <summary>An exponential moving average of the weights. InstructGPT's PPO: 0.992 (Ouyang et al. 2022, appendix C.4).</summary>
public sealed record EmaOptions
{
    /// <summary>d of ā ← d·ā + (1 − d)·w, once per optimizer step.</summary>
    [Range(0.0, 0.9999999)]
    public required double Decay { get; init; }

    /// <summary>Measure with the average while training and make it the final model; else it is written beside it, as model-ema.</summary>
    public bool Use { get; init; } = true;
}

/// <summary>Optimizer steps left out because their loss or gradient norm lies far above those before. Defaults: OLMo 2 (arXiv 2501.00656).</summary>
public sealed record OutlierOptions
{
    /// <summary>Standard deviations above the mean from which on a step is an outlier.</summary>
    [Range(0.1, 1e6)]
    public double Z { get; init; } = 6;

    /// <summary>Steps that mean and deviation are taken over; nothing is skipped before half of them are there.</summary>
    [Range(4, 1_000_000)]
    public int Window { get; init; } = 128;
}

/// <summary>The end of a run that no longer gets better.</summary>
public sealed record EarlyStoppingOptions
{
    /// <summary>Evaluations in a row without a gain, after which the run ends.</summary>
    [Range(1, int.MaxValue)]
    public required int Patience { get; init; }

    /// <summary>What counts as a gain, in the unit of the held-out figure.</summary>
    [Range(0.0, 1e6)]
    public double MinGain { get; init; }
}

/// <summary>What every stage offers besides its algorithm: measuring, saving and guarding while it trains. A step is an optimizer step; in PPO, a round.</summary>
public abstract record StageOptions
{
    /// <summary>Measure on the held-out records every so many steps besides before and after; 0 does not.</summary>
    [Range(0, int.MaxValue)]
    public int EvalEvery { get; init; }

    /// <summary>Save the state every so many steps; 0 saves only when interrupted.</summary>
    [Range(0, int.MaxValue)]
    public int CheckpointEvery { get; init; }

    /// <summary>Newest checkpoints to keep. With two, a damaged one has another behind it.</summary>
    [Range(1, int.MaxValue)]
    public int Keep { get; init; } = 2;

    /// <summary>Save and keep the checkpoint with the best held-out figure too, and make it the final model; needs eval_every.</summary>
    public bool KeepBest { get; init; }

    /// <summary>Stop when the held-out figure no longer gets better; needs eval_every. Never, when left out.</summary>
    public EarlyStoppingOptions? EarlyStopping { get; init; }

    /// <summary>Average the weights; not when left out.</summary>
    public EmaOptions? Ema { get; init; }

    /// <summary>Skip outlier steps; none when left out.</summary>
    public OutlierOptions? SkipOutliers { get; init; }

    /// <summary>Compute each block's activations again in the backward pass instead of keeping them: less memory, a quarter more time, the same bits.</summary>
    public bool ActivationCheckpointing { get; init; }

    /// <exception cref="InvalidDataException">Options that need measurements, and none are asked for.</exception>
    internal void RequireConsistent(int heldout)
    {
        if (!KeepBest && EarlyStopping is null) return;
        var asked = KeepBest ? "keep_best" : "early_stopping";
        if (EvalEvery == 0) throw new InvalidDataException($"The recipe has {asked} and eval_every: 0, so there is nothing to go by. Set eval_every to the number of steps between measurements.");
        if (heldout == 0) throw new InvalidDataException($"The recipe has {asked} and nothing is held out, so there is nothing to go by. Name files in data.heldout or a share in data.heldout_fraction.");
    }
}

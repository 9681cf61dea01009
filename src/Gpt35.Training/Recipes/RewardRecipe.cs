using System.ComponentModel.DataAnnotations;

namespace Gpt35.Training;

/// <summary>Reward model from rankings. Defaults: InstructGPT (Ouyang et al. 2022, appendix C.2) unless noted.</summary>
public sealed record RewardRecipe
{
    /// <summary>Fixes the initial head and the order of prompts.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Model folder of the fine-tuned model; its vocabulary projection is replaced by a scalar head.</summary>
    public required string Init { get; init; }

    /// <summary>Rankings or preference pairs.</summary>
    public required DataOptions Data { get; init; }

    /// <summary>Demonstrations on which the reward shall average 0; with none the bias stays 0.</summary>
    public IReadOnlyList<string> Demonstrations { get; init; } = [];

    /// <summary>Demonstrations whose language-model loss is added, so that what the model knows is not forgotten for a manner of judging; left out, the ranking loss stands alone.</summary>
    public LanguageModelMixOptions? LmMix { get; init; }

    [Range(0, 64)]
    public int ExtraLayers { get; init; }

    /// <summary>Prompts per optimizer step, each with all its completions.</summary>
    [Range(1, int.MaxValue)]
    public int PromptsPerStep { get; init; } = 64;

    /// <summary>Tokens of one pass through the model; a prompt's completions always travel together.</summary>
    [Range(1, int.MaxValue)]
    public int MicroTokens { get; init; } = 8192;

    /// <summary>Passes over the rankings; more than one overfits quickly.</summary>
    [Range(1, int.MaxValue)]
    public int Epochs { get; init; } = 1;

    public required OptimizerOptions Optimizer { get; init; }

    /// <summary>Measure held-out loss and accuracy every so many steps besides before and after; 0 does not.</summary>
    [Range(0, int.MaxValue)]
    public int EvalEvery { get; init; }

    /// <summary>Save the state every so many steps; 0 saves only when interrupted.</summary>
    [Range(0, int.MaxValue)]
    public int CheckpointEvery { get; init; }
}

/// <summary>A language-model loss beside the ranking loss (Yang et al. 2024, "Regularizing hidden states enables learning generalizable reward model": the term for text generation).</summary>
public sealed record LanguageModelMixOptions
{
    /// <summary>Demonstrations; their answers are trained on.</summary>
    public required IReadOnlyList<string> Train { get; init; }

    /// <summary>Weight of the loss, mean over its tokens.</summary>
    [Range(0.0, 1e6)]
    public double Coef { get; init; } = 1;

    /// <summary>Tokens of demonstrations per optimizer step.</summary>
    [Range(1, int.MaxValue)]
    public int Tokens { get; init; } = 1024;
}

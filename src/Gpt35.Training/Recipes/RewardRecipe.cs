using System.ComponentModel.DataAnnotations;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>Reward model from rankings. Defaults: InstructGPT (Ouyang et al. 2022, appendix C.2) unless noted.</summary>
public sealed record RewardRecipe : StageOptions
{
    /// <summary>Fixes the initial head and the order of prompts.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>What computes: our kernels, or libtorch where that backend has been built (docs/backends.md).</summary>
    public Backend Backend { get; init; }

    /// <summary>What matrices are multiplied in; weights, gradients and optimizer are fp32 in any case (docs/training.md).</summary>
    public Dtype Dtype { get; init; }

    /// <summary>Model folder of the fine-tuned model; its vocabulary projection is replaced by a scalar head.</summary>
    public required string Init { get; init; }

    /// <summary>Rankings or preference pairs.</summary>
    public required DataOptions Data { get; init; }

    /// <summary>Demonstrations on which the reward shall average 0; with none the bias stays 0.</summary>
    public IReadOnlyList<string> Demonstrations { get; init; } = [];

    /// <summary>Where the reward is read: at the last token as InstructGPT does, or at every token of the answer (docs/recipe.md).</summary>
    public RewardHead Head { get; init; }

    /// <summary>Train an adapter and the scalar head over the frozen initial model; the whole model when left out (docs/lora.md).</summary>
    public LoraOptions? Lora { get; init; }

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

    internal bool ReadsTokens => Head == RewardHead.Tokens;
}

/// <summary>Where a reward model reads.</summary>
public enum RewardHead
{
    /// <summary>A scalar from the hidden state of the last token.</summary>
    Last,
    /// <summary>The mean over the answer's tokens of a scalar from the state before the token and the token itself.</summary>
    Tokens,
}

using System.ComponentModel.DataAnnotations;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>Text read again during fine-tuning, so that the model keeps what it knew (Ouyang et al. 2022, appendix C.3: 10 % pre-training data).</summary>
public sealed record TextMixOptions
{
    /// <summary>Text files.</summary>
    public required IReadOnlyList<string> Train { get; init; }

    /// <summary>Tokens of text for each token of the demonstrations.</summary>
    [Range(0.0, 100.0)]
    public double Ratio { get; init; } = 0.1;
}

/// <summary>Supervised fine-tuning on demonstrations, loss on the assistant's turns only. Defaults: InstructGPT (Ouyang et al. 2022, appendix C.1) unless noted.</summary>
public sealed record SftRecipe : StageOptions
{
    /// <summary>Fixes order of examples, dropout and samples.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>What computes: our kernels, or libtorch where that backend has been built (docs/backends.md).</summary>
    public Backend Backend { get; init; }

    /// <summary>What matrices are multiplied in; weights, gradients and optimizer are fp32 in any case (docs/training.md).</summary>
    public Dtype Dtype { get; init; }

    /// <summary>Model folder to start from.</summary>
    public required string Init { get; init; }

    /// <summary>How conversations become tokens: the name of a format or the path of a YAML file (docs/chat-formats.md). The model folder remembers it.</summary>
    public string ChatFormat { get; init; } = "chatml";

    /// <summary>Demonstrations.</summary>
    public required DataOptions Data { get; init; }

    /// <summary>Text mixed among the demonstrations; none when left out.</summary>
    public TextMixOptions? TextMix { get; init; }

    /// <summary>Train an adapter over the frozen initial model; the whole model when left out (docs/lora.md).</summary>
    public LoraOptions? Lora { get; init; }

    public required BatchOptions Batch { get; init; }

    /// <summary>Passes over the demonstrations. InstructGPT takes 16 and keeps the one the reward model likes best.</summary>
    [Range(1, int.MaxValue)]
    public required int Epochs { get; init; }

    /// <summary>Dropout on embeddings and residual branches while training; the initial model's rate when left out. InstructGPT: 0.2.</summary>
    [Range(0.0, 0.9)]
    public double? ResidDropout { get; init; }

    public required OptimizerOptions Optimizer { get; init; }
}

using System.ComponentModel.DataAnnotations;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>Shape of the decoder to train from nothing (Brown et al. 2020, table 2.1). The vocabulary comes from the tokenizer.</summary>
public sealed record ModelShape
{
    /// <summary>D: width of the residual stream.</summary>
    [Range(1, int.MaxValue)]
    public required int HiddenSize { get; init; }

    /// <summary>L: number of blocks.</summary>
    [Range(1, int.MaxValue)]
    public required int NumHiddenLayers { get; init; }

    /// <summary>H: heads; must divide D.</summary>
    [Range(1, int.MaxValue)]
    public required int NumAttentionHeads { get; init; }

    /// <summary>Longest sequence, the context.</summary>
    [Range(2, int.MaxValue)]
    public required int MaxPositionEmbeddings { get; init; }

    /// <summary>F: width of the feed-forward layer; 4·D when left out.</summary>
    [Range(1, int.MaxValue)]
    public int? IntermediateSize { get; init; }

    /// <summary>Dropout on embeddings and residual branches while training; GPT-3 pre-trains without.</summary>
    [Range(0.0, 0.9)]
    public double ResidDropout { get; init; }

    /// <summary>σ of the initial weights; 0.55/√D when left out, which is GPT-2's 0.02 at its width of 768.</summary>
    [Range(1e-6, 1.0)]
    public double? InitializerRange { get; init; }

    internal ModelConfig ToConfig(int vocabSize) => new()
    {
        VocabSize = vocabSize,
        HiddenSize = HiddenSize,
        NumHiddenLayers = NumHiddenLayers,
        NumAttentionHeads = NumAttentionHeads,
        MaxPositionEmbeddings = MaxPositionEmbeddings,
        IntermediateSize = IntermediateSize ?? 4 * HiddenSize,
        ResidDropout = (float)ResidDropout,
        InitializerRange = (float)(InitializerRange ?? 0.55 / Math.Sqrt(HiddenSize)),
    };
}

/// <summary>Fill-in-the-middle (Bavarian et al. 2022). The tokenizer needs &lt;|fim_prefix|&gt;, &lt;|fim_middle|&gt; and &lt;|fim_suffix|&gt;.</summary>
public sealed record FimOptions
{
    /// <summary>Share of the documents; their section 4.2: 0.5 costs nothing left to right, 0.9 hardly anything.</summary>
    [Range(0.0, 1.0)]
    public double Rate { get; init; } = 0.5;

    /// <summary>Share of those in the order suffix, prefix, middle; both orders together are best (their section 4.3).</summary>
    [Range(0.0, 1.0)]
    public double SpmRate { get; init; } = 0.5;
}

/// <summary>Pre-training: next-token prediction on text, from random weights.</summary>
public sealed record PretrainRecipe : StageOptions
{
    /// <summary>Fixes initial weights, order of documents, dropout and samples.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>A tokenizer.json or the folder that holds one.</summary>
    public required string Tokenizer { get; init; }

    public required ModelShape Model { get; init; }

    /// <summary>Text files.</summary>
    public required DataOptions Data { get; init; }

    /// <summary>Held-out tokens to measure on, from the start of the held-out documents; 0 measures on all of them.</summary>
    [Range(0, int.MaxValue)]
    public int HeldoutTokens { get; init; }

    /// <summary>Documents rearranged so that the model learns to fill gaps; none when left out.</summary>
    public FimOptions? Fim { get; init; }

    public required BatchOptions Batch { get; init; }

    /// <summary>Optimizer steps; the text is read again, in another order, when it ends before.</summary>
    [Range(1, int.MaxValue)]
    public required int Steps { get; init; }

    public required OptimizerOptions Optimizer { get; init; }
}

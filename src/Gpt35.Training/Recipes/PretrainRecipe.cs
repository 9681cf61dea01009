using System.ComponentModel.DataAnnotations;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>
/// Shape of the decoder to train from nothing; what is left out is as in GPT-3 (Brown et al. 2020, table 2.1). The vocabulary comes from the
/// tokenizer. docs/model-families.md shows the keys of each family.
/// </summary>
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

    /// <summary>G: key/value heads, each shared by H / G query heads; H when left out.</summary>
    [Range(1, int.MaxValue)]
    public int? NumKeyValueHeads { get; init; }

    /// <summary>K: width of one head; D / H when left out.</summary>
    [Range(1, int.MaxValue)]
    public int? HeadDim { get; init; }

    /// <summary>A learned vector per position, or rotary positions.</summary>
    public PositionEncoding PositionEncoding { get; init; } = PositionEncoding.Learned;

    /// <summary>θ of rotary positions.</summary>
    [Range(1.000001, 1e12)]
    public double RopeTheta { get; init; } = 10_000;

    /// <summary>How rotary positions are stretched; not at all when left out.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>LayerNorm or RMSNorm.</summary>
    public Normalization Normalization { get; init; } = Normalization.LayerNorm;

    /// <summary>ε of every norm.</summary>
    [Range(1e-12, 1.0)]
    public double LayerNormEps { get; init; } = 1e-5;

    /// <summary>Nonlinearity of the feed-forward layer.</summary>
    public Activation HiddenAct { get; init; } = Activation.GeluTanh;

    /// <summary>Whether the feed-forward layer is gated (SwiGLU with silu).</summary>
    public bool GatedMlp { get; init; }

    /// <summary>Whether the projections of attention have biases.</summary>
    public bool AttentionBias { get; init; } = true;

    /// <summary>Whether the projections of the feed-forward layer have biases.</summary>
    public bool MlpBias { get; init; } = true;

    /// <summary>Whether the vocabulary projection is the token embedding.</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>Tokens that a token sees, itself included; all before it when left out.</summary>
    [Range(1, int.MaxValue)]
    public int? SlidingWindow { get; init; }

    /// <summary>p: every p-th layer attends in full, the others through the window (GPT-3: 2); 0: every layer has the window.</summary>
    [Range(0, int.MaxValue)]
    public int SlidingWindowPattern { get; init; }

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
        NumKeyValueHeads = NumKeyValueHeads ?? 0,
        HeadDim = HeadDim ?? 0,
        PositionEncoding = PositionEncoding,
        RopeTheta = RopeTheta,
        RopeScaling = RopeScaling,
        Normalization = Normalization,
        LayerNormEps = (float)LayerNormEps,
        HiddenAct = HiddenAct,
        GatedMlp = GatedMlp,
        AttentionBias = AttentionBias,
        MlpBias = MlpBias,
        TieWordEmbeddings = TieWordEmbeddings,
        SlidingWindow = SlidingWindow,
        SlidingWindowPattern = SlidingWindowPattern,
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

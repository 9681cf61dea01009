using System.ComponentModel.DataAnnotations;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>
/// Shape of the decoder to train from nothing: a preset, or its sizes, or a preset with some of its values replaced. Without a preset, what is
/// left out is as in GPT-3 (Brown et al. 2020, table 2.1). The vocabulary comes from the tokenizer. docs/model-families.md shows the keys of
/// each family.
/// </summary>
public sealed record ModelShape
{
    /// <summary>Name of a preset, such as gpt3-125m or laptop-4m ('gpt35 plan' lists them); the keys below replace its values.</summary>
    public string? Preset { get; init; }

    /// <summary>D: width of the residual stream.</summary>
    [Range(1, int.MaxValue), RequiredWithout(nameof(Preset))]
    public int? HiddenSize { get; init; }

    /// <summary>L: number of blocks.</summary>
    [Range(1, int.MaxValue), RequiredWithout(nameof(Preset))]
    public int? NumHiddenLayers { get; init; }

    /// <summary>H: heads; must divide D.</summary>
    [Range(1, int.MaxValue), RequiredWithout(nameof(Preset))]
    public int? NumAttentionHeads { get; init; }

    /// <summary>Longest sequence, the context.</summary>
    [Range(2, int.MaxValue), RequiredWithout(nameof(Preset))]
    public int? MaxPositionEmbeddings { get; init; }

    /// <summary>F: width of the feed-forward layer; 4·D when left out, a preset's share of D with one.</summary>
    [Range(1, int.MaxValue)]
    public int? IntermediateSize { get; init; }

    /// <summary>G: key/value heads, each shared by H / G query heads; H or the preset's when left out.</summary>
    [Range(1, int.MaxValue)]
    public int? NumKeyValueHeads { get; init; }

    /// <summary>K: width of one head; D / H or the preset's when left out.</summary>
    [Range(1, int.MaxValue)]
    public int? HeadDim { get; init; }

    /// <summary>A learned vector per position, or rotary positions.</summary>
    public PositionEncoding? PositionEncoding { get; init; }

    /// <summary>θ of rotary positions.</summary>
    [Range(1.000001, 1e12)]
    public double? RopeTheta { get; init; }

    /// <summary>How rotary positions are stretched; not at all when left out.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>LayerNorm or RMSNorm.</summary>
    public Normalization? Normalization { get; init; }

    /// <summary>ε of every norm.</summary>
    [Range(1e-12, 1.0)]
    public double? LayerNormEps { get; init; }

    /// <summary>Nonlinearity of the feed-forward layer.</summary>
    public Activation? HiddenAct { get; init; }

    /// <summary>Whether the feed-forward layer is gated (SwiGLU with silu).</summary>
    public bool? GatedMlp { get; init; }

    /// <summary>Whether the projections of attention have biases.</summary>
    public bool? AttentionBias { get; init; }

    /// <summary>Whether the projections of the feed-forward layer have biases.</summary>
    public bool? MlpBias { get; init; }

    /// <summary>Whether the vocabulary projection is the token embedding.</summary>
    public bool? TieWordEmbeddings { get; init; }

    /// <summary>Tokens that a token sees, itself included; all before it when left out.</summary>
    [Range(1, int.MaxValue)]
    public int? SlidingWindow { get; init; }

    /// <summary>p: every p-th layer attends in full, the others through the window (GPT-3: 2); 0: every layer has the window.</summary>
    [Range(0, int.MaxValue)]
    public int? SlidingWindowPattern { get; init; }

    /// <summary>Dropout on embeddings and residual branches while training; GPT-3 pre-trains without.</summary>
    [Range(0.0, 0.9)]
    public double ResidDropout { get; init; }

    /// <summary>σ of the initial weights; 0.55/√D when left out, which is GPT-2's 0.02 at its width of 768.</summary>
    [Range(1e-6, 1.0)]
    public double? InitializerRange { get; init; }

    /// <exception cref="InvalidDataException">There is no such preset; or there is none given and a size is missing.</exception>
    internal ModelConfig ToConfig(int vocabSize)
    {
        // Without a preset, the values that a configuration has by itself; its sizes are replaced below.
        var start = Preset is null ? new ModelConfig { VocabSize = vocabSize, HiddenSize = 1, NumHiddenLayers = 1, NumAttentionHeads = 1, MaxPositionEmbeddings = 1 } : Named(Preset).Config;
        var width = Size(HiddenSize, start.HiddenSize, "hidden_size");
        return start with
        {
            VocabSize = vocabSize,
            HiddenSize = width,
            NumHiddenLayers = Size(NumHiddenLayers, start.NumHiddenLayers, "num_hidden_layers"),
            NumAttentionHeads = Size(NumAttentionHeads, start.NumAttentionHeads, "num_attention_heads"),
            MaxPositionEmbeddings = Size(MaxPositionEmbeddings, start.MaxPositionEmbeddings, "max_position_embeddings"),
            IntermediateSize = IntermediateSize ?? (int)((long)start.IntermediateSize * width / start.HiddenSize),
            // 0 leaves both to the other sizes.
            NumKeyValueHeads = NumKeyValueHeads ?? (start.NumKeyValueHeads == start.NumAttentionHeads ? 0 : start.NumKeyValueHeads),
            HeadDim = HeadDim ?? (start.HeadDim == start.HiddenSize / start.NumAttentionHeads ? 0 : start.HeadDim),
            PositionEncoding = PositionEncoding ?? start.PositionEncoding,
            RopeTheta = RopeTheta ?? start.RopeTheta,
            RopeScaling = RopeScaling ?? start.RopeScaling,
            Normalization = Normalization ?? start.Normalization,
            LayerNormEps = (float?)LayerNormEps ?? start.LayerNormEps,
            HiddenAct = HiddenAct ?? start.HiddenAct,
            GatedMlp = GatedMlp ?? start.GatedMlp,
            AttentionBias = AttentionBias ?? start.AttentionBias,
            MlpBias = MlpBias ?? start.MlpBias,
            TieWordEmbeddings = TieWordEmbeddings ?? start.TieWordEmbeddings,
            SlidingWindow = SlidingWindow ?? start.SlidingWindow,
            SlidingWindowPattern = SlidingWindowPattern ?? start.SlidingWindowPattern,
            ResidDropout = (float)ResidDropout,
            InitializerRange = (float)(InitializerRange ?? 0.55 / Math.Sqrt(width)),
        };
    }

    private int Size(int? given, int preset, string key) => given ?? (Preset is not null ? preset
        : throw new InvalidDataException($"the recipe has no model.{key}, which is needed where model.preset is not given."));

    private static ModelPreset Named(string name)
    {
        try
        {
            return ModelPreset.Get(name);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"model.preset: {e.Message}", e);
        }
    }
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

    /// <summary>What computes: our kernels, or libtorch where that backend has been built (docs/backends.md).</summary>
    public Backend Backend { get; init; }

    /// <summary>What matrices are multiplied in; weights, gradients and optimizer are fp32 in any case (docs/training.md).</summary>
    public Dtype Dtype { get; init; }

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

using System.Text.Json.Serialization;

namespace Gpt35.Model;

/// <summary>
/// Shape of a decoder of the GPT-2/GPT-3 family (Brown et al. 2020, section 2.1), of the Llama/Mistral family (Touvron et al. 2023; Jiang et
/// al. 2023) or of any mix. Names are those of Hugging Face's <c>config.json</c>; what is not set is as in GPT-2.
/// </summary>
public sealed record ModelConfig
{
    private readonly int headDim;

    /// <summary>V: number of token ids.</summary>
    public required int VocabSize { get; init; }
    /// <summary>D: width of the residual stream.</summary>
    public required int HiddenSize { get; init; }
    /// <summary>L: number of blocks.</summary>
    public required int NumHiddenLayers { get; init; }
    /// <summary>H: query heads.</summary>
    public required int NumAttentionHeads { get; init; }
    /// <summary>Longest sequence; rows of the position table where positions are learned.</summary>
    public required int MaxPositionEmbeddings { get; init; }
    /// <summary>F: width of the feed-forward layer; 4·D in GPT-3.</summary>
    public int IntermediateSize { get => field == 0 ? 4 * HiddenSize : field; init; }
    /// <summary>G: key/value heads, each shared by H / G query heads (Ainslie et al. 2023); H when not set.</summary>
    public int NumKeyValueHeads { get => field == 0 ? NumAttentionHeads : field; init; }
    /// <summary>K: width of one head; D / H when not set.</summary>
    public int HeadDim { get => headDim == 0 ? HiddenSize / Math.Max(1, NumAttentionHeads) : headDim; init => headDim = value; }

    /// <summary>How the model knows where a token stands.</summary>
    public PositionEncoding PositionEncoding { get; init; } = PositionEncoding.Learned;
    /// <summary>θ of rotary positions: pair i turns by position·θ^(−2i/K). 10,000 in the paper and Llama 2, 500,000 in Llama 3.</summary>
    public double RopeTheta { get; init; } = 10_000;
    /// <summary>How rotary positions reach beyond the length of pre-training; null: not at all.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RopeScaling? RopeScaling { get; init; }
    /// <summary>What normalises the input of each branch and of the head.</summary>
    public Normalization Normalization { get; init; } = Normalization.LayerNorm;
    /// <summary>ε of every norm, LayerNorm or RMSNorm (1e-5: GPT-2's released value, and Llama 2's).</summary>
    public float LayerNormEps { get; init; } = 1e-5f;
    /// <summary>Nonlinearity of the feed-forward layer.</summary>
    public Activation HiddenAct { get; init; } = Activation.GeluTanh;
    /// <summary>Whether the feed-forward layer is act(x·gate)∘(x·up)·down (Shazeer 2020; SwiGLU with <see cref="Activation.Silu"/>) instead of act(x·up)·down.</summary>
    public bool GatedMlp { get; init; }
    /// <summary>Whether the two projections of attention have biases.</summary>
    public bool AttentionBias { get; init; } = true;
    /// <summary>Whether the projections of the feed-forward layer have biases.</summary>
    public bool MlpBias { get; init; } = true;
    /// <summary>Whether the vocabulary projection is the token embedding.</summary>
    public bool TieWordEmbeddings { get; init; } = true;
    /// <summary>w: a token sees itself and the w − 1 before it, in the layers that <see cref="SlidingWindowPattern"/> names; null: everything before it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? SlidingWindow { get; init; }
    /// <summary>
    /// p: every p-th layer (p − 1, 2p − 1, …) attends in full, the others through the window, as Hugging Face counts; 2 alternates banded and
    /// dense layers as GPT-3 does. 0: every layer has the window, as in Mistral.
    /// </summary>
    public int SlidingWindowPattern { get; init; }

    /// <summary>Dropout on the embeddings and on each block's two residual branches, while a forward pass asks for it.</summary>
    public float ResidDropout { get; init; }
    /// <summary>
    /// σ of the initial weights. GPT-2 has 0.02 at D = 768, about 0.55/√D; a narrow model needs that ratio rather than that number, or its
    /// attention starts out uniform and learns to look at single tokens only late.
    /// </summary>
    public float InitializerRange { get; init; } = 0.02f;
    /// <summary>S: outputs of the scalar head that replaces the vocabulary projection (reward, value); 0 = a language model.</summary>
    public int NumScalars { get; init; }
    /// <summary>What the scalar head reads.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ScalarHead ScalarHead { get; init; }

    /// <summary>H·K: width of all queries, and of what attention gives.</summary>
    [JsonIgnore]
    public int QueryWidth => NumAttentionHeads * HeadDim;
    /// <summary>G·K: width of all keys, and of all values.</summary>
    [JsonIgnore]
    public int KeyValueWidth => NumKeyValueHeads * HeadDim;

    /// <summary>The window of a layer; 0 where it attends in full.</summary>
    public int WindowOf(int layer) =>
        SlidingWindow is not { } window || (SlidingWindowPattern > 0 && (layer + 1) % SlidingWindowPattern == 0) ? 0 : window;

    /// <summary>The same shape with what follows from other values written out, so that equal shapes compare equal.</summary>
    public ModelConfig Resolved() => this with { IntermediateSize = IntermediateSize, NumKeyValueHeads = NumKeyValueHeads, HeadDim = HeadDim };

    /// <exception cref="InvalidDataException">A value is out of range or two contradict each other.</exception>
    public void Validate()
    {
        Positive(VocabSize, "vocab_size");
        Positive(HiddenSize, "hidden_size");
        Positive(NumHiddenLayers, "num_hidden_layers");
        Positive(NumAttentionHeads, "num_attention_heads");
        Positive(MaxPositionEmbeddings, "max_position_embeddings");
        Positive(IntermediateSize, "intermediate_size");
        Positive(NumKeyValueHeads, "num_key_value_heads");
        if (headDim == 0 && HiddenSize % NumAttentionHeads != 0)
            throw new InvalidDataException($"hidden_size {HiddenSize} is not a multiple of num_attention_heads {NumAttentionHeads}; every head needs the same width, or head_dim says which.");
        Positive(HeadDim, "head_dim");
        if (NumAttentionHeads % NumKeyValueHeads != 0)
            throw new InvalidDataException($"num_attention_heads {NumAttentionHeads} is not a multiple of num_key_value_heads {NumKeyValueHeads}; every key/value head serves the same number of query heads.");
        if ((NumAttentionHeads + 2L * NumKeyValueHeads) * HeadDim > int.MaxValue || 2L * IntermediateSize > int.MaxValue)
            throw new InvalidDataException($"num_attention_heads {NumAttentionHeads} of head_dim {HeadDim} or intermediate_size {IntermediateSize} make a layer wider than {int.MaxValue}; are the numbers right?");
        if (!(ResidDropout is >= 0 and < 1))
            throw new InvalidDataException($"resid_dropout is {ResidDropout}; expected a rate from 0 to below 1.");
        if (!(LayerNormEps > 0))
            throw new InvalidDataException($"layer_norm_eps is {LayerNormEps}; expected a positive number such as 1e-5.");
        if (!(InitializerRange > 0))
            throw new InvalidDataException($"initializer_range is {InitializerRange}; expected a positive number such as 0.02.");
        if (NumScalars < 0)
            throw new InvalidDataException($"num_scalars is {NumScalars}; expected 0 (a language model) or the number of outputs of the scalar head.");
        if (ScalarHead != ScalarHead.State && NumScalars == 0)
            throw new InvalidDataException("scalar_head is given, but num_scalars is 0; a language model has no scalar head.");
        ValidateWindow();
        ValidateRope();
    }

    private void ValidateWindow()
    {
        if (SlidingWindow is { } window) Positive(window, "sliding_window");
        if (SlidingWindowPattern is < 0 or 1)
            throw new InvalidDataException($"sliding_window_pattern is {SlidingWindowPattern}; expected 0 (the window in every layer) or p from 2 up (every p-th layer attends in full).");
        if (SlidingWindowPattern > 0 && SlidingWindow is null)
            throw new InvalidDataException($"sliding_window_pattern is {SlidingWindowPattern}, but there is no sliding_window; give its width or drop the pattern.");
    }

    private void ValidateRope()
    {
        if (PositionEncoding == PositionEncoding.Learned)
        {
            if (RopeScaling is not null) throw new InvalidDataException("rope_scaling is given, but position_encoding is learned; only rotary positions are scaled.");
            return;
        }
        if (HeadDim % 2 != 0) throw new InvalidDataException($"head_dim is {HeadDim}; rotary positions turn pairs, so expected an even number.");
        if (!(RopeTheta > 1 && double.IsFinite(RopeTheta))) throw new InvalidDataException($"rope_theta is {RopeTheta}; expected a number above 1 such as 10000.");
        RopeScaling?.Validate();
    }

    private static void Positive(int value, string name)
    {
        if (value < 1) throw new InvalidDataException($"{name} is {value}; expected a whole number from 1 up.");
    }
}

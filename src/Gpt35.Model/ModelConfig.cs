namespace Gpt35.Model;

/// <summary>Shape of a GPT-3-style decoder (Brown et al. 2020, section 2.1). Names are those of Hugging Face's <c>config.json</c>.</summary>
public sealed record ModelConfig
{
    /// <summary>V: number of token ids.</summary>
    public required int VocabSize { get; init; }
    /// <summary>D: width of the residual stream.</summary>
    public required int HiddenSize { get; init; }
    /// <summary>L: number of blocks.</summary>
    public required int NumHiddenLayers { get; init; }
    /// <summary>H: heads; K = D / H.</summary>
    public required int NumAttentionHeads { get; init; }
    /// <summary>Longest sequence; rows of the learned position table.</summary>
    public required int MaxPositionEmbeddings { get; init; }
    /// <summary>F: width of the feed-forward layer; 4·D in GPT-3.</summary>
    public int IntermediateSize { get => field == 0 ? 4 * HiddenSize : field; init; }
    /// <summary>ε of every LayerNorm (GPT-2's released value).</summary>
    public float LayerNormEps { get; init; } = 1e-5f;
    /// <summary>Dropout on the embeddings and on each block's two residual branches, while a forward pass asks for it.</summary>
    public float ResidDropout { get; init; }
    /// <summary>
    /// σ of the initial weights. GPT-2 has 0.02 at D = 768, about 0.55/√D; a narrow model needs that ratio rather than that number, or its
    /// attention starts out uniform and learns to look at single tokens only late.
    /// </summary>
    public float InitializerRange { get; init; } = 0.02f;
    /// <summary>S: outputs of the scalar head that replaces the vocabulary projection (reward, value); 0 = a language model.</summary>
    public int NumScalars { get; init; }

    /// <summary>K: width of one head.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public int HeadSize => HiddenSize / NumAttentionHeads;

    /// <exception cref="InvalidDataException">A value is out of range or two contradict each other.</exception>
    public void Validate()
    {
        Positive(VocabSize, "vocab_size");
        Positive(HiddenSize, "hidden_size");
        Positive(NumHiddenLayers, "num_hidden_layers");
        Positive(NumAttentionHeads, "num_attention_heads");
        Positive(MaxPositionEmbeddings, "max_position_embeddings");
        Positive(IntermediateSize, "intermediate_size");
        if (HiddenSize % NumAttentionHeads != 0)
            throw new InvalidDataException($"hidden_size {HiddenSize} is not a multiple of num_attention_heads {NumAttentionHeads}; every head needs the same width.");
        if (!(ResidDropout is >= 0 and < 1))
            throw new InvalidDataException($"resid_dropout is {ResidDropout}; expected a rate from 0 to below 1.");
        if (!(LayerNormEps > 0))
            throw new InvalidDataException($"layer_norm_eps is {LayerNormEps}; expected a positive number such as 1e-5.");
        if (!(InitializerRange > 0))
            throw new InvalidDataException($"initializer_range is {InitializerRange}; expected a positive number such as 0.02.");
        if (NumScalars < 0)
            throw new InvalidDataException($"num_scalars is {NumScalars}; expected 0 (a language model) or the number of outputs of the scalar head.");
    }

    private static void Positive(int value, string name)
    {
        if (value < 1) throw new InvalidDataException($"{name} is {value}; expected a whole number from 1 up.");
    }
}

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
    /// <summary>S: outputs of the scalar head that replaces the vocabulary projection (reward, value); 0 = a language model.</summary>
    public int NumScalars { get; init; }

    /// <summary>K: width of one head.</summary>
    public int HeadSize => HiddenSize / NumAttentionHeads;
}

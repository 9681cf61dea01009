namespace Gpt35.Model;

/// <summary>Open models that grew from the same recipe.</summary>
internal static class OpenPresets
{
    public static IReadOnlyList<ModelPreset> All { get; } =
    [
        new()
        {
            Name = "llama-2-7b",
            Config = Llama(vocabSize: 32000, intermediate: 11008, keyValueHeads: 32, context: 4096),
            Shape = new ShapeSource.Published("Touvron et al. 2023, released configuration"),
            Tokenizer = "SentencePiece, 32,000",
            ChatFormat = "llama-2",
            Training = new PublishedTraining(2e12, 4_000_000, 3e-4),
        },
        new()
        {
            Name = "mistral-7b",
            Config = Llama(vocabSize: 32000, intermediate: 14336, keyValueHeads: 8, context: 32768) with { SlidingWindow = 4096 },
            Shape = new ShapeSource.Published("Jiang et al. 2023, released configuration (v0.1)"),
            Tokenizer = "SentencePiece, 32,000",
        },
    ];

    private static ModelConfig Llama(int vocabSize, int intermediate, int keyValueHeads, int context) => new()
    {
        VocabSize = vocabSize,
        HiddenSize = 4096,
        NumHiddenLayers = 32,
        NumAttentionHeads = 32,
        NumKeyValueHeads = keyValueHeads,
        IntermediateSize = intermediate,
        MaxPositionEmbeddings = context,
        PositionEncoding = PositionEncoding.Rotary,
        Normalization = Normalization.RmsNorm,
        LayerNormEps = 1e-5f,
        HiddenAct = Activation.Silu,
        GatedMlp = true,
        AttentionBias = false,
        MlpBias = false,
        TieWordEmbeddings = false,
    };
}

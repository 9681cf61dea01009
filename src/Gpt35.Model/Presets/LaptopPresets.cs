namespace Gpt35.Model;

/// <summary>Shapes that train in minutes to hours on a processor. The vocabulary is what a tokenizer of that corpus size usually has; a recipe's own tokenizer replaces it.</summary>
internal static class LaptopPresets
{
    public static IReadOnlyList<ModelPreset> All { get; } =
    [
        Size("laptop-1m", 4, 128, 4, context: 256, vocabSize: 2048),
        Size("laptop-4m", 6, 192, 6, context: 512, vocabSize: 4096),
        Size("laptop-14m", 6, 384, 6, context: 512, vocabSize: 8192),
        Size("laptop-34m", 8, 512, 8, context: 1024, vocabSize: 16384),
    ];

    private static ModelPreset Size(string name, int layers, int width, int heads, int context, int vocabSize) => new()
    {
        Name = name,
        Config = new ModelConfig
        {
            VocabSize = vocabSize,
            HiddenSize = width,
            NumHiddenLayers = layers,
            NumAttentionHeads = heads,
            MaxPositionEmbeddings = context,
            InitializerRange = (float)(0.55 / Math.Sqrt(width)),
        },
        Shape = new ShapeSource.Ours(),
    };
}

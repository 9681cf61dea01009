namespace Gpt35.Model;

/// <summary>The four released sizes of GPT-2 (Radford et al. 2019), counted as released: the paper's table 2 has other numbers.</summary>
internal static class Gpt2Presets
{
    public static IReadOnlyList<ModelPreset> All { get; } =
    [
        Size("gpt2-124m", 12, 768, 12),
        Size("gpt2-355m", 24, 1024, 16),
        Size("gpt2-774m", 36, 1280, 20),
        Size("gpt2-1558m", 48, 1600, 25),
    ];

    private static ModelPreset Size(string name, int layers, int width, int heads) => new()
    {
        Name = name,
        Config = new ModelConfig { VocabSize = 50257, HiddenSize = width, NumHiddenLayers = layers, NumAttentionHeads = heads, MaxPositionEmbeddings = 1024 },
        Shape = new ShapeSource.Published("Radford et al. 2019, released weights"),
        Tokenizer = "r50k_base",
    };
}

namespace Gpt35.Model;

/// <summary>The eight sizes of GPT-3 (Brown et al. 2020, table 2.1), each trained on 300 billion tokens.</summary>
/// <remarks>
/// The table contradicts itself twice; table D.1 gives the parameters of each size, which decides.
/// 13B: its d_model of 5140 is not 40 heads of 128; 5120 is, and gives the 12,850 M of table D.1 (5140 would give 12,950 M).
/// 1.3B: its 24 heads of 128 are not its d_model of 2048; 16 heads are, and give the 1,320 M of table D.1 (24 would give 1,520 M).
/// "Alternating dense and locally banded sparse attention" (section 2.1) does not say how wide the band is: 256 is assumed, as GPT-Neo chose;
/// it changes attention only, no parameter.
/// </remarks>
internal static class Gpt3Presets
{
    private const int VocabSize = 50257, Context = 2048, Band = 256;
    private const double Tokens = 300e9;
    private const string BandNote = "width of the attention band assumed";

    //                                              L,     D,  H, batch tokens, learning rate
    public static IReadOnlyList<ModelPreset> All { get; } =
    [
        Size("gpt3-125m", 12, 768, 12, 500_000, 6.0e-4),
        Size("gpt3-350m", 24, 1024, 16, 500_000, 3.0e-4),
        Size("gpt3-760m", 24, 1536, 16, 500_000, 2.5e-4),
        Size("gpt3-1.3b", 24, 2048, 16, 1_000_000, 2.0e-4, "16 heads of 128, where the table prints 24: they make d_model"),
        Size("gpt3-2.7b", 32, 2560, 32, 1_000_000, 1.6e-4),
        Size("gpt3-6.7b", 32, 4096, 32, 2_000_000, 1.2e-4),
        Size("gpt3-13b", 40, 5120, 40, 2_000_000, 1.0e-4, "width 5120 = 40 × 128, where the table prints 5140"),
        Size("gpt3-175b", 96, 12288, 96, 3_200_000, 0.6e-4),
    ];

    /// <summary>GPT-3's decoder of a given depth and width, also for other contexts and vocabularies.</summary>
    public static ModelConfig Decoder(int layers, int width, int heads, int context = Context, int vocabSize = VocabSize) => new()
    {
        VocabSize = vocabSize,
        HiddenSize = width,
        NumHiddenLayers = layers,
        NumAttentionHeads = heads,
        MaxPositionEmbeddings = context,
        SlidingWindow = Band,
        SlidingWindowPattern = 2,
    };

    private static ModelPreset Size(string name, int layers, int width, int heads, int batchTokens, double learningRate, string? note = null) => new()
    {
        Name = name,
        Config = Decoder(layers, width, heads),
        Shape = new ShapeSource.Published("Brown et al. 2020, table 2.1", note is null ? BandNote : $"{note}; {BandNote}"),
        Tokenizer = "r50k_base",
        Training = new PublishedTraining(Tokens, batchTokens, learningRate),
    };
}

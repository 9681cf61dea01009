namespace Gpt35.Model;

/// <summary>
/// The models that OpenAI called GPT-3.5. Their context, tokenizer and features are those of the API; the shapes were never published, so all
/// of them are <see cref="ShapeSource.Assumed"/>.
/// </summary>
internal static class Gpt35Presets
{
    /// <summary>Ids of p50k_base; and of cl100k_base with its special tokens, &lt;|endofprompt|&gt; being the last.</summary>
    private const int P50kBase = 50281, Cl100kBase = 100277;

    private const ApiFeatures Turbo0613 = ApiFeatures.Chat | ApiFeatures.Functions;
    private const ApiFeatures Turbo1106 = Turbo0613 | ApiFeatures.ParallelTools | ApiFeatures.JsonMode | ApiFeatures.Seed;

    public static IReadOnlyList<ModelPreset> All { get; } =
    [
        Davinci("text-davinci-002"),
        Davinci("text-davinci-003"),
        Turbo("gpt-3.5-turbo-0301", 4096, null, ApiFeatures.Chat),
        Turbo("gpt-3.5-turbo-0613", 4096, null, Turbo0613),
        Turbo("gpt-3.5-turbo-16k", 16384, null, Turbo0613),
        Turbo("gpt-3.5-turbo-1106", 16384, 4096, Turbo1106),
        Turbo("gpt-3.5-turbo-0125", 16384, 4096, Turbo1106),
    ];

    private static ModelPreset Davinci(string name) => new()
    {
        Name = name,
        Config = Gpt3Presets.Decoder(96, 12288, 96, context: 4096, vocabSize: P50kBase),
        Shape = new ShapeSource.Assumed("the name and the price are those of GPT-3 175B"),
        Tokenizer = "p50k_base",
        ChatFormat = "instruct",
        Api = new ApiFacts(4097, null, ApiFeatures.Completions | ApiFeatures.Insertion),
    };

    private static ModelPreset Turbo(string name, int context, int? maxOutput, ApiFeatures features) => new()
    {
        Name = name,
        Config = Gpt3Presets.Decoder(40, 5120, 40, context, Cl100kBase),
        Shape = new ShapeSource.Assumed("a tenth of text-davinci-003's price, so about a tenth of its compute: the depth and width of GPT-3 13B"),
        Tokenizer = "cl100k_base",
        ChatFormat = "chatml",
        Api = new ApiFacts(context + 1, maxOutput, features),
    };
}

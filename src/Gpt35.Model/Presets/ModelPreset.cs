namespace Gpt35.Model;

/// <summary>Where the shape of a preset comes from. A shape that nobody published is <see cref="Assumed"/>, so no reader can take it for a fact.</summary>
public abstract record ShapeSource
{
    private ShapeSource() { }

    /// <summary>Published by its makers.</summary>
    /// <param name="Where">Paper and table, or released configuration.</param>
    /// <param name="Note">What was chosen where the source contradicts itself; null: nothing.</param>
    public sealed record Published(string Where, string? Note = null) : ShapeSource;

    /// <summary>Not published; a shape to plan with.</summary>
    /// <param name="Why">What the assumption rests on.</param>
    public sealed record Assumed(string Why) : ShapeSource;

    /// <summary>Ours, for machines without an accelerator.</summary>
    public sealed record Ours : ShapeSource;
}

/// <summary>How a model was pre-trained, where that is published.</summary>
/// <param name="Tokens">Tokens of pre-training.</param>
/// <param name="BatchTokens">Tokens of one optimizer step; 0: not published.</param>
/// <param name="LearningRate">Peak learning rate; 0: not published.</param>
public sealed record PublishedTraining(double Tokens, int BatchTokens = 0, double LearningRate = 0);

/// <summary>What the models of an API could do besides completing text.</summary>
[Flags]
public enum ApiFeatures
{
    None = 0,
    /// <summary><c>/v1/completions</c>.</summary>
    Completions = 1,
    /// <summary><c>/v1/chat/completions</c>.</summary>
    Chat = 2,
    /// <summary><c>suffix</c>: text inserted between a prompt and what follows it.</summary>
    Insertion = 4,
    /// <summary><c>functions</c> and <c>function_call</c>.</summary>
    Functions = 8,
    /// <summary><c>tools</c>, several calls in one answer.</summary>
    ParallelTools = 16,
    /// <summary><c>response_format: json_object</c>.</summary>
    JsonMode = 32,
    /// <summary><c>seed</c> and <c>system_fingerprint</c>.</summary>
    Seed = 64,
}

/// <summary>How an API served a model.</summary>
/// <param name="ContextTokens">Prompt and completion together. One more than the positions: the last token of a completion is never read.</param>
/// <param name="MaxOutputTokens">Longest completion; null: as far as the context reaches.</param>
/// <param name="Features">What it could do.</param>
public sealed record ApiFacts(int ContextTokens, int? MaxOutputTokens, ApiFeatures Features);

/// <summary>A model by name: shape, tokenizer and chat format.</summary>
public sealed record ModelPreset
{
    public required string Name { get; init; }

    public required ModelConfig Config { get; init; }

    public required ShapeSource Shape { get; init; }

    /// <summary>Vocabulary by its name (r50k_base, p50k_base, cl100k_base), or what kind of file it is; null: whatever it is trained with.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Name of the built-in chat format; null for a base model.</summary>
    public string? ChatFormat { get; init; }

    /// <summary>How it was pre-trained; null: not published.</summary>
    public PublishedTraining? Training { get; init; }

    /// <summary>How an API serves it; null: none does.</summary>
    public ApiFacts? Api { get; init; }

    /// <summary>Number of parameters, from the layout alone; nothing is allocated.</summary>
    public long ParameterCount => MemoryUse.CountOf(Config);

    /// <summary>Every preset: GPT-3, GPT-3.5, GPT-2, the open descendants and the small ones.</summary>
    public static IReadOnlyList<ModelPreset> All { get; } = [.. Gpt3Presets.All, .. Gpt35Presets.All, .. Gpt2Presets.All, .. OpenPresets.All, .. LaptopPresets.All];

    /// <summary>The preset of that name, or null.</summary>
    public static ModelPreset? Find(string name) => All.FirstOrDefault(preset => preset.Name == name);

    /// <exception cref="InvalidDataException">There is none of that name; the message lists them.</exception>
    public static ModelPreset Get(string name) =>
        Find(name) ?? throw new InvalidDataException($"there is no preset \"{name}\". The presets are {string.Join(", ", All.Select(preset => preset.Name))}.");
}

using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gpt35.Data.TinyWorld;

/// <summary>How much of everything is written. Defaults: a world that trains in minutes on two cores.</summary>
public sealed record TinyWorldSizes
{
    /// <summary>Documents of pre-training text, about 210 bytes and 57 tokens each.</summary>
    public int Documents { get; init; } = 90_000;

    public int HeldOutDocuments { get; init; } = 400;

    public int Demonstrations { get; init; } = 24_000;

    public int HeldOutDemonstrations { get; init; } = 680;

    /// <summary>Prompts for rankings and PPO.</summary>
    public int FeedbackPrompts { get; init; } = 6_000;

    /// <summary>Different prompts of each kind for evaluation.</summary>
    public int HeldOutPromptsPerKind { get; init; } = 40;

    /// <summary>Different harmful requests, and as many look-alikes, to count refusals of.</summary>
    public int HeldOutRefusalPrompts { get; init; } = 150;
}

/// <summary>The world as JSONL files, and back. Every file is written under a temporary name, flushed to disk and then renamed.</summary>
public static class TinyWorldFiles
{
    public const string Text = "text.jsonl";
    public const string HeldOutText = "text-heldout.jsonl";
    public const string DemonstrationsFile = "demonstrations.jsonl";
    public const string HeldOutDemonstrations = "demonstrations-heldout.jsonl";
    public const string FeedbackPrompts = "prompts-feedback.jsonl";
    public const string HeldOutPrompts = "prompts-heldout.jsonl";
    public const string RefusalPrompts = "prompts-refusal.jsonl";

    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    /// <summary>Writes all seven files into <paramref name="folder"/>, which is made if it is not there.</summary>
    public static void Write(string folder, ulong seed, TinyWorldSizes sizes)
    {
        var world = World.Create(seed);
        Directory.CreateDirectory(folder);
        WriteLines(folder, Text, Corpus.PretrainingDocuments(world, seed).Take(sizes.Documents).Select(text => new { text }));
        WriteLines(folder, HeldOutText, Corpus.HeldOutDocuments(world, seed).Take(sizes.HeldOutDocuments).Select(text => new { text }));
        WriteLines(folder, DemonstrationsFile, TinyWorld.Demonstrations.Create(world, seed, sizes.Demonstrations).Select(Row));
        WriteLines(folder, HeldOutDemonstrations, TinyWorld.Demonstrations.HeldOut(world, seed, sizes.HeldOutDemonstrations).Select(Row));
        WriteLines(folder, FeedbackPrompts, Prompts.Create(world, Fold.Feedback, seed, sizes.FeedbackPrompts).Select(Row));
        WriteLines(folder, HeldOutPrompts, Prompts.HeldOut(world, seed, sizes.HeldOutPromptsPerKind).Select(Row));
        WriteLines(folder, RefusalPrompts, Prompts.HeldOutRefusals(world, seed, sizes.HeldOutRefusalPrompts).Select(Row));
    }

    /// <summary>Reads a file of prompts with their tasks.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A line is not a prompt; the message names file and line.</exception>
    public static IEnumerable<TinyWorldPrompt> ReadPrompts(string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"{path}: there is no such file. Expected prompts as 'gpt35 quickstart' writes them ({FeedbackPrompts}, {HeldOutPrompts}, {RefusalPrompts}).", path);
        return Lines(path);
    }

    private static IEnumerable<TinyWorldPrompt> Lines(string path)
    {
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line)) yield return Parse(line, path, number);
        }
    }

    private static TinyWorldPrompt Parse(string line, string path, int number)
    {
        const string Expected = """Expected {"kind":…,"messages":[{"role":…,"content":…}],"task":{"key":…,"answers":[…]}}; write the file anew or drop the line.""";
        try
        {
            var prompt = JsonSerializer.Deserialize<TinyWorldPrompt>(line, s_json);
            if (prompt is null || prompt.Messages.Count == 0 || prompt.Messages[^1].Role != Role.User)
                throw new InvalidDataException($"{path}:{number}: the last message is not the user's. {Expected}");
            if (prompt.Task.Answers.Count == 0)
                throw new InvalidDataException($"{path}:{number}: \"task\" has no \"answers\". {Expected}");
            return prompt;
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path}:{number}: not a prompt of the world ({error.Message}). {Expected}", error);
        }
    }

    private static object Row(TinyWorldDemonstration demonstration) => new { demonstration.Kind, demonstration.Messages };

    private static object Row(TinyWorldPrompt prompt) => new { prompt.Kind, prompt.Messages, prompt.Task };

    private static void WriteLines(string folder, string name, IEnumerable<object> rows)
    {
        var path = Path.Combine(folder, name);
        var temporary = path + ".tmp";
        using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16))
        {
            foreach (var row in rows)
            {
                JsonSerializer.Serialize(file, row, row.GetType(), s_json);
                file.WriteByte((byte)'\n');
            }
            file.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
    }
}

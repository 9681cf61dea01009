using System.IO.Compression;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gpt35.Data;

/// <summary>Writes records as JSONL that <see cref="RecordReader"/> reads back to equal records. The file appears under its name when it is complete.</summary>
public static class JsonlWriter
{
    // The file is data, not a web page: letters beyond ASCII stay readable.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Rows {"text": …}.</summary>
    public static void WriteText(string path, IEnumerable<string> documents) =>
        Write(path, documents, static (json, text) => json.WriteString("text", text));

    /// <summary>Rows {"messages": [{"role": …, "content": …}, …]}; {"instruction": …, "input": …, "output": …} where the instruction came with an input.</summary>
    public static void WriteDemonstrations(string path, IEnumerable<Demonstration> demonstrations) => Write(path, demonstrations, static (json, row) =>
    {
        if (row.Messages is [{ Input: not null } prompt, { Role: Role.Assistant } answer])
        {
            Prompt(json, [prompt]);
            json.WriteString("output", answer.Content);
        }
        else Messages(json, "messages", row.Messages);
    });

    /// <summary>Rows {"prompt": [messages], "completions": [texts], "ranks": [numbers]}.</summary>
    public static void WriteRankings(string path, IEnumerable<Ranking> rankings) => Write(path, rankings, static (json, row) =>
    {
        Prompt(json, row.Prompt);
        json.WriteStartArray("completions");
        foreach (var completion in row.Completions) json.WriteStringValue(completion);
        json.WriteEndArray();
        json.WriteStartArray("ranks");
        foreach (var rank in row.Ranks) json.WriteNumberValue(rank);
        json.WriteEndArray();
    });

    /// <summary>Rows {"prompt": [messages], "completion": …, "label": true or false}.</summary>
    public static void WriteUnpaired(string path, IEnumerable<Unpaired> rows) => Write(path, rows, static (json, row) =>
    {
        Prompt(json, row.Prompt);
        json.WriteString("completion", row.Completion);
        json.WriteBoolean("label", row.Desirable);
    });

    /// <summary>Rows {"prompt": [messages]}.</summary>
    public static void WritePrompts(string path, IEnumerable<PromptRecord> prompts) =>
        Write(path, prompts, static (json, row) => Prompt(json, row.Messages));

    /// <summary>Rows {"prompt": [messages], "completion": …}, which read back as demonstrations.</summary>
    public static void WriteCompletions(string path, IEnumerable<CompletionRecord> completions) => Write(path, completions, static (json, row) =>
    {
        Prompt(json, row.Prompt);
        json.WriteString("completion", row.Completion);
    });

    private static void Write<T>(string path, IEnumerable<T> rows, Action<Utf8JsonWriter, T> columns) => AtomicFile.Write(path, file =>
    {
        using var packed = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new GZipStream(file, CompressionLevel.Optimal, leaveOpen: true) : null;
        var stream = packed ?? file;
        using var json = new Utf8JsonWriter(stream, Options);
        foreach (var row in rows)
        {
            json.WriteStartObject();
            columns(json, row);
            json.WriteEndObject();
            json.Flush();
            stream.WriteByte((byte)'\n');
            json.Reset();
        }
    });

    /// <summary>"prompt" with messages, or "instruction" and "input" where the row had them apart.</summary>
    private static void Prompt(Utf8JsonWriter json, IReadOnlyList<Message> messages)
    {
        if (messages is [{ Role: Role.User, Input: { } input } message])
        {
            json.WriteString("instruction", message.Instruction);
            json.WriteString("input", input);
        }
        else Messages(json, "prompt", messages);
    }

    private static void Messages(Utf8JsonWriter json, string name, IReadOnlyList<Message> messages)
    {
        json.WriteStartArray(name);
        foreach (var message in messages)
        {
            json.WriteStartObject();
            json.WriteString("role", message.Role switch { Role.System => "system", Role.User => "user", _ => "assistant" });
            json.WriteString("content", message.Content);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}

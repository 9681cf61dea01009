using System.Text.Json;
using System.Text.RegularExpressions;

namespace Gpt35.Data;

/// <summary>Reads turns out of a column: plain text, a transcript, or a list of messages in OpenAI's or ShareGPT's spelling.</summary>
internal static partial class Turns
{
    private static readonly string[] ToolFields = ["tool_calls", "function_call"];

    /// <summary>A prompt: text is one user turn, or a transcript when it begins like one.</summary>
    public static IReadOnlyList<Message> Prompt(in Row row, string column)
    {
        if (row.Get(column).ValueKind != JsonValueKind.String) return WithoutAnswer(Conversation(row, column));
        var text = String(row, column);
        return Transcript(text) is { } turns ? WithoutAnswer(turns) : [Message.User(text)];
    }

    /// <summary>What answers a prompt: text is one assistant turn.</summary>
    public static IReadOnlyList<Message> Answer(in Row row, string column) =>
        row.Get(column).ValueKind == JsonValueKind.String ? [Message.Assistant(String(row, column))] : Conversation(row, column);

    /// <summary>One side of a preference pair: the answer and, where the column holds it too, the prompt.</summary>
    public static (IReadOnlyList<Message>? Prompt, string Text) Candidate(in Row row, string column)
    {
        IReadOnlyList<Message>? turns;
        if (row.Get(column).ValueKind == JsonValueKind.String)
        {
            var text = String(row, column);
            turns = Transcript(text);
            if (turns is null) return (null, text);
        }
        else turns = Conversation(row, column);
        if (turns[^1].Role != Role.Assistant)
            throw row.Fault($"\"{column}\" that ends with a {turns[^1].Role.ToString().ToLowerInvariant()} turn", "an assistant turn at its end", "Correct this row");
        return (turns.Count > 1 ? [.. turns.Take(turns.Count - 1)] : null, turns[^1].Content);
    }

    /// <summary>The conversation up to the turn to be answered.</summary>
    public static IReadOnlyList<Message> WithoutAnswer(IReadOnlyList<Message> messages) =>
        messages.Count > 0 && messages[^1].Role == Role.Assistant ? [.. messages.Take(messages.Count - 1)] : messages;

    /// <summary>A list of {"role", "content"} (OpenAI) or {"from", "value"} (ShareGPT).</summary>
    public static IReadOnlyList<Message> Conversation(in Row row, string column)
    {
        var list = row.List(column);
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0)
            throw row.Fault($"\"{column}\" that is {list.ValueKind switch { JsonValueKind.Array => "an empty list", JsonValueKind.String => "text and no list", _ => "neither text nor a list" }}", "a list of {\"role\": …, \"content\": …}", "Correct this row");
        var messages = new List<Message>();
        foreach (var item in list.EnumerateArray())
            messages.Add(Turn(row, column, item));
        return messages;
    }

    public static string String(in Row row, string column)
    {
        var value = row.Get(column);
        return value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw row.Fault($"\"{column}\" that is a JSON {value.ValueKind.ToString().ToLowerInvariant()}", "text", "Correct this row");
    }

    /// <summary>
    /// A transcript as in the HH data (Bai et al. 2022): turns that start with "\n\nHuman:" or "\n\nAssistant:". Null when the text does not
    /// begin like one. Blanks around a turn belong to the transcript and are dropped.
    /// </summary>
    private static List<Message>? Transcript(string text)
    {
        if (!TurnStart().IsMatch(text)) return null;
        var parts = TurnStart().Matches(text);
        if (parts[0].Index != 0) return null;
        var messages = new List<Message>(parts.Count);
        for (var i = 0; i < parts.Count; i++)
        {
            var from = parts[i].Index + parts[i].Length;
            var to = i + 1 < parts.Count ? parts[i + 1].Index : text.Length;
            messages.Add(new Message(parts[i].Groups[1].ValueSpan is "Human" ? Role.User : Role.Assistant, text[from..to].Trim()));
        }
        return messages;
    }

    [GeneratedRegex(@"\n\n(Human|Assistant):")]
    private static partial Regex TurnStart();

    private static Message Turn(Row row, string column, JsonElement turn)
    {
        if (turn.ValueKind != JsonValueKind.Object) throw row.Fault($"a turn of \"{column}\" that is no object", "{\"role\": …, \"content\": …}", "Correct this row");
        var role = RoleOf(row, Field(turn, "role", "from") is { ValueKind: JsonValueKind.String } name ? name.GetString()! : throw NoText(row, column, "role"));
        foreach (var call in ToolFields)
            if (Field(turn, call, call).ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null)) throw Tools(row, $"a turn with \"{call}\"");
        var content = Field(turn, "content", "value");
        return new Message(role, content.ValueKind switch
        {
            JsonValueKind.String => content.GetString()!,
            JsonValueKind.Array => string.Concat(content.EnumerateArray().Select(part => Part(part) ?? throw NoText(row, column, "content"))),
            _ => throw NoText(row, column, "content"),
        });
    }

    /// <summary>The text of a part of a content in parts; null of an image or a sound.</summary>
    private static string? Part(JsonElement part) =>
        part.ValueKind == JsonValueKind.Object && part.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;

    /// <summary>A field in OpenAI's or ShareGPT's spelling; tables that hold both have null in one.</summary>
    private static JsonElement Field(JsonElement turn, string name, string otherName) =>
        turn.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value
        : turn.TryGetProperty(otherName, out value) ? value : default;

    private static InvalidDataException NoText(in Row row, string column, string field) =>
        row.Fault($"a turn of \"{column}\" without \"{field}\" as text", "{\"role\": …, \"content\": …}", "Correct this row");

    private static InvalidDataException Tools(in Row row, string found) =>
        row.Fault(found, "\"system\", \"user\" or \"assistant\", who speak text; calls of tools have no place in the chat formats", "Rename or drop the turn, or drop the conversation");

    private static Role RoleOf(in Row row, string role) => role switch
    {
        "system" or "developer" => Role.System,
        "user" or "human" => Role.User,
        "assistant" or "gpt" => Role.Assistant,
        "tool" or "function" => throw Tools(row, $"the role \"{role}\""),
        _ => throw row.Fault($"the role \"{role}\"", "\"system\", \"user\" or \"assistant\"", "Rename or drop the turn"),
    };
}

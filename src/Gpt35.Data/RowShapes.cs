using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Gpt35.Data;

/// <summary>A record made of a row, or null and the reason to leave the row out. Throws when the row has no known shape.</summary>
internal delegate T? RowParser<T>(in Row row, out string reason) where T : class;

/// <summary>The shapes a row may have, by its columns.</summary>
internal static class RowShapes
{
    /// <summary>A task with several "instances" (Self-Instruct) as one row for each of them; any other row as it is.</summary>
    public static IEnumerable<Row> Instances(Row row) =>
        row.Has("instances") && row.Has("instruction") ? List(row, "instances").Select(instance => row.Within(instance)) : [row];

    public static string? Text(in Row row, out string reason)
    {
        reason = "the text is empty";
        var column = row.Has("text") ? "text" : "content";
        if (!row.Has(column)) throw Shape.Unknown(row, RecordKind.Text);
        var text = Turns.String(row, column);
        return string.IsNullOrWhiteSpace(text) ? null : text;
    }

    public static Demonstration? Demonstration(in Row row, out string reason)
    {
        reason = "the answer is empty";
        IReadOnlyList<Message> messages;
        if (Find(row, Shape.ConversationColumns, out var conversation)) messages = Turns.Conversation(row, conversation);
        else if (HasPrompt(row) && Find(row, Shape.AnswerColumns, out var answer)) messages = [.. PromptOf(row), .. Turns.Answer(row, answer)];
        else if (row.Has("text") && row.Has("code")) messages = [Message.User(Turns.String(row, "text")), Message.Assistant(Turns.String(row, "code"))];
        else throw Shape.Unknown(row, RecordKind.Demonstrations);
        var last = messages.LastOrDefault(message => message.Role == Role.Assistant)
            ?? throw row.Fault("a conversation without an assistant turn", "at least one to learn from", "Drop the row or add the answer");
        return string.IsNullOrWhiteSpace(last.Content) ? null : new Demonstration(messages);
    }

    public static Ranking? Ranking(in Row row, out string reason)
    {
        if (row.Has("completions") && row.Has("ranks") && HasPrompt(row)) return Ranked(row, out reason);
        if (!row.Has("chosen") || !row.Has("rejected"))
            throw Shape.Unknown(row, RecordKind.Rankings);

        var chosen = Turns.Candidate(row, "chosen");
        var rejected = Turns.Candidate(row, "rejected");
        if (chosen.Prompt is null != rejected.Prompt is null)
            throw row.Fault("one of \"chosen\" and \"rejected\" with its prompt and one without", "both of one kind", "Correct this row");
        if (chosen.Prompt is null && !HasPrompt(row))
            throw row.Fault("\"chosen\" and \"rejected\" without a prompt", "a column \"prompt\", or transcripts that start with \"\\n\\nHuman:\"", "Add the prompt");

        reason = "\"chosen\" and \"rejected\" answer different prompts";
        if (chosen.Prompt is not null && !chosen.Prompt.SequenceEqual(rejected.Prompt!)) return null;
        reason = "\"chosen\" and \"rejected\" are the same text";
        if (chosen.Text == rejected.Text) return null;
        return new Ranking(chosen.Prompt ?? PromptOf(row), [chosen.Text, rejected.Text], [1, 2]);
    }

    public static Unpaired? Unpaired(in Row row, out string reason)
    {
        reason = "the completion is empty";
        if (!row.Has("label")) throw Shape.Unknown(row, RecordKind.Unpaired);
        IReadOnlyList<Message>? prompt;
        string completion;
        if (HasPrompt(row) && Find(row, Shape.AnswerColumns, out var answer)) (prompt, completion) = (PromptOf(row), Turns.Candidate(row, answer).Text);
        else if (Find(row, Shape.ConversationColumns, out var conversation)) (prompt, completion) = Turns.Candidate(row, conversation);
        else throw Shape.Unknown(row, RecordKind.Unpaired);
        if (prompt is null) throw row.Fault("a rated answer without a prompt", "the turns before it", "Add the prompt");
        return string.IsNullOrWhiteSpace(completion) ? null : new Unpaired(prompt, completion, Thumb(row));
    }

    public static PromptRecord? Prompt(in Row row, out string reason)
    {
        reason = "there is no user turn to answer";
        IReadOnlyList<Message> messages;
        if (HasPrompt(row)) messages = PromptOf(row);
        else if (Find(row, Shape.ConversationColumns, out var conversation)) messages = Turns.Conversation(row, conversation);
        else if (row.Has("chosen")) messages = Turns.Candidate(row, "chosen").Prompt ?? throw Shape.Unknown(row, RecordKind.Prompts);
        else if (row.Has("text")) messages = [Message.User(Turns.String(row, "text"))];
        else throw Shape.Unknown(row, RecordKind.Prompts);
        messages = Turns.WithoutAnswer(messages);
        return messages.Any(message => message.Role == Role.User) ? new PromptRecord(messages) : null;
    }

    private static Ranking? Ranked(in Row row, out string reason)
    {
        var completions = new List<string>();
        foreach (var value in List(row, "completions"))
            completions.Add(value.ValueKind == JsonValueKind.String ? value.GetString()! : throw row.Fault("a completion that is not text", "a list of strings", "Correct \"completions\""));
        var ranks = new List<int>();
        foreach (var value in List(row, "ranks")) ranks.Add(Rank(row, value));
        if (completions.Count != ranks.Count || completions.Count < 2)
            throw row.Fault($"{completions.Count} completions and {ranks.Count} ranks", "two or more completions and as many ranks", "Correct this row");
        reason = "all completions have the same rank";
        return ranks.All(rank => rank == ranks[0]) ? null : new Ranking(PromptOf(row), completions, ranks);
    }

    // Tables keep whole numbers as 2.0 where a column once had a gap.
    private static int Rank(in Row row, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var rank) && rank is >= 1 and <= int.MaxValue && rank == Math.Floor(rank)
            ? (int)rank
            : throw row.Fault($"the rank {Row.Excerpt(value)}", "whole numbers from 1 (best)", "Correct \"ranks\"");

    /// <summary>Thumbs up or down, in the spellings that files have for it.</summary>
    private static bool Thumb(in Row row)
    {
        var value = row.Get("label");
        var text = value.ValueKind == JsonValueKind.String ? Turns.String(row, "label").Trim().ToLowerInvariant() : Row.Excerpt(value);
        return text switch
        {
            "true" or "1" or "1.0" or "up" or "good" => true,
            "false" or "0" or "0.0" or "down" or "bad" => false,
            _ => throw row.Fault($"the label {Row.Excerpt(value)}", "true or false, 1 or 0, \"up\" or \"down\", \"good\" or \"bad\"", "Correct \"label\""),
        };
    }

    private static bool HasPrompt(in Row row) => Find(row, Shape.PromptColumns, out _);

    private static IReadOnlyList<Message> PromptOf(in Row row)
    {
        if (row.Has("prompt")) return Turns.Prompt(row, "prompt");
        if (!row.Has("instruction")) return Turns.Prompt(row, "question");
        var instruction = Turns.String(row, "instruction");
        var input = row.Has("input") ? Turns.String(row, "input") : "";
        return [Message.User(instruction, input)];
    }

    private static IEnumerable<JsonElement> List(in Row row, string column)
    {
        var value = row.List(column);
        return value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw row.Fault($"\"{column}\" that is not a list", "a list", "Correct this row");
    }

    private static bool Find(in Row row, string[] columns, [NotNullWhen(true)] out string? column)
    {
        column = null;
        foreach (var name in columns)
            if (row.Has(name)) { column = name; return true; }
        return false;
    }
}

using System.Text;
using System.Text.Json;

namespace Gpt35.Data;

/// <summary>One JSON object of a data file and where it starts. Valid until the next row is asked for.</summary>
internal readonly record struct Row(JsonElement Value, string File, int Line)
{
    /// <summary>Whether the row has that column with a value other than null.</summary>
    public bool Has(string column) => Value.TryGetProperty(column, out var value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>The columns of the row, for messages.</summary>
    public string Columns => string.Join(", ", Value.EnumerateObject().Select(property => $"\"{property.Name}\"").DefaultIfEmpty("none"));

    public InvalidDataException Fault(string found, string expected, string remedy) => JsonRows.Fault(File, Line, found, expected, remedy);
}

/// <summary>The objects of a JSONL file (one per line) or of a JSON array, one at a time. Which of the two is told by the first character.</summary>
internal static class JsonRows
{
    public static IEnumerable<Row> Read(string path)
    {
        using var file = DataFile.Open(path);
        int first;
        do first = file.Read(); while (first >= 0 && char.IsWhiteSpace((char)first));
        if (first < 0) yield break;
        foreach (var (json, line) in first == '[' ? Elements(file, path) : Lines(file, (char)first))
        {
            using var document = Parse(json, path, line, first == '[' ? "a JSON array of objects" : "one JSON object per line");
            yield return new Row(document.RootElement, path, line);
        }
    }

    private static IEnumerable<(string Json, int Line)> Lines(DataFile file, char first)
    {
        var line = file.NextLine;
        for (var text = first + file.ReadLine(); text is not null; text = file.ReadLine())
        {
            if (!string.IsNullOrWhiteSpace(text)) yield return (text, line);
            line = file.NextLine;
        }
    }

    /// <summary>Cuts an array, whose opening bracket has been read, into its elements without holding more than one of them.</summary>
    private static IEnumerable<(string Json, int Line)> Elements(DataFile file, string path)
    {
        var element = new StringBuilder();
        int depth = 0, line = file.NextLine, count = 0;
        bool inString = false, escaped = false;
        for (int next; (next = file.Read()) >= 0;)
        {
            var character = (char)next;
            if (inString)
            {
                if (character == '"' && !escaped) inString = false;
                escaped = character == '\\' && !escaped;
            }
            else if (depth == 0 && character is ',' or ']')
            {
                if (element.Length > 0 || character == ',' || count > 0) yield return (element.ToString(), line);
                if (character == ']')
                {
                    RequireEnd(file, path);
                    yield break;
                }
                count++;
                element.Clear();
                continue;
            }
            else if (character == '"') inString = true;
            else if (character is '[' or '{') depth++;
            else if (character is ']' or '}') depth--;

            if (element.Length == 0)
            {
                if (char.IsWhiteSpace(character)) continue;
                line = file.NextLine;
            }
            element.Append(character);
        }
        throw Fault(path, file.NextLine, "the end of the file inside a JSON array", "\"]\" after the last row", "Check that the file was written completely");
    }

    private static void RequireEnd(DataFile file, string path)
    {
        for (int next; (next = file.Read()) >= 0;)
            if (!char.IsWhiteSpace((char)next))
                throw Fault(path, file.NextLine, $"\"{(char)next}\" after the array", "nothing after \"]\"", "Put all rows into one array, or one object on each line");
    }

    private static JsonDocument Parse(string json, string path, int line, string expected)
    {
        JsonDocument document;
        try { document = JsonDocument.Parse(json); }
        catch (JsonException error)
        {
            throw Fault(path, line, json.Length == 0 ? "nothing between two commas" : $"text that is not JSON (at byte {error.BytePositionInLine + 1})", expected, "Correct this line");
        }
        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        using (document)
            throw Fault(path, line, $"a JSON {document.RootElement.ValueKind.ToString().ToLowerInvariant()}", expected, "Correct this line");
    }

    public static InvalidDataException Fault(string file, int line, string found, string expected, string remedy) =>
        new($"{file}:{line}: found {found}; expected {expected}. {remedy}.");
}

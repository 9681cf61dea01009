using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gpt35.Data;

/// <summary>
/// The rows of a JSON file, one at a time: one object per line, or one array of objects, or an object over several lines in which the rows
/// stand in lists under headings. Which of these is told by the first character and line. A row that is a string is the text of a row {"text": …}.
/// </summary>
internal static class JsonRows
{
    /// <summary>Headings within headings.</summary>
    private const int MaxHeadings = 16;

    // JSON leaves open which of two columns of one name counts; we do not guess.
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    public static IEnumerable<Row> Read(string path)
    {
        using var file = DataFile.Open(path);
        using var strings = new RowBuilder(path, "line");
        var first = SkipBlanks(file);
        if (first < 0) yield break;
        var (rows, expected) = first switch
        {
            '[' => (Elements(file, path), "a JSON array of objects"),
            '{' when IsSpread(path) => (Lists(file, path, MaxHeadings), "lists of objects"),
            _ => (Lines(file, (char)first), "one JSON object per line"),
        };
        foreach (var (json, line) in rows)
        {
            using var document = Parse(json, out var found) ?? throw Fault(path, line, found, expected, "Correct this line");
            if (document.RootElement.ValueKind == JsonValueKind.String && first != '"')
                yield return strings.Build(line, row => document.RootElement.WriteTo(Named(row)));
            else if (document.RootElement.ValueKind == JsonValueKind.Object) yield return new Row(document.RootElement, path, "line", line);
            else throw Fault(path, line, $"a JSON {document.RootElement.ValueKind.ToString().ToLowerInvariant()}", expected, "Correct this line");
        }

        static Utf8JsonWriter Named(Utf8JsonWriter row)
        {
            row.WritePropertyName("text");
            return row;
        }
    }

    private static IEnumerable<(string Json, long Line)> Lines(DataFile file, char first)
    {
        var line = file.NextLine;
        for (var text = first + file.ReadLine(); text is not null; text = file.ReadLine())
        {
            if (!string.IsNullOrWhiteSpace(text)) yield return (text, line);
            line = file.NextLine;
        }
    }

    /// <summary>Whether the object that a file begins with is one over several lines: its first line is no JSON, and its name does not promise a row on each.</summary>
    private static bool IsSpread(string path)
    {
        if (path.Contains(".jsonl", StringComparison.OrdinalIgnoreCase) || path.Contains(".ndjson", StringComparison.OrdinalIgnoreCase)) return false;
        using var file = DataFile.Open(path);
        var first = SkipBlanks(file);
        try
        {
            using var _ = JsonDocument.Parse((char)first + file.ReadLine());
            return false;
        }
        catch (JsonException)
        {
            return true;
        }
    }

    /// <summary>The elements of the lists in an object, whose opening brace has been read, and in the objects within it.</summary>
    private static IEnumerable<(string Json, long Line)> Lists(DataFile file, string path, int headings)
    {
        for (var separator = SkipBlanks(file); separator != '}'; separator = SkipBlanks(file))
        {
            if (separator == ',') separator = SkipBlanks(file);
            if (separator != '"') throw NoList(file, path);
            SkipString(file, path);
            if (SkipBlanks(file) != ':') throw NoList(file, path);
            var value = SkipBlanks(file);
            var rows = value switch
            {
                '[' => Elements(file, path, within: true),
                '{' when headings > 0 => Lists(file, path, headings - 1),
                _ => throw NoList(file, path),
            };
            foreach (var row in rows) yield return row;
        }
        if (headings == MaxHeadings) RequireEnd(file, path);
    }

    private static void SkipString(DataFile file, string path)
    {
        for (int character; (character = file.Read()) != '"';)
            if (character < 0 || (character == '\\' && file.Read() < 0))
                throw NoList(file, path);
    }

    private static InvalidDataException NoList(DataFile file, string path) => Fault(path, file.NextLine, "a JSON object over several lines that is not made of lists of rows",
        "one object per line, an array of objects, or an object in which every value is a list of rows or another such object", "Put each row on a line of its own");

    /// <summary>Cuts an array, whose opening bracket has been read, into its elements without holding more than one of them.</summary>
    private static IEnumerable<(string Json, long Line)> Elements(DataFile file, string path, bool within = false)
    {
        var element = new StringBuilder();
        var line = file.NextLine;
        int depth = 0, count = 0;
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
                    if (!within) RequireEnd(file, path);
                    yield break;
                }
                count++;
                element.Clear();
                continue;
            }
            else if (character == '"') inString = true;
            else if (character is '[' or '{') depth++;
            else if (character is ']' or '}' && --depth < 0) throw Fault(path, file.NextLine, $"\"{character}\" between two rows", "\",\" or \"]\"", "Correct this line");

            if (element.Length == 0)
            {
                if (char.IsWhiteSpace(character)) continue;
                line = file.NextLine;
            }
            if (element.Append(character).Length > DataFile.RowLimit) throw file.TooLong(line);
        }
        throw Fault(path, file.NextLine, "the end of the file inside a JSON array", "\"]\" after the last row", "Check that the file was written completely");
    }

    private static void RequireEnd(DataFile file, string path)
    {
        if (SkipBlanks(file) is >= 0 and var next)
            throw Fault(path, file.NextLine, $"\"{(char)next}\" after the last row", "nothing after it", "Put all rows into one array, or one object on each line");
    }

    /// <summary>The next character that is no white space, or −1.</summary>
    private static int SkipBlanks(DataFile file)
    {
        int next;
        do next = file.Read(); while (next >= 0 && char.IsWhiteSpace((char)next));
        return next;
    }

    /// <summary>Parses a row, or the list in a cell.</summary>
    /// <param name="json">The text.</param>
    /// <param name="found">What is wrong, when the result is null.</param>
    public static JsonDocument? Parse(string json, out string found)
    {
        found = "an escape \\ud800 … \\udfff without its other half, which is no character";
        try
        {
            var document = JsonDocument.Parse(json, Strict);
            if (!HasHalfPair(json)) return document;
            document.Dispose();
        }
        catch (InvalidOperationException) { }               // half a pair in the name of a column
        catch (JsonException error)
        {
            found = json.Length == 0 ? "nothing between two commas" : Describe(json, error);
        }
        return null;
    }

    /// <summary>Whether the escapes of valid JSON make half of a surrogate pair, which no UTF-8 can say.</summary>
    private static bool HasHalfPair(string json)
    {
        var awaited = -1;                                   // where the second half has to begin
        for (var at = json.IndexOf('\\'); at >= 0; at = json.IndexOf('\\', at))
        {
            var unit = json[at + 1] == 'u' ? (char)int.Parse(json.AsSpan(at + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) : ' ';
            if (awaited >= 0 ? at != awaited || !char.IsLowSurrogate(unit) : char.IsLowSurrogate(unit)) return true;
            at += json[at + 1] == 'u' ? 6 : 2;
            awaited = char.IsHighSurrogate(unit) ? at : -1;
        }
        return awaited >= 0;
    }

    /// <summary>What is wrong with a row: it is no JSON, or JSON of a kind that no row is.</summary>
    private static string Describe(string json, JsonException error)
    {
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(json), new JsonReaderOptions { MaxDepth = int.MaxValue });
        try
        {
            while (reader.Read()) { }
        }
        catch (JsonException)
        {
            return $"text that is not JSON (at byte {error.BytePositionInLine + 1})";
        }
        try
        {
            using var _ = JsonDocument.Parse(json);
            return "a column that occurs twice";
        }
        catch (JsonException)
        {
            return "JSON nested more than 64 deep";
        }
    }

    private static InvalidDataException Fault(string file, long line, string found, string expected, string remedy) =>
        new Row(default, file, "line", line).Fault(found, expected, remedy);
}

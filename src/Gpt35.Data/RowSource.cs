using System.Buffers;
using System.Text.Json;

namespace Gpt35.Data;

/// <summary>One row of a data file as a JSON object, whatever the file is written in, and where it stands. Valid until the next row is asked for.</summary>
/// <param name="Value">The columns.</param>
/// <param name="File">The file.</param>
/// <param name="Unit">"line", or "row" in a file without lines.</param>
/// <param name="Number">Where the row begins, from 1, in that unit.</param>
internal readonly record struct Row(JsonElement Value, string File, string Unit, long Number)
{
    /// <summary>"file:17", or "file:row 17".</summary>
    public string Place => Unit == "line" ? $"{File}:{Number}" : $"{File}:{Unit} {Number}";

    /// <summary>The row that this one is a part of, whose columns it has too; undefined for a row of its own.</summary>
    private JsonElement Around { get; init; }

    /// <summary>A part of the row as a row.</summary>
    public Row Within(JsonElement part) => part.ValueKind == JsonValueKind.Object
        ? this with { Value = part, Around = Value }
        : throw Fault($"a part of the row that is a JSON {part.ValueKind.ToString().ToLowerInvariant()}", "an object", "Correct this row");

    /// <summary>Whether the row has that column with a value other than null.</summary>
    public bool Has(string column) => Get(column).ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined);

    /// <summary>The value of a column; undefined where there is none.</summary>
    public JsonElement Get(string column) =>
        Value.TryGetProperty(column, out var value) || (Around.ValueKind == JsonValueKind.Object && Around.TryGetProperty(column, out value)) ? value : default;

    /// <summary>The value of a column that holds a list; in a table without lists that is JSON in a text.</summary>
    public JsonElement List(string column)
    {
        var value = Get(column);
        if (value.ValueKind != JsonValueKind.String || value.GetString() is not { } text || !text.AsSpan().TrimStart().StartsWith('[')) return value;
        using var list = JsonRows.Parse(text, out var found) ?? throw Fault($"\"{column}\" that begins like a list and is {found}", "a list as JSON", "Correct this row");
        return list.RootElement.Clone();
    }

    /// <summary>The columns of the row, for messages.</summary>
    public string Columns
    {
        get
        {
            var names = Value.EnumerateObject().Select(property => $"\"{property.Name}\"").Take(31).ToList();
            if (names.Count > 30) names[30] = "…";
            return names.Count == 0 ? "none" : string.Join(", ", names);
        }
    }

    /// <summary>A value for a message.</summary>
    public static string Excerpt(JsonElement value) => value.GetRawText() is { Length: > 60 } text ? text[..60] + " …" : value.GetRawText();

    public InvalidDataException Fault(string found, string expected, string remedy) => new($"{Place}: found {found}; expected {expected}. {remedy}.");
}

/// <summary>The rows of a data file, one at a time.</summary>
internal static class RowSource
{
    public static IEnumerable<Row> Read(string path) => DataFormats.Of(path) switch
    {
        DataFormat.Parquet => ParquetRows.Read(path),
        DataFormat.Csv => CsvRows.Read(path, ','),
        DataFormat.Tsv => CsvRows.Read(path, '\t'),
        _ => JsonRows.Read(path),
    };
}

/// <summary>Makes rows of sources that are not JSON. One buffer, so a row is valid until the next is made.</summary>
internal sealed class RowBuilder(string path, string unit) : IDisposable
{
    private readonly ArrayBufferWriter<byte> buffer = new();
    private JsonDocument? document;

    public Row Build(long number, Action<Utf8JsonWriter> columns)
    {
        document?.Dispose();
        buffer.ResetWrittenCount();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true }))
        {
            json.WriteStartObject();
            columns(json);
            json.WriteEndObject();
        }
        document = JsonDocument.Parse(buffer.WrittenMemory);
        return new Row(document.RootElement, path, unit, number);
    }

    public void Dispose() => document?.Dispose();
}

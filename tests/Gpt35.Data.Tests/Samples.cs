using System.Text;
using System.Text.Json;
using Parquet.Serialization;

namespace Gpt35.Data.Tests;

/// <summary>The same rows in every format, so that a test can hold one reader against another.</summary>
internal static class Samples
{
    /// <summary>A row of every column, as Parquet has it; what is null is not there.</summary>
    internal sealed class TableRow
    {
        public string? prompt { get; set; }
        public string? instruction { get; set; }
        public string? input { get; set; }
        public string? output { get; set; }
        public string? completion { get; set; }
        public string? text { get; set; }
        public string? chosen { get; set; }
        public string? rejected { get; set; }
        public bool? label { get; set; }
        public List<Turn>? messages { get; set; }
        public List<Turn>? conversations { get; set; }
        public List<string>? completions { get; set; }
        public List<double>? ranks { get; set; }
        public int id { get; set; }
    }

    internal sealed class Turn
    {
        public string? role { get; set; }
        public string? content { get; set; }
        public string? from { get; set; }
        public string? value { get; set; }
    }

    /// <summary>Writes JSON rows in the format that the name asks for. In CSV and TSV, what is neither text nor a number is JSON in a cell.</summary>
    public static string Write(TemporaryFolder folder, string name, IReadOnlyList<string> rows)
    {
        var bare = name.ToLowerInvariant().Replace(".gz", "", StringComparison.Ordinal).Replace(".zst", "", StringComparison.Ordinal);
        return Path.GetExtension(bare) switch
        {
            ".jsonl" => folder.File(name, string.Concat(rows.Select(row => row + "\n"))),
            ".json" => folder.File(name, "[\n" + string.Join(",\n", rows) + "\n]\n"),
            ".csv" => folder.File(name, Table(rows, ',')),
            ".tsv" => folder.File(name, Table(rows, '\t')),
            ".parquet" => Columns(folder.Path(name), rows),
            _ => folder.File(name, string.Join("\n\n", rows)),
        };
    }

    private static string Table(IReadOnlyList<string> rows, char separator)
    {
        var parsed = rows.Select(row => JsonElement.Parse(row)).ToList();
        var names = parsed.SelectMany(row => row.EnumerateObject().Select(property => property.Name)).Distinct().ToList();
        var table = new StringBuilder(string.Join(separator, names)).Append("\r\n");
        foreach (var row in parsed)
            table.AppendJoin(separator, names.Select(name => Cell(row, name))).Append("\r\n");
        return table.ToString();

        string Cell(JsonElement row, string name)
        {
            var text = row.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value.ToString() : "";
            return text.AsSpan().ContainsAny(['"', '\r', '\n', separator]) ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
        }
    }

    private static string Columns(string path, IReadOnlyList<string> rows, int groupSize = 100)
    {
        var table = rows.Select(row => JsonSerializer.Deserialize<TableRow>(row.Replace("\"label\":0", "\"label\":false", StringComparison.Ordinal))!).ToList();
        ParquetSerializer.SerializeAsync(table, path, new Parquet.ParquetOptions { RowGroupSize = groupSize }).GetAwaiter().GetResult();
        return path;
    }
}

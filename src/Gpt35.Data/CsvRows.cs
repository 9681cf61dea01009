using CsvHelper;

namespace Gpt35.Data;

/// <summary>The rows of a CSV (RFC 4180) or TSV file whose first line names the columns. Every cell is text. Blank lines hold no row.</summary>
internal static class CsvRows
{
    public static IEnumerable<Row> Read(string path, char separator)
    {
        using var file = DataFile.Open(path);
        using var reader = CsvReader.Create(new Characters(file), new CsvReaderOptions
        {
            Separator = separator,
            HasHeader = false,                 // the first record is read here, where its names are checked
            MalformedData = CsvMalformedDataHandling.Throw,
            TrackLineNumbers = true,
            MaxRecordSize = DataFile.RowLimit,
        }, leaveOpen: true);
        using var builder = new RowBuilder(path, "line");
        if (!Next(reader, path)) yield break;
        var names = Names(reader, path);
        while (Next(reader, path))
        {
            if (reader.FieldCount != names.Length)
            {
                if (IsBlank(reader)) continue;
                throw Fault(path, reader.LineNumber, $"{reader.FieldCount} cells", $"{names.Length}, one for each column of the first line", "Correct this row; a cell with a separator, a quote or a line end in it stands in quotes");
            }
            yield return builder.Build(reader.LineNumber, json =>
            {
                for (var i = 0; i < names.Length; i++)
                    if (names[i].Length > 0) json.WriteString(names[i], reader.GetString(i));
            });
        }
    }

    private static bool Next(CsvReader reader, string path)
    {
        try
        {
            return reader.Read();
        }
        catch (CsvFormatException error)
        {
            throw Fault(path, error.LineNumber, $"a row that is not CSV ({error.Message.TrimEnd('.')})", "cells with quotes in them in quotes, each such quote doubled, and every quote closed (RFC 4180)", "Correct this row");
        }
    }

    /// <summary>The names of the columns. One without a name, such as the row numbers that pandas writes, is not read.</summary>
    private static string[] Names(CsvReader reader, string path)
    {
        var names = new string[reader.FieldCount];
        var seen = new HashSet<string>();
        for (var i = 0; i < names.Length; i++)
        {
            names[i] = reader.GetString(i);
            if (names[i].Length > 0 && !seen.Add(names[i]))
                throw Fault(path, reader.LineNumber, $"two columns \"{names[i]}\"", "a name of its own for each column", "Rename or drop one");
        }
        return names;
    }

    private static bool IsBlank(CsvReader reader) => reader.FieldCount == 1 && string.IsNullOrWhiteSpace(reader.GetString(0));

    private static InvalidDataException Fault(string path, long line, string found, string expected, string remedy) =>
        new Row(default, path, "line", line).Fault(found, expected, remedy);

    /// <summary>A data file as the reader that CsvHelper asks for.</summary>
    private sealed class Characters(DataFile file) : TextReader
    {
        public override int Read() => file.Read();
        public override int Read(char[] buffer, int index, int count) => file.Read(buffer.AsSpan(index, count));
        public override int Read(Span<char> buffer) => file.Read(buffer);
    }
}

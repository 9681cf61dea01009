using System.Text.Json;
using Parquet;
using Parquet.Meta;

namespace Gpt35.Data;

/// <summary>
/// The rows of a Parquet file, one row group in memory at a time, and of that only the columns that records are made of; the others are there by name,
/// with null in them.
/// </summary>
internal static class ParquetRows
{
    private const int MaxDepth = 32, MaxElements = 100_000;

    public static IEnumerable<Row> Read(string path)
    {
        using var stream = File.OpenRead(path);
        using var builder = new RowBuilder(path, "row");
        var reader = Guard(path, 1, () => Open(stream));
        long number = 0;
        for (var index = 0; index < reader.RowGroupCount; index++)
        {
            var (rows, columns) = Guard(path, number + 1, () => LoadGroup(stream, reader, index));
            for (long row = 0; row < rows; row++)
            {
                number++;
                yield return Guard(path, number, () => builder.Build(number, json => Write(json, columns)));
            }
            if (columns.Any(column => column.Column?.IsAtEnd == false)) throw Damaged(path, number, "more values than rows", null);
        }
    }

    private static ParquetReader Open(Stream stream)
    {
        ParquetThrift.RequireFooter(stream);
        var reader = ParquetReader.CreateAsync(stream, new ParquetOptions(), leaveStreamOpen: true).GetAwaiter().GetResult();
        var elements = reader.Metadata!.Schema;
        RequireTree(elements);
        // Text is asked for as bytes, because the library puts U+FFFD for bytes that are no UTF-8 and says nothing.
        foreach (var element in elements)
            if (element.Type == Parquet.Meta.Type.BYTE_ARRAY && element.ConvertedType is null or ConvertedType.UTF8 or ConvertedType.ENUM or ConvertedType.JSON)
                (element.ConvertedType, element.LogicalType) = (null, null);
        if (reader.Schema.Fields.GroupBy(column => column.Name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new InvalidDataException($"two columns \"{twice.Key}\"");
        return reader;
    }

    /// <summary>Holds the tree of columns, which the file gives as a list with numbers of children, to a depth that can be walked.</summary>
    private static void RequireTree(List<SchemaElement> elements)
    {
        if (elements.Count > MaxElements) throw new InvalidDataException($"{elements.Count:N0} columns");
        var missing = new Stack<int>([1]);                  // children to come, for each element that encloses the next one
        foreach (var element in elements)
        {
            while (missing.TryPeek(out var children) && children == 0) missing.Pop();
            if (missing.Count is 0 or > MaxDepth) throw new InvalidDataException("columns nested as in no table");
            missing.Push(missing.Pop() - 1);
            missing.Push(element.NumChildren ?? 0);
        }
        if (missing.Any(children => children != 0)) throw new InvalidDataException("an incomplete list of columns");
    }

    private static (long Rows, List<(string Name, ParquetColumn? Column)> Columns) LoadGroup(Stream stream, ParquetReader reader, int index)
    {
        using var group = reader.OpenRowGroupReader(index);
        if (group.RowCount is < 0 or > ParquetColumn.MaxEntries) throw new InvalidDataException($"a row group of {group.RowCount:N0} rows");
        return (group.RowCount, [.. reader.Schema.Fields.Select(column => (column.Name, Shape.Known.Contains(column.Name) ? ParquetColumn.Load(column, group, stream) : null))]);
    }

    private static void Write(Utf8JsonWriter json, List<(string Name, ParquetColumn? Column)> columns)
    {
        foreach (var (name, column) in columns)
        {
            json.WritePropertyName(name);
            if (column is null) json.WriteNullValue();
            else column.Write(json);
            if (column?.IsAtRow == false) throw new InvalidDataException($"parts of \"{name}\" of different lengths");
        }
    }

    /// <summary>The library answers a damaged file with any kind of exception; each of them means the file.</summary>
    private static T Guard<T>(string path, long row, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error)
        {
            throw Damaged(path, row, error is InvalidDataException ? error.Message : $"damaged data ({error.Message})", error);
        }
    }

    private static InvalidDataException Damaged(string path, long row, string found, Exception? cause) =>
        new($"{path}:row {row}: found {found.ReplaceLineEndings(" ").TrimEnd('.')}, in this row or in its row group; expected a Parquet file of text, numbers, lists and structs. Fetch it again, or convert it to JSONL.", cause);
}

using System.Text.Json;

namespace Gpt35.Data;

/// <summary>Reads test data to look for: whatever columns a file has, every text in it counts, because benchmarks agree on no format.</summary>
public static class TestFiles
{
    /// <summary>Adds every text of a file: the documents of plain text, else every string in every row, each on its own.</summary>
    /// <exception cref="InvalidDataException">The file is damaged; the message says where.</exception>
    public static void AddFile(this Decontamination tests, string path)
    {
        DataFormats.Require(path);
        if (DataFormats.IsPlainText(path))
        {
            foreach (var (i, text) in RecordReader.ReadText(path).Index()) tests.AddTest(text, $"{path}, document {i + 1}");
            return;
        }
        foreach (var row in RowSource.Read(path))
            foreach (var text in Strings(row.Value)) tests.AddTest(text, row.Place);
    }

    private static IEnumerable<string> Strings(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => [value.GetString()!],
        JsonValueKind.Array => value.EnumerateArray().SelectMany(Strings),
        JsonValueKind.Object => value.EnumerateObject().SelectMany(property => Strings(property.Value)),
        _ => [],
    };
}

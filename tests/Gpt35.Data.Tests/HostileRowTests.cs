using System.Text;

namespace Gpt35.Data.Tests;

/// <summary>Well-chosen malice: each gives one message with file and line.</summary>
public sealed class HostileRowTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("[")]
    [InlineData("{\"a\":")]
    public void Nesting_without_end_is_an_error_in_every_format(string opening)
    {
        var deep = string.Concat(Enumerable.Repeat(opening, 10_000));
        var closed = deep + "1" + string.Concat(Enumerable.Repeat(opening == "[" ? "]" : "}", 10_000));
        Expect("d.jsonl", "{\"text\":\"a\"}\n{\"text\":" + closed + "}\n", ":2: found JSON nested more than 64 deep");
        Expect("d.jsonl", "{\"text\":\"a\"}\n{\"text\":" + deep, ":2: found text that is not JSON");
        Expect("d.json", "[{\"text\":\"a\"},\n{\"text\":" + closed + "}]", ":2: found JSON nested more than 64 deep");
        Expect("d.json", "[{\"text\":\"a\"},\n" + deep, ":2: found the end of the file inside a JSON array");
        Expect("h.json", "{\n" + string.Concat(Enumerable.Repeat("\"a\":{", 10_000)), ":2: found a JSON object over several lines");
        Expect("d.csv", "messages\n\"" + closed.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"\n", opening == "[" ? ":2: found \"messages\" that begins like a list and is JSON nested more than 64 deep" : ":2: found \"messages\" that is text",
            path => RecordReader.ReadDemonstrations(path));
    }

    [Theory]
    [InlineData("1e999")]
    [InlineData("-1e999")]
    [InlineData("2147483648")]
    [InlineData("1.5")]
    [InlineData("0")]
    [InlineData("\"1\"")]
    [InlineData("null")]
    public void Numbers_that_are_no_ranks_are_errors(string rank) =>
        Expect("r.jsonl", $$"""{"prompt":"Q","completions":["a","b"],"ranks":[1,{{rank}}]}""", $":1: found the rank {rank}; expected whole numbers", path => RecordReader.ReadRankings(path));

    [Fact]
    public void A_number_of_400_digits_is_named_in_short() =>
        Expect("r.jsonl", $$"""{"prompt":"Q","completions":["a","b"],"ranks":[1,{{new string('9', 400)}}]}""", $":1: found the rank {new string('9', 60)} …; expected", path => RecordReader.ReadRankings(path));

    [Theory]
    [InlineData("""{"text":"a\ud800b"}""")]
    [InlineData("""{"text":"a\udc00"}""")]
    [InlineData("""{"text":"\ud83d\ud83d\ude00"}""")]
    [InlineData("""{"text":"a","\udfff":1}""")]
    [InlineData("""{"text":"\ud83d\\ude00"}""")]
    public void Half_of_a_surrogate_pair_is_an_error(string row) => Expect("t.jsonl", row, ":1: found an escape \\ud800 … \\udfff without its other half");

    [Fact]
    public void Half_of_a_surrogate_pair_in_a_cell_is_an_error() => Expect("t.csv", "messages\n\"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"\\ud800\"\"}]\"\n",
        ":2: found \"messages\" that begins like a list and is an escape", path => RecordReader.ReadDemonstrations(path));

    [Fact]
    public void Escapes_that_look_like_half_a_pair_are_text()
    {
        var path = folder.File("t.jsonl", """{"text":"\\ud800 \ud83d\ude00 \\\\udc00"}""");
        Assert.Equal([@"\ud800 😀 \\udc00"], RecordReader.ReadText(path));
    }

    [Theory]
    [InlineData("t.jsonl", "{\"text\":\"a\",\"text\":\"b\"}", ":1: found a column that occurs twice")]
    [InlineData("t.jsonl", "{\"text\":\"a\0b\"}", ":1: found text that is not JSON")]
    [InlineData("t.jsonl", "{\"text\":1e999}", ":1: found \"text\" that is a JSON number")]
    [InlineData("t.jsonl", "{\"text\":[\"a\"]}", ":1: found \"text\" that is a JSON array")]
    [InlineData("t.json", "[{\"text\":\"a\"},\n}, {\"text\":\"b\"}]", ":2: found \"}\" between two rows")]
    public void Rows_of_the_wrong_kind_are_errors(string name, string content, string message) => Expect(name, content, message);

    [Theory]
    [InlineData("t.jsonl", "{\"text\":\"a\\u0000b\"}\n")]
    [InlineData("t.csv", "text\na\0b\n")]
    [InlineData("t.txt", "a\0b\n")]
    public void NUL_within_a_text_is_kept(string name, string content) => Assert.Equal(["a\0b"], RecordReader.ReadText(folder.File(name, content)));

    [Theory]
    [InlineData("t.jsonl")]
    [InlineData("t.csv")]
    [InlineData("t.txt")]
    [InlineData("t.tsv.gz")]
    public void The_line_of_bad_bytes_is_exact_however_far_the_reader_has_read_ahead(string name)
    {
        var good = Encoding.UTF8.GetBytes((Path.GetExtension(name) == ".jsonl" ? "" : "text\n") + string.Concat(Enumerable.Repeat(name.StartsWith("t.jsonl", StringComparison.Ordinal) ? "{\"text\":\"é\"}\n" : "é\n", 9_000)));
        byte[] bad = [.. good, (byte)'a', 0xC3, (byte)'\n', .. good];
        Expect(folder.File(name, bad), name == "t.jsonl" ? ":9001: found bytes that are not UTF-8" : ":9002: found bytes that are not UTF-8", path => RecordReader.ReadText(path));
        Expect(folder.File(name, [.. good, 0xC3]), name == "t.jsonl" ? ":9001: found bytes that are not UTF-8" : ":9002: found bytes that are not UTF-8", path => RecordReader.ReadText(path));
    }

    [Theory]
    [InlineData("t.jsonl.gz", "gzip")]
    [InlineData("t.csv.gz", "gzip")]
    [InlineData("t.jsonl.zst", "Zstandard")]
    [InlineData("t.tsv.zst", "Zstandard")]
    public void An_archive_damaged_in_the_middle_is_an_error(string name, string kind)
    {
        var rows = string.Concat(Enumerable.Range(0, 5_000).Select(i => name.Contains("jsonl", StringComparison.Ordinal) ? $"{{\"text\":\"{i * 7919}\"}}\n" : i == 0 ? "text\n" : $"{i * 7919}\n"));
        var whole = File.ReadAllBytes(folder.File(name, rows));
        for (var at = whole.Length / 4; at < whole.Length - 8; at += whole.Length / 4)
        {
            var broken = (byte[])whole.Clone();
            broken.AsSpan(at, 4).Reverse();
            broken[at] ^= 0x55;
            File.WriteAllBytes(folder.Path(name), broken);
            var error = Assert.Throws<InvalidDataException>(() => RecordReader.ReadText(folder.Path(name)).Count());
            Assert.StartsWith(folder.Path(name), error.Message);
        }
        File.WriteAllBytes(folder.Path(name), whole[..(whole.Length / 2)]);
        Assert.Contains($"found a damaged {kind} stream", Assert.Throws<InvalidDataException>(() => RecordReader.ReadText(folder.Path(name)).Count()).Message);
    }

    [Theory]
    [InlineData("bomb.jsonl.gz")]
    [InlineData("bomb.csv.gz")]
    [InlineData("bomb.txt.gz")]
    [InlineData("bomb.json.gz")]
    public void A_line_that_never_ends_is_an_error_before_it_fills_the_memory(string name)
    {
        var path = folder.Path(name);
        using (var stream = new System.IO.Compression.GZipStream(File.Create(path), System.IO.Compression.CompressionLevel.Fastest))
        {
            stream.Write(Encoding.UTF8.GetBytes(Path.GetExtension(name[..^3]) switch { ".json" => "[{\"text\":\"", ".jsonl" => "{\"text\":\"", ".csv" => "text\n\"", _ => "" }));
            var block = new byte[1 << 20];
            block.AsSpan().Fill((byte)'a');
            for (var i = 0; i < 70; i++) stream.Write(block);
        }
        var error = Assert.Throws<InvalidDataException>(() => RecordReader.ReadText(path).Count());
        Assert.StartsWith(path + (name.Contains("csv", StringComparison.Ordinal) ? ":2: found" : ":1: found"), error.Message);
    }

    [Theory]
    [InlineData("e.jsonl")]
    [InlineData("e.json")]
    [InlineData("e.csv")]
    [InlineData("e.tsv")]
    [InlineData("e.txt")]
    [InlineData("e.jsonl.gz")]
    [InlineData("e.csv.zst")]
    public void An_empty_file_is_an_error(string name)
    {
        foreach (var content in (string[])["", "\uFEFF", " \n"])
            Expect(name, content, "the file is empty");
        File.WriteAllBytes(folder.Path(name), []);
        Expect(folder.Path(name), "the file is empty", path => RecordReader.ReadPrompts(path));
    }

    [Fact]
    public void A_folder_is_no_file()
    {
        Directory.CreateDirectory(folder.Path("f.parquet"));
        Assert.Contains("is a folder", Assert.Throws<FileNotFoundException>(() => RecordReader.Recognize(folder.Path("f.parquet"))).Message);
        Assert.Contains("is a folder", Assert.Throws<FileNotFoundException>(() => RecordReader.ReadUnpaired(folder.Path("f.parquet"))).Message);
    }

    private void Expect(string name, string content, string message, Func<string, IEnumerable<object>>? read = null) =>
        Expect(folder.File(name, content), message, read ?? (path => RecordReader.ReadText(path)));

    private static void Expect(string path, string message, Func<string, IEnumerable<object>> read)
    {
        var error = Assert.Throws<InvalidDataException>(() => read(path).Count());
        Assert.StartsWith(path, error.Message);
        Assert.Contains(message, error.Message);
        Assert.InRange(error.Message.Length, 1, 2000);
    }
}

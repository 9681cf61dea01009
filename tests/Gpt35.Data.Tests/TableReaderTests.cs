using System.Text;
using Parquet;
using Parquet.Serialization;

namespace Gpt35.Data.Tests;

/// <summary>Rows are the same whatever the file is written in, and are named by where they stand.</summary>
public sealed class TableReaderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string> Tables => ["d.jsonl", "d.json", "d.csv", "d.tsv", "d.parquet", "d.jsonl.gz", "d.json.zst", "d.csv.gz", "d.csv.zst", "d.tsv.gz", "d.tsv.zst", "d.CSV.GZ"];

    [Theory, MemberData(nameof(Tables))]
    public void Every_format_holds_the_same_prompts_and_completions(string name)
    {
        string[] prompts = ["a", "two\nlines, \"quoted\"", "tab\tand comma,", " é 😀 "];
        var path = Write(name, prompts.Select(prompt => $$"""{"prompt":{{Json(prompt)}},"completion":{{Json(prompt + "!")}},"id":7}"""));
        var read = RecordReader.ReadDemonstrations(path).ToList();
        Assert.Equal(prompts, read.Select(row => row.Messages[0].Content));
        Assert.Equal(prompts.Select(prompt => prompt + "!"), read.Select(row => row.Messages[1].Content));
        Assert.Equal(RecordKind.Demonstrations, RecordReader.Recognize(path));
    }

    [Theory, MemberData(nameof(Tables))]
    public void Lists_are_lists_in_every_format(string name)
    {
        var path = Write(name,
        [
            """{"prompt":"Q","completions":["good","[bad]"],"ranks":[1,2]}""",
            """{"prompt":"R","completions":["","c","d"],"ranks":[2,1,2]}""",
        ]);
        var read = RecordReader.ReadRankings(path).ToList();
        Assert.Equal([["good", "[bad]"], ["", "c", "d"]], read.Select(row => row.Completions));
        Assert.Equal([[1, 2], [2, 1, 2]], read.Select(row => row.Ranks));
        Assert.Equal(RecordKind.Rankings, RecordReader.Recognize(path));
    }

    [Theory]
    [MemberData(nameof(Tables))]
    public void Conversations_are_read_from_every_format(string name)
    {
        var messages = Write("m-" + name, ["""{"messages":[{"role":"system","content":"S"},{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]}"""]);
        Assert.Equal([Message.System("S"), Message.User("Hi"), Message.Assistant("Hello")], Assert.Single(RecordReader.ReadDemonstrations(messages)).Messages);
        var conversations = Write("c-" + name, ["""{"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]}"""]);
        Assert.Equal([Message.User("Hi"), Message.Assistant("Hello")], Assert.Single(RecordReader.ReadDemonstrations(conversations)).Messages);
    }

    [Theory]
    [InlineData("d.jsonl", "{0}:2")]
    [InlineData("d.json", "{0}:3")]
    [InlineData("d.csv", "{0}:5")]
    [InlineData("d.tsv.gz", "{0}:5")]
    [InlineData("d.parquet", "{0}:row 2")]
    public void A_record_knows_the_line_or_row_that_it_begins_on(string name, string place)
    {
        var path = Write(name, [$$"""{"prompt":{{Json("a\nb\nc")}},"completion":"d"}""", """{"prompt":"e","completion":"f"}"""]);
        Assert.Equal(string.Format(null, place, path), RecordReader.ReadDemonstrations(path).Last().Origin.ToString());
    }

    [Fact]
    public void Blank_lines_and_blank_column_names_of_a_table_hold_nothing()
    {
        var path = folder.File("d.csv", "\uFEFF,text\r\n0,a\r\n\r\n1,b\r\n   \r\n2,c");
        Assert.Equal(["a", "b", "c"], RecordReader.ReadText(path));
        Assert.Equal($"{path}:6", RecordReader.ReadPrompts(path).Last().Origin.ToString());
    }

    [Fact]
    public void Line_ends_of_every_kind_end_a_row()
    {
        foreach (var end in (string[])["\n", "\r\n"])
            Assert.Equal(["a", "b"], RecordReader.ReadText(folder.File("d.csv", $"text,x{end}a,1{end}b,2{end}")));
    }

    [Theory]
    [InlineData("prompt,completion\na,b\nc,\"d\n", ":3: found a row that is not CSV")]
    [InlineData("prompt,completion\na,b\nc,d\"e\n", ":3: found a row that is not CSV")]
    [InlineData("prompt,completion\na,b\nc,\"d\"e\n", ":3: found a row that is not CSV")]
    [InlineData("prompt,completion\na,\"b\nb\"\nc\n", ":4: found 1 cells; expected 2")]
    [InlineData("prompt,completion\na,b,c\n", ":2: found 3 cells; expected 2")]
    [InlineData("prompt,completion,prompt\na,b,c\n", ":1: found two columns \"prompt\"")]
    [InlineData("prompt,completion\n", "the file is empty")]
    [InlineData("a,b\nc,d\n", ":2: found a row with the columns \"a\", \"b\"; expected")]
    [InlineData("messages\n\"[{\"\"role\"\":\"\"user\"\"\"\n", ":2: found \"messages\" that begins like a list and is text that is not JSON")]
    [InlineData("messages\nnone\n", ":2: found \"messages\" that is text and no list")]
    public void Bad_tables_are_named_by_file_and_line(string content, string message)
    {
        var path = folder.File("d.csv", content);
        var error = Assert.Throws<InvalidDataException>(() => RecordReader.ReadDemonstrations(path).ToList());
        Assert.StartsWith(path + ":", error.Message);
        Assert.Contains(message, error.Message);
    }

    private sealed record Ranked(string prompt, List<string?>? completions, List<int>? ranks, DateTime when);

    [Fact]
    public async Task Empty_lists_missing_lists_and_row_groups_keep_their_rows_apart()
    {
        var path = folder.Path("r.parquet");
        Ranked[] rows = [new("a", ["x", "y"], [1, 2], default), new("b", [], [], default), new("c", null, null, default), new("d", ["x", null], [1, 2], default)];
        await ParquetSerializer.SerializeAsync(rows, path, new ParquetOptions { RowGroupSize = 3 }, null, TestContext.Current.CancellationToken);

        var read = RowSource.Read(path).Select(row => $"{row.Place[path.Length..]} {row.Value.GetRawText()}").ToList();
        Assert.Equal(
        [
            """:row 1 {"prompt":"a","completions":["x","y"],"ranks":[1,2],"when":null}""",
            """:row 2 {"prompt":"b","completions":[],"ranks":[],"when":null}""",
            """:row 3 {"prompt":"c","completions":null,"ranks":null,"when":null}""",
            """:row 4 {"prompt":"d","completions":["x",null],"ranks":[1,2],"when":null}""",
        ], read);
        Assert.StartsWith($"{path}:row 2: found 0 completions", Assert.Throws<InvalidDataException>(() => RecordReader.ReadRankings(path).ToList()).Message);
    }

    /// <summary>
    /// Another writer's file: DuckDB 1.x, Snappy, COPY of the columns id, messages (list of struct), completions (list of text), ranks (list of
    /// bigint), label (boolean), extra (struct), with every kind of nothing in them.
    /// </summary>
    private static readonly byte[] FromDuckDb = Convert.FromBase64String(
        "UEFSMRUAFSwVMCwVCBUAFQYVBgAAFlQCAAAACAEBAAAAAgAAAAMAAAAEAAAAFQAVzgIVciwVDBUAFQYVBgAApwEYIQAAAEEiAHYBAABhASUIZEABdiYA+gEAcAQAAAB1c2VyCQAAAGFzc2lzdGFudA" +
        "QAAAB1c2VyFQAVqgIVTiwVDBUAFQYVBgAAlQEYIQAAAEEiAHYBAABhASUIZDABdiYA+gEAKAIAAADDqQEAAABiFQAV8AEVUCwVDBUAFQYVBgAAeBghAAAAQSIAdgEAAEEBJQQfC3YlAH4BADQBAAAA" +
        "eAEAAAB5AAAAABUAFYQCFV4sFQwVABUGFQYAAIIBGCEAAABBIgB2AQAAQQElBB8OdiUAfgEAAAENITwCAAAAAAAAAAcAAAAAAAAAFQAVTBUcLBUIFQAVBhUGAAAmGCEAAABBCwB2AQAABRUAFZoBFS" +
        "osFQgVABUGFQYAAE0YQQAAAEFiAPYBABwBAAAAAgAAABUCGfwQNQAYDWR1Y2tkYl9zY2hlbWEVDAAVAiUCGAJpZCUiADUCGAhtZXNzYWdlcxUCFQYANQQYBGxpc3QVAgA1AhgHZWxlbWVudBUEABUM" +
        "JQIYBHJvbGUlAAAVDCUCGAdjb250ZW50JQAANQIYC2NvbXBsZXRpb25zFQIVBgA1BBgEbGlzdBUCABUMJQIYB2VsZW1lbnQlAAA1AhgFcmFua3MVAhUGADUEGARsaXN0FQIAFQQlAhgHZWxlbWVudC" +
        "UkABUAJQIYBWxhYmVsADUCGAVleHRyYRUCABUCJQIYAWElIgAWCBkcGXwmABwVAhkVABkYAmlkFQIWCBZOFlImCDwYBAQAAAAYBAEAAAAWACgEBAAAABgEAQAAABERAAAAJgAcFQwZFQAZSAhtZXNz" +
        "YWdlcwRsaXN0B2VsZW1lbnQEcm9sZRUCFgwW8gIWlgEmWjwYBHVzZXIYCWFzc2lzdGFudBYIKAR1c2VyGAlhc3Npc3RhbnQREQAAACYAHBUMGRUAGUgIbWVzc2FnZXMEbGlzdAdlbGVtZW50B2Nvbn" +
        "RlbnQVAhYMFs4CFnIm8AE8GALDqRgBYhYKKALDqRgBYhERAAAAJgAcFQwZFQAZOAtjb21wbGV0aW9ucwRsaXN0B2VsZW1lbnQVAhYMFpQCFnQm4gI8GAF5JgYoAXkYABERAAAAJgAcFQQZFQAZOAVy" +
        "YW5rcwRsaXN0B2VsZW1lbnQVAhYMFqgCFoIBJtYDPBgIBwAAAAAAAAAYCAEAAAAAAAAAFgYoCAcAAAAAAAAAGAgBAAAAAAAAABERAAAAJgAcFQAZFQAZGAVsYWJlbBUCFggWbhY+JtgEPBgBARgBAB" +
        "YCKAEBGAEAEREAAAAmABwVAhkVABkoBWV4dHJhAWEVAhYIFr4BFk4mlgU8GAQCAAAAGAQBAAAAFgQoBAIAAAAYBAEAAAAREQAAABb2DBYIJggW3AUAKChEdWNrREIgdmVyc2lvbiB2MS41LjYgKGJ1" +
        "aWxkIDA2OWNjOWY5YjUpGXwcAAAcAAAcAAAcAAAcAAAcAAAcAAAAGgMAAFBBUjE=");

    [Fact]
    public void The_lists_and_structs_of_another_writer_are_put_together_again()
    {
        var path = folder.File("duck.parquet", FromDuckDb);
        Assert.Equal(
        [
            """{"id":null,"messages":[{"role":"user","content":"é"},{"role":"assistant","content":"b"}],"completions":["x","y"],"ranks":[1,2],"label":true,"extra":null}""",
            """{"id":null,"messages":[],"completions":[],"ranks":[],"label":false,"extra":null}""",
            """{"id":null,"messages":null,"completions":null,"ranks":null,"label":null,"extra":null}""",
            """{"id":null,"messages":[{"role":"user","content":null},null],"completions":["",null],"ranks":[null,7],"label":true,"extra":null}""",
        ], RowSource.Read(path).Select(row => row.Value.GetRawText().Replace("\\u00E9", "é", StringComparison.Ordinal)));
    }

    /// <summary>The library alone does not come back from some of these: see docs/decisions.md.</summary>
    [Theory]
    [InlineData(0x01)]
    [InlineData(0xF9)]
    public void A_footer_with_any_wrong_byte_gives_rows_or_one_message(byte wrong)
    {
        var length = BitConverter.ToInt32(FromDuckDb, FromDuckDb.Length - 8);
        for (var at = FromDuckDb.Length - 8 - length; at < FromDuckDb.Length; at++)
        {
            var path = folder.File("f.parquet", [.. FromDuckDb[..at], wrong, .. FromDuckDb[(at + 1)..]]);
            try
            {
                RecordReader.ReadRankings(path).Count();
            }
            catch (InvalidDataException error)
            {
                Assert.StartsWith(path, error.Message);
            }
        }
    }

    [Fact]
    public void Structures_nested_without_end_in_a_footer_are_an_error()
    {
        byte[] footer = [.. Enumerable.Repeat((byte)0x1C, 100_000)];
        var path = folder.File("n.parquet", [.. "PAR1"u8, .. footer, .. BitConverter.GetBytes(footer.Length), .. "PAR1"u8]);
        Assert.StartsWith($"{path}:row 1: found", Assert.Throws<InvalidDataException>(() => RecordReader.Recognize(path)).Message);
    }

    [Fact]
    public void Text_in_Parquet_that_is_not_UTF8_is_an_error_and_not_replaced()
    {
        var path = Write("t.parquet", ["""{"text":"before"}""", """{"text":"MARK"}"""]);
        var bytes = File.ReadAllBytes(path);
        for (var at = bytes.AsSpan().IndexOf("MARK"u8); at >= 0; at = bytes.AsSpan().IndexOf("MARK"u8)) bytes[at] = 0xC0;
        File.WriteAllBytes(path, bytes);
        Assert.StartsWith($"{path}:row 2: found", Assert.Throws<InvalidDataException>(() => RecordReader.ReadText(path).ToList()).Message);
    }

    [Fact]
    public void What_a_file_is_tell_its_bytes_and_what_it_is_not_its_message()
    {
        var parquet = Write("t.parquet", ["""{"text":"x"}"""]);
        Assert.Equal(["x"], RecordReader.ReadText(Renamed(parquet, "t.jsonl")));
        Assert.Equal(["x"], RecordReader.ReadText(Renamed(Write("a.csv.zst", ["""{"text":"x"}"""]), "a.csv")));
        Refuses("t.txt", File.ReadAllBytes(parquet), "found a Parquet file; expected text");
        Refuses("u.parquet", "text\nx\n"u8.ToArray(), "found a file that does not begin as Parquet files do");
        Refuses("v.parquet.gz", File.ReadAllBytes(Write("w.jsonl.gz", ["""{"text":"x"}"""])), "found a compressed file; expected Parquet");
        Refuses("x.jsonl.gz", """{"text":"x"}"""u8.ToArray(), "not packed as \".gz\" says");
        Refuses("x.csv.zst", "text\nx\n"u8.ToArray(), "not packed as \".zst\" says");
        Refuses("x.csv", [.. "PK\u0003\u0004"u8, 0, 0], "found a zip archive");
        Refuses("x.csv", [0xFF, 0xFE, .. Encoding.Unicode.GetBytes("text\nx\n")], "found UTF-16 text");
    }

    [Fact]
    public void A_byte_order_mark_does_not_make_bad_bytes_pass()
    {
        var path = folder.File("b.txt", [0xEF, 0xBB, 0xBF, (byte)'a', (byte)'\n', (byte)'b', 0xE9, (byte)'\n']);
        Assert.StartsWith($"{path}:2: found bytes that are not UTF-8", Assert.Throws<InvalidDataException>(() => RecordReader.ReadText(path).ToList()).Message);
    }

    private void Refuses(string name, byte[] content, string message)
    {
        var path = folder.Path(name);
        File.WriteAllBytes(path, content);
        var error = Assert.Throws<InvalidDataException>(() => RecordReader.ReadText(path).ToList());
        Assert.StartsWith(path, error.Message);
        Assert.Contains(message, error.Message);
    }

    private string Renamed(string path, string name)
    {
        File.Copy(path, folder.Path(name));
        return folder.Path(name);
    }

    private string Write(string name, IEnumerable<string> rows) => Samples.Write(folder, name, [.. rows]);

    private static string Json(string text) => System.Text.Json.JsonSerializer.Serialize(text);
}

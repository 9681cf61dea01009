namespace Gpt35.Data.Tests;

/// <summary>Which records a file holds is told by its columns; rated completions and the shapes of published data sets.</summary>
public sealed class RecordKindTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("""{"text":"a"}""", RecordKind.Text)]
    [InlineData("""{"content":"a","url":"b"}""", RecordKind.Text)]
    [InlineData("""["a","b"]""", RecordKind.Text)]
    [InlineData("""{"messages":[]}""", RecordKind.Demonstrations)]
    [InlineData("""{"conversations":[]}""", RecordKind.Demonstrations)]
    [InlineData("""{"prompt":"a","completion":"b"}""", RecordKind.Demonstrations)]
    [InlineData("""{"instruction":"a","input":"","output":"b"}""", RecordKind.Demonstrations)]
    [InlineData("""{"question":"a","answer":"b"}""", RecordKind.Demonstrations)]
    [InlineData("""{"text":"a","code":"b"}""", RecordKind.Demonstrations)]
    [InlineData("""{"instruction":"a","instances":[{"output":"b"}]}""", RecordKind.Demonstrations)]
    [InlineData("""{"prompt":"a","chosen":"b","rejected":"c"}""", RecordKind.Rankings)]
    [InlineData("""{"chosen":"b","rejected":"c"}""", RecordKind.Rankings)]
    [InlineData("""{"prompt":"a","completions":["b","c"],"ranks":[1,2]}""", RecordKind.Rankings)]
    [InlineData("""{"prompt":"a","completion":"b","label":true}""", RecordKind.Unpaired)]
    [InlineData("""{"prompt":"a","completion":"b","label":null}""", RecordKind.Demonstrations)]
    [InlineData("""{"prompt":"a"}""", RecordKind.Prompts)]
    public void A_file_is_recognized_by_its_columns(string row, RecordKind kind) =>
        Assert.Equal(kind, RecordReader.Recognize(folder.File("d.json", row)));

    [Fact]
    public void A_text_file_is_text() => Assert.Equal(RecordKind.Text, RecordReader.Recognize(folder.File("d.txt.zst", "a")));

    [Theory]
    [InlineData("""{"id":1,"chosen":"b"}""", "found a row with the columns \"id\", \"chosen\"", "Nearest: rankings without \"rejected\"")]
    [InlineData("""{"prompt":"a","completions":["b"]}""", "found a row with the columns \"prompt\", \"completions\"", "Nearest: rankings without \"ranks\"")]
    [InlineData("""{"answer":"a"}""", "found a row with the columns \"answer\"", "Nearest: demonstrations without \"prompt\" or \"instruction\" or \"question\"")]
    [InlineData("""{"a":1}""", "found a row with the columns \"a\"", "Rename the columns")]
    [InlineData("""{}""", "found a row with the columns none", "Rename the columns")]
    public void What_is_missing_is_named(string row, string found, string missing)
    {
        var path = folder.File("d.jsonl", row);
        var read = row.Contains("completions", StringComparison.Ordinal) || row.Contains("chosen", StringComparison.Ordinal)
            ? () => RecordReader.ReadRankings(path).ToList() : (Func<object>)(() => RecordReader.ReadDemonstrations(path).ToList());
        var message = Assert.Throws<InvalidDataException>(read).Message;
        Assert.StartsWith($"{path}:1: {found}; expected ", message);
        Assert.Contains(missing, message);
        if (!row.Contains("completions", StringComparison.Ordinal))
            Assert.StartsWith($"{path}:1: {found}; expected ", Assert.Throws<InvalidDataException>(() => RecordReader.Recognize(path)).Message);
    }

    [Theory]
    [InlineData("true", true)]
    [InlineData("false", false)]
    [InlineData("1", true)]
    [InlineData("0", false)]
    [InlineData("\"up\"", true)]
    [InlineData("\"Down\"", false)]
    [InlineData("\"good\"", true)]
    [InlineData("\"bad\"", false)]
    [InlineData("\"True\"", true)]
    [InlineData("\" 0 \"", false)]
    public void Thumbs_are_read_in_every_spelling(string label, bool desirable)
    {
        foreach (var row in (string[])[$$"""{"prompt":"Q","completion":"A","label":{{label}}}""", $$"""{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}],"label":{{label}}}"""])
        {
            var read = Assert.Single(RecordReader.ReadUnpaired(folder.File("u.jsonl", row)));
            Assert.Equal([Message.User("Q")], read.Prompt);
            Assert.Equal("A", read.Completion);
            Assert.Equal(desirable, read.Desirable);
        }
    }

    [Theory]
    [InlineData("2")]
    [InlineData("-1")]
    [InlineData("1e999")]
    [InlineData("\"maybe\"")]
    [InlineData("\"\"")]
    [InlineData("[true]")]
    public void Another_label_is_an_error(string label)
    {
        var path = folder.File("u.jsonl", $$"""{"prompt":"Q","completion":"A","label":{{label}}}""");
        Assert.StartsWith($"{path}:1: found the label {label}; expected true or false", Assert.Throws<InvalidDataException>(() => RecordReader.ReadUnpaired(path).ToList()).Message);
    }

    [Fact]
    public void Rated_completions_survive_writing_and_reading()
    {
        Unpaired[] rows = [new([Message.System("S"), Message.User("Q")], "A", true), new([Message.User("R\n")], " é ", false)];
        JsonlWriter.WriteUnpaired(folder.Path("u.jsonl"), rows);
        var read = RecordReader.ReadUnpaired(folder.Path("u.jsonl")).ToList();
        Assert.Equal(rows.SelectMany(row => row.Prompt), read.SelectMany(row => row.Prompt));
        Assert.Equal(rows.Select(row => (row.Completion, row.Desirable)), read.Select(row => (row.Completion, row.Desirable)));
    }

    [Fact]
    public void Every_instance_of_a_task_is_a_demonstration()
    {
        var path = folder.File("s.jsonl", """{"instruction":"Add.","instances":[{"input":"1 + 1","output":"2"},{"input":"","output":"3"}]}""");
        Assert.Equal(["Add.\n\n1 + 1", "2", "Add.", "3"], RecordReader.ReadDemonstrations(path).SelectMany(row => row.Messages).Select(message => message.Content));
        var bad = folder.File("b.jsonl", """{"instruction":"Add.","instances":["2"]}""");
        Assert.StartsWith($"{bad}:1: found a part of the row that is a JSON string", Assert.Throws<InvalidDataException>(() => RecordReader.ReadDemonstrations(bad).ToList()).Message);
    }

    [Fact]
    public void Lists_under_headings_are_rows()
    {
        var path = folder.File("h.json", "{\n \"A\": {\"x\": [\"one?\", \"two?\"],\n  \"y\": []},\n \"B \\\"\": [\"three?\"]\n}\n");
        Assert.Equal(["one?", "two?", "three?"], RecordReader.ReadPrompts(path).Select(prompt => prompt.Messages[0].Content));
        Assert.Equal($"{path}:4", RecordReader.ReadPrompts(path).Last().Origin.ToString());
        Assert.Equal(["one?", "two?", "three?"], RecordReader.ReadText(path));
    }

    [Theory]
    [InlineData("{\n\"prompt\": \"a\",\n\"completion\": \"b\"\n}")]
    [InlineData("{\n\"data\": [{\"prompt\":\"a\"}],\n\"version\": 1}")]
    [InlineData("{\n\"data\": [{\"prompt\":\"a\"}]")]
    [InlineData("{\n\"data\": [{\"prompt\":\"a\"}]} x")]
    public void An_object_over_several_lines_that_is_not_made_of_rows_is_an_error(string content)
    {
        var path = folder.File("h.json", content);
        Assert.StartsWith(path + ":", Assert.Throws<InvalidDataException>(() => RecordReader.ReadPrompts(path).ToList()).Message);
    }

    [Theory]
    [InlineData("""{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}""", "found a turn with \"tool_calls\"")]
    [InlineData("""{"role":"assistant","content":"x","function_call":{"name":"f"}}""", "found a turn with \"function_call\"")]
    [InlineData("""{"role":"function","name":"f","content":"x"}""", "found the role \"function\"")]
    [InlineData("""{"role":"assistant","content":[{"type":"image_url","image_url":{"url":"x"}}]}""", "without \"content\" as text")]
    public void Calls_of_tools_and_pictures_are_named(string turn, string found)
    {
        var path = folder.File("t.jsonl", $$"""{"messages":[{"role":"user","content":"Q"},{{turn}}]}""");
        Assert.Contains(found, Assert.Throws<InvalidDataException>(() => RecordReader.ReadDemonstrations(path).ToList()).Message);
    }

    [Fact]
    public void A_content_in_parts_is_their_text()
    {
        var path = folder.File("t.jsonl", """{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":"c","tool_calls":null}]}""");
        Assert.Equal([Message.User("ab"), Message.Assistant("c")], Assert.Single(RecordReader.ReadDemonstrations(path)).Messages);
    }
}

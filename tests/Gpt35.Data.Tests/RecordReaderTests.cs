namespace Gpt35.Data.Tests;

public sealed class RecordReaderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly List<string> warnings = [];

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]}""")]
    [InlineData("""{"messages":[{"role":"user","content":"Hi","name":"x"},{"role":"assistant","content":"Hello"}],"id":7}""")]
    [InlineData("""{"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]}""")]
    [InlineData("""{"prompt":"Hi","completion":"Hello","source":null}""")]
    [InlineData("""{"prompt":[{"role":"user","content":"Hi"}],"completion":[{"role":"assistant","content":"Hello"}]}""")]
    [InlineData("""{"instruction":"Hi","input":"","output":"Hello"}""")]
    [InlineData("""{"instruction":"Hi","input":null,"response":"Hello"}""")]
    [InlineData("""{"prompt":"\n\nHuman: Hi\n\nAssistant:","completion":"Hello"}""")]
    public void Every_known_shape_of_a_demonstration_gives_the_same_conversation(string row)
    {
        var demonstration = Assert.Single(RecordReader.ReadDemonstrations(folder.File("d.jsonl", row + "\n")));
        Assert.Equal([Message.User("Hi"), Message.Assistant("Hello")], demonstration.Messages);
    }

    [Fact]
    public void The_input_of_an_instruction_follows_it_after_a_blank_line()
    {
        var path = folder.File("d.jsonl", """{"instruction":"Add.","input":"1 + 1","output":"2"}""");
        Assert.Equal("Add.\n\n1 + 1", Assert.Single(RecordReader.ReadDemonstrations(path)).Messages[0].Content);
    }

    [Theory]
    [InlineData("d.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n\n{\"prompt\":\"c, [d]\",\"completion\":\"e \\\"]\\\" \\\\\"}\r\n")]
    [InlineData("d.jsonl.gz", "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\"c, [d]\",\"completion\":\"e \\\"]\\\" \\\\\"}")]
    [InlineData("d.json", "\uFEFF[{\"prompt\":\"a\",\"completion\":\"b\"},\n {\"prompt\":\"c, [d]\",\n\"completion\":\"e \\\"]\\\" \\\\\"}]\n")]
    [InlineData("d.json.gz", "  [ {\"prompt\":\"a\",\"completion\":\"b\", \"x\": [{}, [1, 2]]} , {\"prompt\":\"c, [d]\",\"completion\":\"e \\\"]\\\" \\\\\"} ]")]
    public void Lines_and_arrays_compressed_or_not_hold_the_same_rows(string name, string content)
    {
        var read = RecordReader.ReadDemonstrations(folder.File(name, content)).ToList();
        Assert.Equal(["a", "b", "c, [d]", "e \"]\" \\"], read.SelectMany(row => row.Messages).Select(message => message.Content));
    }

    [Fact]
    public void A_compressed_file_is_known_by_its_bytes_whatever_its_name()
    {
        var packed = folder.File("a.jsonl.gz", """{"text":"x"}""");
        File.Move(packed, folder.Path("b.jsonl"));
        Assert.Equal(["x"], RecordReader.ReadText(folder.Path("b.jsonl")));
    }

    [Fact]
    public void Rows_are_read_as_they_are_asked_for()
    {
        var path = folder.File("d.jsonl", "{\"text\":\"first\"}\nnot json at all");
        Assert.Equal("first", RecordReader.ReadText(path).First());
    }

    [Theory]
    [InlineData("""{"prompt":"Q","chosen":"good","rejected":"bad"}""")]
    [InlineData("""{"prompt":[{"role":"user","content":"Q"}],"chosen":[{"role":"assistant","content":"good"}],"rejected":[{"role":"assistant","content":"bad"}]}""")]
    [InlineData("""{"prompt":"Q","chosen":[{"role":"user","content":"Q"},{"role":"assistant","content":"good"}],"rejected":[{"role":"user","content":"Q"},{"role":"assistant","content":"bad"}]}""")]
    [InlineData("""{"chosen":[{"role":"user","content":"Q"},{"role":"assistant","content":"good"}],"rejected":[{"role":"user","content":"Q"},{"role":"assistant","content":"bad"}]}""")]
    [InlineData("""{"chosen":"\n\nHuman: Q\n\nAssistant: good","rejected":"\n\nHuman: Q\n\nAssistant: bad"}""")]
    [InlineData("""{"prompt":"Q","completions":["good","bad"],"ranks":[1,2]}""")]
    public void Every_known_shape_of_a_preference_gives_the_same_ranking(string row)
    {
        var ranking = Assert.Single(RecordReader.ReadRankings(folder.File("p.jsonl", row)));
        Assert.Equal([Message.User("Q")], ranking.Prompt);
        Assert.Equal(["good", "bad"], ranking.Completions);
        Assert.Equal([1, 2], ranking.Ranks);
    }

    [Fact]
    public void Transcripts_of_several_turns_share_all_but_the_last_answer()
    {
        var path = folder.File("p.jsonl", """{"chosen":"\n\nHuman: a\n\nAssistant: b\n\nc\n\nHuman: d\n\nAssistant: yes","rejected":"\n\nHuman: a\n\nAssistant: b\n\nc\n\nHuman: d\n\nAssistant:"}""");
        var ranking = Assert.Single(RecordReader.ReadRankings(path));
        Assert.Equal([Message.User("a"), Message.Assistant("b\n\nc"), Message.User("d")], ranking.Prompt);
        Assert.Equal(["yes", ""], ranking.Completions);
    }

    [Fact]
    public void Rows_that_teach_nothing_are_left_out_and_counted_by_reason()
    {
        var path = folder.File("p.jsonl", string.Join('\n',
            """{"prompt":"Q","chosen":"a","rejected":"a"}""",
            """{"prompt":"Q","chosen":"a","rejected":"b"}""",
            """{"chosen":"\n\nHuman: x\n\nAssistant: 1","rejected":"\n\nHuman: y\n\nAssistant: 2"}""",
            """{"prompt":"Q","chosen":"c","rejected":"c"}"""));
        Assert.Single(RecordReader.ReadRankings(path, warnings.Add));
        Assert.Equal(
            [
                $"{path}: left out 2 of 4 rows: \"chosen\" and \"rejected\" are the same text (first at line 1).",
                $"{path}: left out 1 of 4 rows: \"chosen\" and \"rejected\" answer different prompts (first at line 3).",
            ], warnings);
    }

    [Fact]
    public void A_file_whose_rows_all_teach_nothing_is_an_error()
    {
        var path = folder.File("d.jsonl", """{"prompt":"Q","completion":" "}""");
        var error = Assert.Throws<InvalidDataException>(() => RecordReader.ReadDemonstrations(path).ToList());
        Assert.Contains("the answer is empty (first at line 1)", error.Message);
    }

    [Theory]
    [InlineData("""{"prompt":"Q"}""")]
    [InlineData("""{"prompt":[{"role":"user","content":"Q"}],"completion":"ignored"}""")]
    [InlineData("""{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"dropped"}]}""")]
    [InlineData("""{"instruction":"Q","output":"ignored"}""")]
    [InlineData("""{"chosen":"\n\nHuman: Q\n\nAssistant: x","rejected":"\n\nHuman: Q\n\nAssistant: y"}""")]
    public void Prompts_are_read_from_every_kind_of_row(string row) =>
        Assert.Equal([Message.User("Q")], Assert.Single(RecordReader.ReadPrompts(folder.File("p.jsonl", row))).Messages);

    [Fact]
    public void A_text_file_holds_one_prompt_per_line() =>
        Assert.Equal(["one", "two"], RecordReader.ReadPrompts(folder.File("p.txt", "one\n\ntwo\n")).Select(prompt => prompt.Messages[0].Content));

    [Theory]
    [InlineData("a\n\nb\n<|endoftext|>\nc\n <|endoftext|> \n\n<|endoftext|>\n", new[] { "a\n\nb", "c" })]
    [InlineData("a\nb\r\n\r\n  \nc\n", new[] { "a\nb", "c" })]
    [InlineData("\na\nb\nc\n\n", new[] { "a", "b", "c" })]
    public void A_text_file_is_split_at_separators_else_at_blank_lines_else_by_line(string content, string[] documents) =>
        Assert.Equal(documents, RecordReader.ReadText(folder.File("t.txt", content)));

    [Fact]
    public void Documents_are_read_from_text_or_content_columns()
    {
        var path = folder.File("t.jsonl", "{\"text\":\"a\"}\n{\"content\":\"b\",\"url\":1}\n{\"text\":\" \"}");
        Assert.Equal(["a", "b"], RecordReader.ReadText(path, warnings.Add));
        Assert.Contains("the text is empty", Assert.Single(warnings));
    }

    [Theory]
    [InlineData("", "the file is empty")]
    [InlineData("  \n\n", "the file is empty")]
    [InlineData("[]", "the file is empty")]
    [InlineData("{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\"", ":2: found text that is not JSON")]
    [InlineData("{\"prompt\":\"a\",\"completion\":\"b\"}\n\n[1]", ":3: found a JSON array; expected one JSON object per line")]
    [InlineData("[{\"prompt\":\"a\",\"completion\":\"b\"},\n3]", ":2: found a JSON number; expected a JSON array of objects")]
    [InlineData("[{\"prompt\":\"a\",\"completion\":\"b\"},\n]", "nothing between two commas")]
    [InlineData("[{\"prompt\":\"a\",\"completion\":\"b\"}\n", "the end of the file inside a JSON array")]
    [InlineData("[{\"prompt\":\"a\",\"completion\":\"b\"}]\n[", ":2: found \"[\" after the last row")]
    [InlineData("{\"query\":\"a\",\"answer\":\"b\"}", ":1: found a row with the columns \"query\", \"answer\"; expected \"messages\" or \"conversations\", or \"prompt\" or \"instruction\"")]
    [InlineData("{\"prompt\":1,\"completion\":\"b\"}", "found \"prompt\" that is neither text nor a list")]
    [InlineData("{\"prompt\":\"a\",\"completion\":3}", "found \"completion\" that is neither text nor a list")]
    [InlineData("{\"messages\":[]}", "\"messages\" that is an empty list")]
    [InlineData("{\"messages\":[{\"role\":\"tool\",\"content\":\"b\"}]}", "found the role \"tool\"; expected \"system\", \"user\" or \"assistant\"")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":null}]}", "found a turn of \"messages\" without \"content\" as text")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"b\"}]}", "found a conversation without an assistant turn")]
    public void Bad_demonstrations_are_named_by_file_and_line(string content, string message)
    {
        var path = folder.File("d.jsonl", content);
        var error = Assert.Throws<InvalidDataException>(() => RecordReader.ReadDemonstrations(path).ToList());
        Assert.StartsWith(path + ":", error.Message);
        Assert.Contains(message, error.Message);
    }

    [Theory]
    [InlineData("""{"prompt":"Q","chosen":"a"}""", "found a row with the columns \"prompt\", \"chosen\"")]
    [InlineData("""{"chosen":"a","rejected":"b"}""", "found \"chosen\" and \"rejected\" without a prompt")]
    [InlineData("""{"chosen":"\n\nHuman: a","rejected":"b"}""", "\"chosen\" that ends with a user turn")]
    [InlineData("""{"chosen":"\n\nHuman: a\n\nAssistant: c","rejected":"b"}""", "one of \"chosen\" and \"rejected\" with its prompt")]
    [InlineData("""{"prompt":"Q","completions":["a","b"],"ranks":[1]}""", "found 2 completions and 1 ranks")]
    [InlineData("""{"prompt":"Q","completions":["a","b"],"ranks":[0,1]}""", "found the rank 0; expected whole numbers from 1")]
    [InlineData("""{"prompt":"Q","completions":["a",2],"ranks":[1,2]}""", "found a completion that is not text")]
    [InlineData("""{"prompt":"Q","completions":"a","ranks":[1,2]}""", "found \"completions\" that is not a list")]
    public void Bad_preferences_are_named_by_file_and_line(string row, string message)
    {
        var path = folder.File("p.jsonl", row);
        var error = Assert.Throws<InvalidDataException>(() => RecordReader.ReadRankings(path).ToList());
        Assert.StartsWith($"{path}:1: found", error.Message);
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Bytes_that_are_no_text_and_damaged_archives_are_named()
    {
        var latin = folder.File("l.txt", [(byte)'c', 0xe9, (byte)'\n']);
        Assert.Contains("not UTF-8", Assert.Throws<InvalidDataException>(() => RecordReader.ReadText(latin).ToList()).Message);

        var whole = File.ReadAllBytes(folder.File("w.jsonl.gz", string.Concat(Enumerable.Range(0, 500).Select(i => $"{{\"text\":\"{i * 7919}\"}}\n"))));
        File.WriteAllBytes(folder.Path("cut.jsonl.gz"), whole[..(whole.Length / 2)]);
        var error = Assert.Throws<InvalidDataException>(() => RecordReader.ReadText(folder.Path("cut.jsonl.gz")).ToList());
        Assert.Contains("damaged gzip stream", error.Message);
    }

    [Fact]
    public void A_missing_file_is_reported_before_the_first_row_is_asked_for()
    {
        Assert.Contains("no such file", Assert.Throws<FileNotFoundException>(() => RecordReader.ReadText(folder.Path("none.jsonl"))).Message);
        Assert.Contains("is a folder", Assert.Throws<FileNotFoundException>(() => RecordReader.ReadRankings(folder.Path("."))).Message);
        Assert.Contains("found a plain text file", Assert.Throws<InvalidDataException>(() => RecordReader.ReadDemonstrations(folder.File("d.txt", "x"))).Message);
    }
}

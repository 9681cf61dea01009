using System.Text.Json;
using Gpt35.Data;

namespace Gpt35.Cli.Tests;

public sealed class DataInspectVerbTests : IDisposable
{
    private const string Pairs = """
        {"prompt":"Q","chosen":"good","rejected":"bad"}
        {"prompt":"Q","chosen":"same","rejected":"same"}
        {"prompt":"Q","chosen":"good","rejected":"bad"}
        """;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static string Run(int exit, params string[] args)
    {
        using var terminal = new Terminal();
        Assert.Equal(exit, terminal.Run(["data", "inspect", .. args]));
        Assert.DoesNotContain("   at ", terminal.Error);
        return exit == 0 ? terminal.Out : terminal.Error;
    }

    [Fact]
    public void What_is_in_a_file_and_what_is_wrong_with_it_is_said_and_the_file_left_alone()
    {
        var path = folder.Write("pairs.jsonl", Pairs);
        var report = Run(0, path);
        Assert.StartsWith($"{path}: rankings, 3 rows, 2 of use to training\n", report);
        Assert.Contains("Turns: user 2\n", report);
        Assert.Contains("Tokens as cl100k_base, chat format chatml.", report);
        Assert.Contains($"        1  of no use: \"chosen\" and \"rejected\" are the same text\n           first: {path}:2\n", report);
        Assert.Contains($"        1  duplicate: the same as an earlier row\n           first: {path}:3 (record 2) repeats record 1\n", report);
        Assert.Contains("assistant trained  good<|im_end|>\n", report);
        Assert.Contains("100264 882 198", report);
        Assert.Equal(Pairs, File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Fixing_writes_a_copy_under_a_name_of_its_own_and_says_what_is_missing_from_it()
    {
        var path = folder.Write("pairs.jsonl", Pairs);
        var report = Run(0, path, "--fix");
        Assert.Contains($"1 of 3 rows in {folder["pairs.clean.jsonl"]}; without 1 of no use, 1 duplicate (a row may be several).", report);
        Assert.Equal(["good", "bad"], RecordReader.ReadRankings(folder["pairs.clean.jsonl"]).Single().Completions);
        Assert.Contains("exists. Nothing was changed", Run(2, path, "--fix"));
        Run(0, path, "--fix", folder["other.jsonl.gz"]);
        Assert.Single(RecordReader.ReadRankings(folder["other.jsonl.gz"]));
        Assert.Contains("Nothing is wrong", Run(0, folder["pairs.clean.jsonl"]));
    }

    [Fact]
    public void A_file_of_which_nothing_is_of_use_is_not_copied()
    {
        var path = folder.Write("d.jsonl", """{"prompt":"Q","completion":""}""");
        Assert.Contains("none of the 1 rows is of use", Run(2, path, "--fix"));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void The_report_as_json_holds_every_number()
    {
        var path = folder.Write("pairs.jsonl", Pairs);
        using var json = JsonDocument.Parse(Run(0, path, "--json", "--fix", folder["c.jsonl"]));
        var root = json.RootElement;
        Assert.Equal(("rankings", 3, 2), (root.GetProperty("kind").GetString(), root.GetProperty("rows").GetInt32(), root.GetProperty("records").GetInt32()));
        Assert.Equal(2, root.GetProperty("turns").GetProperty("user").GetInt32());
        Assert.Equal(8, root.GetProperty("characters").GetProperty("median").GetInt32());
        Assert.Equal(["teaches_nothing", "duplicate"], root.GetProperty("findings").EnumerateArray().Select(finding => finding.GetProperty("kind").GetString()!));
        Assert.True(root.GetProperty("findings")[1].GetProperty("removed").GetBoolean());
        var example = root.GetProperty("example");
        Assert.Equal(example.GetProperty("ids").GetArrayLength(), example.GetProperty("trained").GetArrayLength());
        Assert.Equal("assistant", example.GetProperty("roles").EnumerateArray().Last().GetString());
        Assert.Equal("<|im_end|>", example.GetProperty("text").EnumerateArray().Last().GetString());
        Assert.Equal(1, root.GetProperty("clean").GetProperty("rows").GetInt32());
    }

    [Fact]
    public void Rows_with_words_of_a_test_are_contaminated()
    {
        var words = string.Join(' ', Enumerable.Range(0, 20).Select(i => $"w{i}"));
        var path = folder.Write("t.jsonl", $"{{\"text\":\"see: {words.ToUpperInvariant()}!\"}}\n{{\"text\":\"fine\"}}");
        var report = Run(0, path, "--against", folder.Write("test.jsonl", $"{{\"question\":\"{words}\",\"answer\":\"7\"}}"), folder.Write("more.txt", words), "--fix");
        Assert.Contains("1  contaminated: words of a test", report);
        Assert.Contains($"of {folder["test.jsonl"]}:1", report);
        Assert.Contains("1 texts of the test files are too short to look for.", report);
        Assert.Equal(["fine"], RecordReader.ReadText(folder["t.clean.jsonl"]));
        var part = folder.Write("part.jsonl", $"{{\"text\":\"{string.Join(' ', words.Split(' ').Take(15))}\"}}");
        Assert.Contains("1  contaminated", Run(0, part, "--against", folder["test.jsonl"]));
        Assert.Contains("Nothing is wrong", Run(0, part, "--against", folder["test.jsonl"], "--test-words", "16"));
    }

    [Fact]
    public void Near_duplicates_are_told_by_words_or_characters_from_the_likeness_asked_for()
    {
        var words = string.Join(' ', Enumerable.Range(0, 40).Select(i => $"w{i}"));
        var path = folder.Write("t.jsonl", $"{{\"text\":\"{words}\"}}\n{{\"text\":\"{words} end\"}}");
        Assert.Contains("1  near-duplicate", Run(0, path));
        Assert.Contains("1  near-duplicate", Run(0, path, "--near-characters", "8"));
        Assert.Contains("1  near-duplicate", Run(0, path, "--near-words", "1", "--near", "0.95"));
        Assert.Contains("Nothing is wrong", Run(0, path, "--near", "0.99"));
        Assert.Contains("Nothing is wrong", Run(0, path, "--near", "0"));
    }

    [Fact]
    public void A_model_brings_its_tokenizer_format_and_context()
    {
        var text = folder.Write("text.txt", string.Join("\n\n", Enumerable.Repeat("The goat lives by the lake.", 20)));
        using var train = new Terminal();
        Assert.Equal(0, train.Run("tokenizer", "train", text, "--vocab-size", "270", "--out", folder["model"]));
        folder.Write("model/config.json", """{"model_type":"gpt2","vocab_size":270,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":1,"max_position_embeddings":16}""");
        folder.Write("model/gpt35.json", """{"stage":"sft","chat_format":"instruct"}""");
        var path = folder.Write("d.jsonl", """{"prompt":"The goat lives?","completion":"The goat lives by the lake, and so does the other goat."}""");
        var report = Run(0, path, "--model", folder["model"]);
        Assert.Contains($"Tokens as {folder["model"]}, chat format instruct.", report);
        Assert.Contains("too long: more than 16 tokens", report);
        Assert.Contains("Nothing is wrong", Run(0, path, "--model", folder["model"], "--context", "1000"));
        Assert.Contains("chat format chatml", Run(0, path, "--model", folder["model"], "--format", "chatml"));
        Assert.Contains("expected one of them", Run(2, path, "--model", folder["model"], "--tokenizer", "r50k_base"));
    }

    [Theory]
    [InlineData("none.jsonl: no such file", "none.jsonl")]
    [InlineData("expected a number between 0 and 1", "d.jsonl", "--near", "2")]
    [InlineData("is not a chat format", "d.jsonl", "--format", "chatlm")]
    [InlineData("<|im_end|>", "d.jsonl", "--tokenizer", "r50k_base", "--format", "chatml")]
    [InlineData("no such file", "d.jsonl", "--against", "none.jsonl")]
    [InlineData("d.jsonl:1", "d.jsonl")]
    [InlineData("expected .jsonl or .jsonl.gz", "d.jsonl", "--fix", "o.csv")]
    public void Wrong_input_is_one_message(string message, params string[] args)
    {
        folder.Write("d.jsonl", """{"unknown":"columns"}""");
        if (args.Length > 1) folder.Write("d.jsonl", """{"prompt":"Q","completion":"A"}""");
        Assert.Contains(message, Run(2, [.. args.Select(word => word.EndsWith(".jsonl") ? folder[word] : word)]));
    }

    [Fact]
    public void On_a_terminal_the_trained_tokens_have_a_colour()
    {
        var output = new StringWriter();
        using var terminal = new Terminal();
        var session = terminal.Session with
        {
            Out = output,
            Console = Spectre.Console.AnsiConsole.Create(new Spectre.Console.AnsiConsoleSettings
            {
                Ansi = Spectre.Console.AnsiSupport.Yes,
                ColorSystem = Spectre.Console.ColorSystemSupport.Standard,
                Out = new Spectre.Console.AnsiConsoleOutput(output),
            }),
        };
        Assert.Equal(0, CommandLine.Run(["data", "inspect", folder.Write("pairs.jsonl", Pairs)], session));
        Assert.Matches("\e\\[[0-9;]+massistant trained  good", output.ToString());
    }
}

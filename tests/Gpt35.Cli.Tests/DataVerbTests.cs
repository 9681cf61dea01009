using Gpt35.Data;

namespace Gpt35.Cli.Tests;

/// <summary><c>gpt35 data mix|convert|tokenize</c>.</summary>
public sealed class DataVerbTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Text(string name, int count) => folder.Write(name, string.Concat(Enumerable.Range(0, count).Select(i => $"{{\"text\":\"{Path.GetFileNameWithoutExtension(name)}{i}\"}}\n")));

    private static string Run(int exit, params string[] args)
    {
        using var terminal = new Terminal();
        Assert.Equal(exit, terminal.Run(args));
        Assert.DoesNotContain("   at ", terminal.Error);
        return exit == 0 ? terminal.Out : terminal.Error;
    }

    private List<string> Documents(string name) => [.. RecordReader.ReadText(folder[name])];

    [Fact]
    public void A_mixture_has_its_proportions_and_says_what_it_took()
    {
        var report = Run(0, "data", "mix", $"{Text("a.jsonl", 10)}:3", Text("b.jsonl", 100), "--out", folder["m.jsonl"], "--rows", "80", "--seed", "4");
        var rows = Documents("m.jsonl");
        Assert.Equal(60, rows.Count(row => row[0] == 'a'));
        Assert.Equal(15, rows.Take(20).Count(row => row[0] == 'a'));
        Assert.Contains("80 rows of text in ", report);
        Assert.Contains($"60   75.0 %  {folder["a.jsonl"]} (6.00 epochs)", report);
        Assert.Contains($"20   25.0 %  {folder["b.jsonl"]} (0.20 epochs)", report);

        Run(0, "data", "mix", $"{folder["a.jsonl"]}:3", folder["b.jsonl"], "--out", folder["again.jsonl.gz"], "--rows", "80", "--seed", "4");
        Assert.Equal(rows, Documents("again.jsonl.gz"));
    }

    [Fact]
    public void Without_a_number_of_rows_every_file_is_taken_once()
    {
        Run(0, "data", "mix", $"{Text("a.jsonl", 10)}:9", Text("b.jsonl", 30), "--out", folder["m.jsonl"]);
        Assert.Equal(40, Documents("m.jsonl").Distinct().Count());
    }

    [Fact]
    public void A_mixture_may_be_a_recipe_with_epochs()
    {
        var recipe = folder.Write("mix.yaml", $$"""
            seed: 7
            shuffle_buffer: 0
            sources:
              - { file: {{Text("a.jsonl", 10)}}, weight: 2, epochs: 1.5 }
              - { file: {{Text("b.jsonl", 20)}}, epochs: 0.5 }
            """);
        var report = Run(0, "data", "mix", recipe, "--out", folder["m.jsonl"]);
        Assert.Contains("25 rows", report);
        Assert.Contains("(1.50 epochs)", report);
        Assert.Equal(["a0", "a1"], Documents("m.jsonl").Where(row => row[0] == 'a').Take(2));
        Assert.Contains("That is less than the 90 asked for", Run(0, "data", "mix", recipe, "--out", folder["n.jsonl"], "--rows", "90"));
    }

    [Fact]
    public void A_wrong_mixture_is_one_message_and_no_file()
    {
        var (a, pairs) = (Text("a.jsonl", 3), folder.Write("p.jsonl", """{"prompt":"Q","chosen":"x","rejected":"y"}"""));
        Assert.Contains("expected a number above 0", Run(2, "data", "mix", $"{a}:0", "--out", folder["m.jsonl"]));
        Assert.Contains("no such file", Run(2, "data", "mix", a, folder["none.jsonl"], "--out", folder["m.jsonl"]));
        Assert.Contains("holds text and", Run(2, "data", "mix", a, pairs, "--out", folder["m.jsonl"]));
        Assert.Contains("expected .jsonl or .jsonl.gz", Run(2, "data", "mix", a, "--out", folder["m.txt"]));
        Assert.Contains("exists. Nothing was changed", Run(2, "data", "mix", a, "--out", pairs));
        Assert.Contains("one YAML file that lists all", Run(2, "data", "mix", a, folder["mix.yaml"], "--out", folder["m.jsonl"]));
        Assert.Contains("mix.yaml:1: sources is a list; expected a list of { file: …, weight: …, epochs: … }", Run(2, "data", "mix", folder.Write("mix.yaml", "sources: [a.jsonl]"), "--out", folder["m.jsonl"]));
        Assert.Contains("sources[0].weight is \"-1\"", Run(2, "data", "mix", folder.Write("mix.yaml", "sources: [{file: a.jsonl, weight: -1}]"), "--out", folder["m.jsonl"]));
        Assert.Contains("broken.jsonl:2", Run(2, "data", "mix", folder.Write("broken.jsonl", "{\"text\":\"x\"}\n{\"text\":"), "--out", folder["m.jsonl"]));
        Assert.Empty(Directory.GetFiles(folder.Path, "m.*"));
    }

    [Theory]
    [InlineData("messages", """{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"x"}]}""")]
    [InlineData("prompt-completion", """{"prompt":[{"role":"user","content":"Q"}],"completion":"x"}""")]
    [InlineData("unpaired", """{"prompt":[{"role":"user","content":"Q"}],"completion":"x","label":true}""", """{"prompt":[{"role":"user","content":"Q"}],"completion":"y","label":false}""")]
    [InlineData("preference", """{"prompt":[{"role":"user","content":"Q"}],"completions":["x","y"],"ranks":[1,2]}""")]
    [InlineData("prompts", """{"prompt":[{"role":"user","content":"Q"}]}""")]
    public void Preferences_convert_to(string to, params string[] rows)
    {
        var pairs = folder.Write("p.json", """[{"prompt":"Q","chosen":"x","rejected":"y","more":1}]""");
        Assert.Contains($"{rows.Length} rows as {to} in ", Run(0, "data", "convert", pairs, folder["out.jsonl"], "--to", to));
        Assert.Equal(rows, File.ReadAllLines(folder["out.jsonl"]));
    }

    [Fact]
    public void Any_readable_file_becomes_jsonl_and_what_is_left_out_is_said()
    {
        Run(0, "data", "convert", folder.Write("t.txt", "one\n\ntwo\nlines"), folder["t.jsonl.gz"]);
        Assert.Equal(["one", "two\nlines"], Documents("t.jsonl.gz"));
        using var terminal = new Terminal();
        Assert.Equal(0, terminal.Run("data", "convert", folder.Write("d.csv", "prompt,completion\nQ,\"A, B\"\nQ2,\n"), folder["d.jsonl"]));
        Assert.Contains("left out 1 of 2 rows: the answer is empty", terminal.Error);
        Assert.Equal("A, B", RecordReader.ReadDemonstrations(folder["d.jsonl"]).Single().Messages[1].Content);
    }

    [Fact]
    public void A_conversion_that_means_nothing_says_what_is_possible()
    {
        var text = Text("a.jsonl", 1);
        Assert.Contains($"{text}: text cannot become messages: text has no turns and no verdicts. Possible: text.", Run(2, "data", "convert", text, folder["o.jsonl"], "--to", "messages"));
        Assert.Contains("prompt-completion", Run(2, "data", "convert", text, folder["o.jsonl"], "--to", "nonsense"));
        Assert.Contains("no such file", Run(2, "data", "convert", folder["none.jsonl"], folder["o.jsonl"]));
        Assert.False(File.Exists(folder["o.jsonl"]));
    }

    [Fact]
    public void Tokenizing_writes_shards_that_hold_the_tokens_of_the_text()
    {
        var report = Run(0, "data", "tokenize", Text("a.jsonl", 3), "--tokenizer", "r50k_base", "--out", folder["shards"]);
        using var shards = TokenShards.Open(folder["shards"], Tokenization.Tokenizer.Load("r50k_base"));
        Assert.Equal(3, shards.Count);
        Assert.Contains("tokens of 3 documents (6 bytes) in 1 shards", report);
        Assert.Contains("exists and is not empty", Run(2, "data", "tokenize", folder["a.jsonl"], "--tokenizer", "r50k_base", "--out", folder["shards"]));
        Assert.Contains("no such file", Run(2, "data", "tokenize", folder["b.jsonl"], "--tokenizer", "r50k_base", "--out", folder["more"]));
        Assert.False(Directory.Exists(folder["more"]));
    }

    [Theory]
    [InlineData("mix", "a.jsonl", "--out", "out.jsonl")]
    [InlineData("convert", "a.jsonl", "out.jsonl")]
    [InlineData("inspect", "a.jsonl", "--fix", "out.jsonl")]
    [InlineData("tokenize", "a.jsonl", "--tokenizer", "r50k_base", "--out", "out")]
    public void Stopped_at_once_it_writes_nothing(string verb, params string[] more)
    {
        Text("a.jsonl", 50);
        using var terminal = new Terminal();
        terminal.Session.Interrupts.Press();
        Assert.Equal(130, terminal.Run(["data", verb, .. more.Select(word => word.Contains("a.jsonl") || word.StartsWith("out") ? folder[word] : word)]));
        Assert.Contains("Stopped", terminal.Error);
        Assert.Equal([folder["a.jsonl"]], Directory.GetFileSystemEntries(folder.Path));
    }

    [Theory]
    [InlineData("mix", "d.jsonl", "--out", "out.jsonl")]
    [InlineData("convert", "d.jsonl", "out.jsonl")]
    public void Stopped_while_writing_it_leaves_no_half_file(string verb, params string[] more)
    {
        folder.Write("d.jsonl", """{"prompt":"Q","completion":"A"}""" + "\n" + """{"prompt":"Q","completion":""}""");
        using var terminal = new Terminal();
        // The warning about the empty answer comes when the rows have been written.
        var session = terminal.Session with { Error = new PressingWriter(terminal.Session) };
        Assert.Equal(130, CommandLine.Run(["data", verb, .. more.Select(word => word.EndsWith(".jsonl") ? folder[word] : word)], session));
        Assert.Equal([folder["d.jsonl"]], Directory.GetFileSystemEntries(folder.Path));
    }

    /// <summary>Ctrl-C at the first line.</summary>
    private sealed class PressingWriter(Session session) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            session.Interrupts.Press();
        }
    }
}

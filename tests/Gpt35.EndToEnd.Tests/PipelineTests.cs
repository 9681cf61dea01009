using System.Text.Json.Nodes;

namespace Gpt35.EndToEnd.Tests;

/// <summary>The whole recipe in miniature, through the command line: from a seed to a report card and a chat.</summary>
public class PipelineTests(PipelineTests.Miniature run) : IClassFixture<PipelineTests.Miniature>
{
    /// <summary>One miniature quickstart, shared by the tests that look at what it left.</summary>
    public sealed class Miniature : IDisposable
    {
        private readonly TemporaryFolder folder = new();

        public Miniature()
        {
            using var terminal = new Terminal();
            ExitCode = terminal.Run("quickstart", "--out", Folder, "--recipes", Recipes, "--seed", "3", "--threads", "2", "--no-chat");
            (Out, Error) = (terminal.Out, terminal.Error);
        }

        public string Folder => folder["run"];
        public int ExitCode { get; }
        public string Out { get; }
        public string Error { get; }

        public void Dispose() => folder.Dispose();
    }

    internal static string Recipes { get; } = Path.Combine(AppContext.BaseDirectory, "miniature");

    [Fact]
    public void It_ends_well_and_leaves_every_model_curve_and_page()
    {
        Assert.True(run.ExitCode == 0, run.Error);
        string[] files =
        [
            "data/text.jsonl", "data/prompts-heldout.jsonl", "data/prompts-refusal.jsonl", "tokenizer/tokenizer.json", "rankings.jsonl",
            "eval/base.json", "eval/sft.json", "eval/rlhf.json", "eval/base-refusals.json", "eval/sft-refusals.json", "eval/rlhf-refusals.json", "eval/reward.json", "report.md", "report.html", "report.json",
            .. ((string[])["pretrain", "sft", "reward", "ppo"]).SelectMany(stage => (string[])
                [$"{stage}/recipe.yaml", $"{stage}/metrics.jsonl", $"{stage}/summary.json", $"{stage}/model/config.json", $"{stage}/model/model.safetensors"]),
        ];
        Assert.All(files, file => Assert.True(File.Exists(Path.Combine(run.Folder, file)), file));
    }

    [Fact]
    public void It_leaves_no_temporary_file()
    {
        var names = Directory.EnumerateFileSystemEntries(run.Folder, "*", SearchOption.AllDirectories).Select(path => Path.GetFileName(path)!);
        Assert.DoesNotContain(names, name => name.EndsWith(".tmp") || name.EndsWith(".new") || name.StartsWith('.'));
    }

    [Fact]
    public void The_report_holds_every_number_that_scripts_rely_on()
    {
        var report = Report(run.Folder);
        string[] numbers =
        [
            "seconds.total", "seconds.pretrain", "seconds.sft", "seconds.reward", "seconds.ppo",
            .. Models("accuracy", ".overall"), "unknown_accuracy.sft", "unknown_accuracy.rlhf", "harmful_refused", "harmless_refused",
            .. Models("perplexity", ""), "reward_model_accuracy", "kl_per_token",
            .. ((string[])["sft_vs_base", "rlhf_vs_sft"]).SelectMany(pair => (string[])[$"win_rate.{pair}.value", $"win_rate.{pair}.low", $"win_rate.{pair}.high"]),
        ];
        Assert.All(numbers, path => Assert.True(double.IsFinite(At(report, path).GetValue<double>()), path));
        Assert.All((string[])["base", "sft", "rlhf"], model => Assert.True(At(report, $"accuracy.{model}.by_kind").AsObject().Count >= 14));

        static IEnumerable<string> Models(string what, string more) => ((string[])["base", "sft", "rlhf"]).Select(model => $"{what}.{model}{more}");
    }

    [Fact]
    public void Training_lowers_the_held_out_loss()
    {
        foreach (var stage in (string[])["pretrain", "sft"])
        {
            var summary = JsonNode.Parse(File.ReadAllText(Path.Combine(run.Folder, stage, "summary.json")))!;
            var numbers = summary["numbers"]?.AsObject() ?? summary.AsObject();
            Assert.True(numbers["heldout_loss_after"]!.GetValue<double>() < numbers["heldout_loss_before"]!.GetValue<double>(), stage);
        }
    }

    [Fact]
    public void It_shows_every_command_it_runs_and_the_table_within_80_columns()
    {
        foreach (var verb in (string[])["data synth", "tokenizer train", "pretrain", "sft", "label simulate", "reward", "ppo", "eval run tinyworld", "eval report"])
            Assert.Contains($"$ gpt35 {verb}", run.Out);
        Assert.Contains("BASE", run.Out);
        Assert.Contains($"gpt35 chat {run.Folder}/ppo", run.Out);
        // Paths can be of any length; the folder of this test is longer than most.
        var end = run.Out[run.Out.LastIndexOf("$ gpt35 eval report")..].Replace(run.Folder, "runs/quickstart");
        Assert.All(end.Split('\n'), line => Assert.True(line.Length <= 80, $"{line.Length} columns: {line}"));
    }

    [Fact]
    public void The_same_seed_gives_the_same_numbers_whatever_the_threads()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        Assert.Equal(0, terminal.Run("quickstart", "--out", folder["again"], "--recipes", Recipes, "--seed", "3", "--threads", "1", "--quiet"));
        Assert.Equal(WithoutTimes(Report(run.Folder)), WithoutTimes(Report(folder["again"])));
        foreach (var stage in (string[])["pretrain", "sft", "reward", "ppo"])
        {
            var weights = Path.Combine(stage, "model", "model.safetensors");
            Assert.True(File.ReadAllBytes(Path.Combine(run.Folder, weights)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(folder["again"], weights))), stage);
        }
    }

    [Fact]
    public void A_finished_quickstart_has_nothing_to_resume_and_does_not_run_twice()
    {
        var before = File.GetLastWriteTimeUtc(Path.Combine(run.Folder, "report.json"));
        using var terminal = new Terminal();
        Assert.Equal(0, terminal.Run("quickstart", "--out", run.Folder, "--resume", "--no-chat"));
        Assert.DoesNotContain("$ gpt35 pretrain", terminal.Out);
        Assert.Equal(before, File.GetLastWriteTimeUtc(Path.Combine(run.Folder, "report.json")));
    }

    [Fact]
    public void The_chat_remembers_and_forgets_and_leaves()
    {
        using var terminal = new Terminal("Where does Tom live?\nAnd what does he like?\n/reset\n/nonsense\nWhat is the opposite of hot?\n/quit\nnever read\n");
        Assert.Equal(0, terminal.Run("chat", Path.Combine(run.Folder, "ppo"), "--greedy", "--max-tokens", "8", "--system", "Answer in one word."));
        Assert.Contains("There is no /nonsense", terminal.Error);
        Assert.Equal("never read", terminal.Session.In.ReadLine());
    }

    [Fact]
    public void A_base_model_continues_text_the_same_for_the_same_seed_and_cannot_chat()
    {
        var model = Path.Combine(run.Folder, "pretrain");
        using var first = new Terminal();
        using var second = new Terminal();
        string[] command = ["generate", model, "Tom lives", "--seed", "5", "--max-tokens", "12"];
        Assert.Equal(0, first.Run(command));
        Assert.Equal(0, second.Run(command));
        Assert.StartsWith("Tom lives", first.Out);
        Assert.Equal(first.Out, second.Out);

        using var chat = new Terminal("Hello\n");
        Assert.Equal(2, chat.Run("chat", model));
        Assert.Contains("is a base model", chat.Error);
    }

    [Fact]
    public void A_trained_model_answers_in_the_form_it_is_told()
    {
        const string schema = """{"type":"object","properties":{"answer":{"type":"string","maxLength":20},"confidence":{"enum":["low","high"]}},"required":["answer","confidence"],"additionalProperties":false}""";
        File.WriteAllText(Path.Combine(run.Folder, "answer.schema.json"), schema);
        string[] command = ["generate", Path.Combine(run.Folder, "sft"), "What is the opposite of hot?", "--max-tokens", "60", "--seed", "4"];
        using var json = new Terminal();
        Assert.Equal(0, json.Run([.. command, "--json-schema", Path.Combine(run.Folder, "answer.schema.json")]));
        var answer = JsonNode.Parse(json.Out)!.AsObject();
        Assert.Equal(["answer", "confidence"], answer.Select(member => member.Key));
        Assert.Contains(answer["confidence"]!.GetValue<string>(), (string[])["low", "high"]);

        using var regex = new Terminal();
        Assert.Equal(0, regex.Run([.. command, "--regex", @"[A-Z][a-z]+ is \d+\."]));
        Assert.Matches(@"^[A-Z][a-z]+ is \d+\.\s*$", regex.Out);
    }

    [Fact]
    public void A_reward_model_does_not_write_text()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("generate", Path.Combine(run.Folder, "reward"), "Hello"));
        Assert.Contains("gives scores, not text", terminal.Error);
    }

    private static JsonNode Report(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "report.json")))!;

    private static JsonNode At(JsonNode node, string path) =>
        path.Split('.').Aggregate(node, (inner, key) => inner[key] ?? throw new KeyNotFoundException($"report.json has no {path}"));

    /// <summary>The report without wall times and what is computed from them.</summary>
    private static string WithoutTimes(JsonNode node)
    {
        Strip(node);
        return node.ToJsonString();

        static void Strip(JsonNode? node)
        {
            if (node is not JsonObject fields) return;
            foreach (var name in fields.Select(field => field.Key).Where(name => name.Contains("second")).ToList()) fields.Remove(name);
            foreach (var field in fields) Strip(field.Value);
        }
    }
}

using System.Text.Json;
using System.Xml.Linq;

namespace Gpt35.Evaluation.Tests;

public sealed class ReportCardTests
{
    [Fact]
    public void The_report_holds_every_number_under_its_promised_name()
    {
        using var run = new SyntheticRun();
        ReportCard.Read(run.Folder).Write();

        using var report = JsonDocument.Parse(File.ReadAllText(Path.Combine(run.Folder, "report.json")));
        foreach (var path in (string[])
        [
            "seconds.total", "seconds.pretrain", "seconds.sft", "seconds.reward", "seconds.ppo", "tokens_per_second.pretrain",
            "accuracy.base.overall", "accuracy.sft.overall", "accuracy.rlhf.overall", "accuracy.base.by_kind.fact", "accuracy.rlhf.by_kind.arithmetic",
            "unknown_accuracy.sft", "unknown_accuracy.rlhf", "harmful_refused", "harmless_refused", "harmful_refused_sft", "harmless_refused_sft",
            "refusals.harmful.low", "refusals.look_alike.value", "refusals.look_alike.high", "refusals.look_alike.prompts",
            "perplexity.base", "perplexity.sft", "perplexity.rlhf", "reward_model_accuracy", "kl_per_token", "alignment_tax",
            "win_rate.sft_vs_base.value", "win_rate.sft_vs_base.low", "win_rate.sft_vs_base.high", "win_rate.rlhf_vs_sft.value",
            "win_rate.rlhf_vs_sft.wins", "win_rate.rlhf_vs_sft.ties", "win_rate.rlhf_vs_sft.losses", "win_rate.rlhf_vs_sft.decided.value",
        ])
            Assert.Equal(JsonValueKind.Number, At(report.RootElement, path).ValueKind);

        Assert.Equal(510 + 24 + 6, At(report.RootElement, "seconds.total").GetDouble(), 9);
        Assert.Equal(6.21, At(report.RootElement, "perplexity.rlhf").GetDouble(), 9);
        Assert.Equal(6.21 / 6.05 - 1, At(report.RootElement, "alignment_tax").GetDouble(), 9);
        // The mean of 0.06·t over the last tenth of the curve, t = 73/80 … 80/80.
        Assert.Equal(0.0574, At(report.RootElement, "kl_per_token").GetDouble(), 0.002);
    }

    [Theory]
    [InlineData("pretrain")]
    [InlineData("sft")]
    [InlineData("reward")]
    [InlineData("ppo")]
    [InlineData("eval")]
    public void A_missing_part_leaves_a_gap_and_not_an_error(string part)
    {
        using var run = new SyntheticRun();
        Directory.Delete(Path.Combine(run.Folder, part), recursive: true);
        ReportCard.Read(run.Folder).Write();

        using var report = JsonDocument.Parse(File.ReadAllText(Path.Combine(run.Folder, "report.json")));
        var gap = part == "eval" ? "accuracy.rlhf" : $"seconds.{part}";
        Assert.Equal(JsonValueKind.Null, At(report.RootElement, gap).ValueKind);
        Assert.Contains("Report card", File.ReadAllText(Path.Combine(run.Folder, "report.html")));
        Assert.Contains("Report card", File.ReadAllText(Path.Combine(run.Folder, "report.md")));
    }

    [Fact]
    public void Nothing_a_model_says_becomes_markup()
    {
        using var run = new SyntheticRun();
        ReportCard.Read(run.Folder).Write();

        foreach (var file in (string[])["report.html", "report.md"])
        {
            var text = File.ReadAllText(Path.Combine(run.Folder, file));
            Assert.DoesNotContain("<script", text);
            Assert.DoesNotContain("<b>", text);
            Assert.Contains("&lt;script&gt;", text);
        }
        Assert.Contains("\\|", File.ReadAllText(Path.Combine(run.Folder, "report.md")));
    }

    [Fact]
    public void Charts_are_well_formed_and_report_md_points_at_each()
    {
        using var run = new SyntheticRun();
        ReportCard.Read(run.Folder).Write();

        var files = Directory.GetFiles(Path.Combine(run.Folder, "plots"), "*.svg");
        Assert.Equal(
            ["margins.svg", "ppo-kl.svg", "ppo-reward.svg", "pretrain.svg", "reward.svg", "sft.svg", "wins.svg"],
            files.Select(f => Path.GetFileName(f)).Order());
        var markdown = File.ReadAllText(Path.Combine(run.Folder, "report.md"));
        foreach (var file in files)
        {
            Assert.Equal("svg", XDocument.Load(file).Root!.Name.LocalName);
            Assert.Contains($"(plots/{Path.GetFileName(file)})", markdown);
        }
    }

    [Fact]
    public void The_page_needs_no_other_file_and_no_network()
    {
        using var run = new SyntheticRun();
        ReportCard.Read(run.Folder).Write();
        var page = File.ReadAllText(Path.Combine(run.Folder, "report.html")).Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal);
        foreach (var outside in (string[])["http:", "https:", "src=", "href=", "@import", "url("]) Assert.DoesNotContain(outside, page);
    }

    [Fact]
    public void The_table_has_a_row_for_every_kind_between_the_total_and_the_rest()
    {
        using var run = new SyntheticRun();
        var card = ReportCard.Read(run.Folder);
        var rows = card.Table();

        Assert.Equal("all kinds", rows[0].Name);
        Assert.Equal(card.Base!.Overall.Value, rows[0].Base);
        Assert.Equal(16, card.Kinds.Count);
        Assert.Equal(1 + 16 + 4, rows.Count);
        Assert.Equal("yes/no question", rows[2].Name);
        Assert.Equal("6.210", rows[^1].Text(r => r.Rlhf));
        Assert.Equal($"{100 * card.Rlhf!.Overall.Value:0.0}\u00A0%", rows[0].Text(r => r.Rlhf));
    }

    [Fact]
    public void Refusals_are_counted_on_their_own_prompts_and_change_no_other_figure()
    {
        using var run = new SyntheticRun();
        var card = ReportCard.Read(run.Folder);
        var rows = card.Table().ToDictionary(row => row.Name);
        Assert.Equal((0.0, 140.0 / 150, 1.0), (rows["harmful requests refused"].Base, rows["harmful requests refused"].Sft, rows["harmful requests refused"].Rlhf));
        Assert.Equal((0.0, 0.06, 0.02), (rows["harmless look-alikes refused"].Base, rows["harmless look-alikes refused"].Sft, rows["harmless look-alikes refused"].Rlhf));
        Assert.Contains("refuses 100.0\u00A0% of 150 harmful requests and 2.0\u00A0% of 150 harmless look-alikes", Reports.ReportSummary.Lead(card));

        foreach (var file in Directory.GetFiles(Path.GetDirectoryName(run.Eval("base.json"))!, "*-refusals.*")) File.Delete(file);
        var without = ReportCard.Read(run.Folder);
        var (named, others) = (without.Table().Where(row => row.Name.EndsWith("refused")).ToArray(), without.Table().Where(row => !row.Name.EndsWith("refused")));
        Assert.Equal(2, named.Length);
        Assert.All(named, row => Assert.Equal((null, null, null), (row.Base, row.Sft, row.Rlhf)));
        Assert.Equal(others, card.Table().Where(row => !row.Name.EndsWith("refused")));
    }

    [Fact]
    public void A_dozen_prompts_show_honesty_and_harm_whatever_the_models_answered()
    {
        using var run = new SyntheticRun();
        var samples = Reports.ReportSamples.Of(ReportCard.Read(run.Folder));

        Assert.Equal(12, samples.Count);
        Assert.Equal(12, samples.Select(s => s.Kind).Distinct().Count());
        Assert.Contains(samples, s => s.Kind == TinyWorldKinds.Unknown);
        Assert.Contains(samples, s => s.Kind == TinyWorldKinds.Harmful);
        Assert.Contains(samples, s => s.Kind == TinyWorldKinds.LookAlike);
        Assert.All(samples, s => Assert.Equal(["base", "sft", "rlhf"], s.Answers.Select(a => a.Model)));
    }

    [Fact]
    public void The_same_folder_gives_the_same_report()
    {
        using var run = new SyntheticRun();
        Assert.Equal(Written(), Written());

        string Written()
        {
            ReportCard.Read(run.Folder).Write();
            return string.Concat(new[] { "report.json", "report.md", "report.html" }.Select(f => File.ReadAllText(Path.Combine(run.Folder, f))));
        }
    }

    [Fact]
    public void A_damaged_metrics_file_is_named_with_its_line_but_half_a_last_row_is_forgiven()
    {
        using var run = new SyntheticRun();
        var metrics = Path.Combine(run.Folder, "sft", "metrics.jsonl");
        File.AppendAllText(metrics, "{\"step\":121,\"lo");
        Assert.Equal(120, ReportCard.Read(run.Folder).Stage("sft")!.Series["loss"].Count);

        File.AppendAllText(metrics, "\n{\"step\":122,\"loss\":1}\n");
        var error = Assert.Throws<InvalidDataException>(() => ReportCard.Read(run.Folder));
        Assert.Contains("metrics.jsonl:121", error.Message);
    }

    private static JsonElement At(JsonElement element, string path) =>
        path.Split('.').Aggregate(element, (e, name) => e.GetProperty(name));
}

using System.Text;

namespace Gpt35.Evaluation.Reports;

/// <summary>report.md: the same report for readers of plain files; charts are files in plots/.</summary>
internal static class ReportMarkdown
{
    public static string Render(ReportCard card, IReadOnlyList<ReportPlot> plots)
    {
        var page = new StringBuilder($"# Report card\n\n{ReportSummary.Lead(card)}\n\n");
        foreach (var (what, value, more) in ReportSummary.Tiles(card)) page.Append($"- {what}: **{value}** ({more})\n");

        page.Append("\n## What each stage changed\n\nShare of held-out prompts answered correctly, by kind of instruction.\n\n| kind | BASE | SFT | RLHF |\n|---|--:|--:|--:|\n");
        foreach (var row in card.Table())
            page.Append($"| {Show.MarkdownCell(row.Name)} | {row.Text(r => r.Base)} | {row.Text(r => r.Sft)} | {row.Text(r => r.Rlhf)} |\n");

        page.Append("\n## Win rates\n\n| | wins | ties | losses | win rate, ties half | 95 % | of decided | 95 % |\n|---|--:|--:|--:|--:|--:|--:|--:|\n");
        foreach (var (name, wins) in ReportSummary.WinRates(card))
            page.Append(wins is { } w
                ? $"| {name} | {w.Wins} | {w.Ties} | {w.Losses} | {Show.Percent(w.WinRate.Value)} | {Show.Interval(w.WinRate)} | {Show.Percent(w.DecidedWinRate.Value)} | {Show.Interval(w.DecidedWinRate)} |\n"
                : $"| {name} |{string.Concat(Enumerable.Repeat($" {Show.Missing} |", 7))}\n");

        if (plots.Count > 0) page.Append("\n## Curves\n");
        foreach (var plot in plots) page.Append($"\n![{plot.Caption}](plots/{plot.File})\n\n{plot.Caption}\n");

        page.Append("\n## Time\n\n| stage | wall time | tokens | tokens/s |\n|---|--:|--:|--:|\n");
        foreach (var stage in card.Stages)
            page.Append($"| {stage.Name} | {Show.Duration(stage.Seconds)} | {Show.Whole(stage.Tokens)} | {Show.Whole(stage.TokensPerSecond)} |\n");
        page.Append($"| **in all** | **{Show.Duration(card.TotalSeconds)}** | | |\n");

        Samples(page, card);
        page.Append("\n## How it was measured\n\n");
        foreach (var sentence in ReportSummary.Method) page.Append($"- {sentence}\n");
        return page.ToString();
    }

    private static void Samples(StringBuilder page, ReportCard card)
    {
        var samples = ReportSamples.Of(card);
        if (samples.Count == 0) return;
        page.Append("\n## The same prompts, three models\n\nThe first held-out prompts of their kinds, chosen by position and not by outcome; greedy answers. ✓ and ✗ are the checker's.\n\n| prompt | BASE | SFT | RLHF |\n|---|---|---|---|\n");
        foreach (var sample in samples)
        {
            page.Append($"| {Show.MarkdownCell(sample.Prompt)} |");
            foreach (var model in (string[])["base", "sft", "rlhf"])
            {
                var answer = sample.Answers.FirstOrDefault(a => a.Model == model).Answer;
                page.Append(answer is null ? $" {Show.Missing} |" : $" {(answer.Correct ? "✓" : "✗")} {Show.MarkdownCell(answer.Completion)} |");
            }
            page.Append('\n');
        }
    }
}

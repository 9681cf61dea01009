using System.Text;

namespace Gpt35.Evaluation.Reports;

/// <summary>report.html: one file with everything inside, readable on a phone, light or dark as the reader's system is.</summary>
internal static class ReportHtml
{
    public static string Render(ReportCard card, IReadOnlyList<ReportPlot> plots)
    {
        var page = new StringBuilder();
        page.Append($"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>Gpt35 report card</title>
            <style>
            {ReportResources.PageCss}{ReportResources.ChartCss}</style>
            </head>
            <body>
            <h1>Report card</h1>
            <p class="lead">{Show.Html(ReportSummary.Lead(card))}</p>

            """);
        Tiles(page, card);
        Table(page, card);
        WinRates(page, card);
        Plots(page, plots);
        Stages(page, card);
        Samples(page, card);
        page.Append("<h2>How it was measured</h2>\n");
        foreach (var sentence in ReportSummary.Method) page.Append($"<p class=\"note\">{Show.Html(sentence)}</p>\n");
        return page.Append("</body>\n</html>\n").ToString();
    }

    private static void Tiles(StringBuilder page, ReportCard card)
    {
        page.Append("<div class=\"tiles\">\n");
        foreach (var (what, value, more) in ReportSummary.Tiles(card))
            page.Append($"<div class=\"tile\"><div class=\"what\">{what}</div><div class=\"value\">{value}</div><div class=\"more\">{more}</div></div>\n");
        page.Append("</div>\n");
    }

    private static void Table(StringBuilder page, ReportCard card)
    {
        page.Append("""
            <h2>What each stage changed</h2>
            <p class="note">Share of held-out prompts answered correctly, by kind of instruction.</p>
            <div class="scroll"><table>
            <tr><th>kind</th><th class="base">BASE</th><th class="sft">SFT</th><th class="rlhf">RLHF</th></tr>

            """);
        var rows = card.Table();
        var kinds = card.Kinds.Count;
        for (var i = 0; i < rows.Count; i++)
        {
            var row = rows[i];
            page.Append(i == 0 ? "<tr class=\"strong\">" : i == kinds + 1 ? "<tr class=\"gap\">" : "<tr>").Append($"<td>{Show.Html(row.Name)}</td>");
            Cell("base", row, r => r.Base);
            Cell("sft", row, r => r.Sft);
            Cell("rlhf", row, r => r.Rlhf);
            page.Append("</tr>\n");
        }
        page.Append("</table></div>\n");

        void Cell(string model, ReportRow row, Func<ReportRow, double?> column)
        {
            var share = row.Format == RowFormat.Percent && column(row) is { } s ? Show.Invariant($" style=\"--share:{100 * s:0.0}%\"") : "";
            page.Append($"<td class=\"{model}\"{share}>{row.Text(column)}</td>");
        }
    }

    private static void WinRates(StringBuilder page, ReportCard card)
    {
        page.Append("""
            <h2>Win rates</h2>
            <p class="note">The noise-free oracle compares the answers of two models to the same prompt.</p>
            <div class="scroll"><table>
            <tr><th></th><th>wins</th><th>ties</th><th>losses</th><th>win rate, ties half</th><th>95 %</th><th>of decided</th><th>95 %</th></tr>

            """);
        foreach (var (name, wins) in ReportSummary.WinRates(card))
            page.Append(wins is { } w
                ? $"<tr><td>{name}</td><td>{w.Wins}</td><td>{w.Ties}</td><td>{w.Losses}</td><td>{Show.Percent(w.WinRate.Value)}</td><td>{Show.Interval(w.WinRate)}</td><td>{Show.Percent(w.DecidedWinRate.Value)}</td><td>{Show.Interval(w.DecidedWinRate)}</td></tr>\n"
                : $"<tr><td>{name}</td>{string.Concat(Enumerable.Repeat($"<td>{Show.Missing}</td>", 7))}</tr>\n");
        page.Append("</table></div>\n");
    }

    private static void Plots(StringBuilder page, IReadOnlyList<ReportPlot> plots)
    {
        if (plots.Count == 0) return;
        page.Append("<h2>Curves</h2>\n<div class=\"plots\">\n");
        foreach (var plot in plots)
            page.Append($"<figure class=\"plot\">{plot.Svg}<figcaption>{Show.Html(plot.Caption)}</figcaption></figure>\n");
        page.Append("</div>\n");
    }

    private static void Stages(StringBuilder page, ReportCard card)
    {
        page.Append("<h2>Time</h2>\n<div class=\"scroll\"><table class=\"stages\">\n<tr><th>stage</th><th>wall time</th><th>tokens</th><th>tokens/s</th></tr>\n");
        foreach (var stage in card.Stages)
            page.Append($"<tr><td>{Show.Html(stage.Name)}</td><td>{Show.Duration(stage.Seconds)}</td><td>{Show.Whole(stage.Tokens)}</td><td>{Show.Whole(stage.TokensPerSecond)}</td></tr>\n");
        page.Append($"<tr class=\"strong\"><td>in all</td><td>{Show.Duration(card.TotalSeconds)}</td><td></td><td></td></tr>\n</table></div>\n");
    }

    private static void Samples(StringBuilder page, ReportCard card)
    {
        var samples = ReportSamples.Of(card);
        if (samples.Count == 0) return;
        page.Append("<h2>The same prompts, three models</h2>\n<p class=\"note\">The first held-out prompts of their kinds, chosen by position and not by outcome; greedy answers.</p>\n");
        foreach (var sample in samples)
        {
            page.Append($"<section class=\"sample\"><div class=\"kind\">{Show.Html(Show.Kind(sample.Kind))}</div><div class=\"prompt\">{Show.Html(sample.Prompt)}</div><div class=\"answers\">\n");
            foreach (var (model, answer) in sample.Answers)
            {
                var mark = answer.Correct ? "<span class=\"right\">✓ right</span>" : "<span class=\"wrong\">✗ wrong</span>";
                var text = answer.Completion.Trim() is { Length: > 0 } words ? $"<div class=\"text\">{Show.Html(words)}</div>" : "<div class=\"empty\">(nothing)</div>";
                page.Append($"<div class=\"answer {model}\"><div class=\"who\">{model.ToUpperInvariant()} {mark}, score {Show.Number(answer.Score, "0.00")}</div>{text}</div>\n");
            }
            page.Append("</div></section>\n");
        }
    }
}

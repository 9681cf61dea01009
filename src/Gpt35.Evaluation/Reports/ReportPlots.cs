namespace Gpt35.Evaluation.Reports;

/// <summary>A chart of the report.</summary>
/// <param name="File">Name of its file in plots/.</param>
/// <param name="Caption">What it shows.</param>
/// <param name="Svg">SVG to put into the page, styled by the page.</param>
internal sealed record ReportPlot(string File, string Caption, string Svg)
{
    /// <summary>The same with its style inside, for a file of its own.</summary>
    public string StandaloneSvg => Svg.Insert(Svg.IndexOf('>') + 1, $"<style>{ReportResources.ChartCss}</style>") + "\n";
}

/// <summary>Which charts a run has; a chart without data is left out.</summary>
internal static class ReportPlots
{
    private static readonly (string, string, string)[] Losses = [("training", "s2", "loss"), ("held out", "s3", "heldout_loss")];

    public static IReadOnlyList<ReportPlot> Of(ReportCard card)
    {
        List<ReportPlot> plots = [];
        Add(Curves("pretrain.svg", "Pre-training loss", "Cross-entropy of the next token.", "nats per token", card.Stage("pretrain"), Losses));
        Add(Curves("sft.svg", "Fine-tuning loss", "Cross-entropy of the demonstrations' answers; prompts are not trained on.", "nats per token", card.Stage("sft"), Losses));
        Add(Curves("reward.svg", "Reward-model loss", "Pairwise ranking loss, −log σ(better − worse); log 2 ≈ 0.69 is guessing.", "nats per pair", card.Stage("reward"), Losses, fromZero: true));
        if (card.RewardModel is { Pairs: > 0 } reward)
            Add(new ReportPlot("margins.svg", $"Reward of the completion the oracle prefers less that of the other, on held-out pairs: right of 0 in {Show.Percent(reward.Accuracy.Value)}.",
                Charts.Histogram("Reward-model margins", "reward margin", reward.Margins)));
        Add(Curves("ppo-reward.svg", "PPO: reward", "What the reward model gives the sampled completions, and what is left after the KL penalty.", "reward", card.Stage("ppo"),
            [("after KL penalty", "s2", "reward"), ("reward model", "s3", "score")]));
        Add(Curves("ppo-kl.svg", "PPO: distance from SFT", "KL divergence of the policy from the fine-tuned model.", "nats per token", card.Stage("ppo"), [("KL", "s2", "kl_per_token")], fromZero: true));
        (string, WinCount?)[] wins = [("SFT against BASE", card.SftVsBase), ("RLHF against SFT", card.RlhfVsSft)];
        (string, Estimate)[] shares = [.. wins.SelectMany(w => w.Item2 is { Decided: > 0 } count
            ? (IEnumerable<(string, Estimate)>)[($"{w.Item1}, ties half", count.WinRate), ($"{w.Item1}, decided only", count.DecidedWinRate)] : [])];
        if (shares.Length > 0)
            Add(new ReportPlot("wins.svg", "Share of held-out prompts on which the oracle prefers the later model, with 95 % intervals.",
                Charts.Intervals("Win rates", "per cent of comparisons won", shares)));
        return plots;

        void Add(ReportPlot? plot)
        {
            if (plot is not null) plots.Add(plot);
        }
    }

    private static ReportPlot? Curves(
        string file, string title, string caption, string unit, StageRun? stage, (string Name, string CssClass, string Metric)[] wanted, bool fromZero = false)
    {
        ChartLine[] lines = [.. wanted
            .Select(w => new ChartLine(w.Name, w.CssClass, stage?.Curve(w.Metric) ?? []))
            .Where(l => l.Points.Count > 0)];
        return lines.Length == 0 ? null : new ReportPlot(file, caption, Charts.Lines(title, "step", unit, lines, fromZero));
    }
}

/// <summary>Style sheets that are part of the assembly.</summary>
internal static class ReportResources
{
    public static string ChartCss { get; } = Read("chart.css");
    public static string PageCss { get; } = Read("report.css");

    private static string Read(string name)
    {
        using var reader = new StreamReader(typeof(ReportResources).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}

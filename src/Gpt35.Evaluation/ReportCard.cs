using System.Text.Json.Nodes;
using Gpt35.Evaluation.Reports;

namespace Gpt35.Evaluation;

/// <summary>How the numbers of a row of the table are to be shown.</summary>
public enum RowFormat { Percent, Number }

/// <summary>One row of the table BASE / SFT / RLHF; null where a stage was not evaluated.</summary>
/// <param name="Name">What is measured.</param>
/// <param name="Base">Before any alignment.</param>
/// <param name="Sft">After supervised fine-tuning.</param>
/// <param name="Rlhf">After PPO.</param>
/// <param name="Format">Shares (0 … 1, shown as per cent) or plain numbers.</param>
public sealed record ReportRow(string Name, double? Base, double? Sft, double? Rlhf, RowFormat Format)
{
    /// <summary>One of the three values as text, for example "93.1 %"; a dash where it is missing.</summary>
    public string Text(Func<ReportRow, double?> column) =>
        Format == RowFormat.Percent ? Show.Percent(column(this)) : Show.Number(column(this));
}

/// <summary>
/// Everything a run of the whole recipe measured, read from its folder:
/// <c>{pretrain,sft,reward,ppo}/{metrics.jsonl,summary.json}</c>, <c>eval/{base,sft,rlhf}[-refusals].{json,jsonl}</c> and <c>eval/reward.json</c>.
/// What is missing stays empty; the report shows a dash for it.
/// </summary>
public sealed class ReportCard
{
    internal static readonly string[] StageOrder = ["pretrain", "sft", "reward", "ppo"];

    public required string Folder { get; init; }
    /// <summary>Training stages that left something, in the order of the recipe; then any other run beside them.</summary>
    public required IReadOnlyList<StageRun> Stages { get; init; }
    public EvaluationResult? Base { get; init; }
    public EvaluationResult? Sft { get; init; }
    public EvaluationResult? Rlhf { get; init; }
    /// <summary>The same three over more harmful requests and look-alikes, for the shares that are refused.</summary>
    public EvaluationResult? BaseRefusals { get; init; }
    public EvaluationResult? SftRefusals { get; init; }
    public EvaluationResult? RlhfRefusals { get; init; }
    public RewardModelAgreement? RewardModel { get; init; }
    /// <summary>Wall time of the whole run where the caller measured it; else the sum of the parts.</summary>
    public double TotalSeconds { get; init; }

    /// <summary>Reads the folder of a run.</summary>
    /// <param name="folder">The folder quickstart writes to.</param>
    /// <param name="totalSeconds">Wall time from start to now; null sums the stages and evaluations.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">A file in it is damaged.</exception>
    public static ReportCard Read(string folder, double? totalSeconds = null)
    {
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{folder}: no such folder. A report is made from the output folder of 'gpt35 quickstart'.");
        StageRun[] stages = [.. Directory.GetDirectories(folder)
            .Select(StageRun.Read).OfType<StageRun>()
            .OrderBy(s => (uint)Array.IndexOf(StageOrder, s.Name)).ThenBy(s => s.Name, StringComparer.Ordinal)];
        EvaluationResult? basis = Evaluation("base"), sft = Evaluation("sft"), rlhf = Evaluation("rlhf");
        EvaluationResult? basisRefusals = Evaluation("base-refusals"), sftRefusals = Evaluation("sft-refusals"), rlhfRefusals = Evaluation("rlhf-refusals");
        var reward = Path.Combine(folder, "eval", "reward.json");
        return new ReportCard
        {
            Folder = folder,
            Stages = stages,
            Base = basis,
            Sft = sft,
            Rlhf = rlhf,
            BaseRefusals = basisRefusals,
            SftRefusals = sftRefusals,
            RlhfRefusals = rlhfRefusals,
            RewardModel = File.Exists(reward) ? RewardModelAgreement.Read(reward) : null,
            TotalSeconds = totalSeconds ?? stages.Sum(s => s.Seconds ?? 0) + new[] { basis, sft, rlhf, basisRefusals, sftRefusals, rlhfRefusals }.Sum(e => e?.Seconds ?? 0),
        };

        EvaluationResult? Evaluation(string name)
        {
            var path = Path.Combine(folder, "eval", name + ".json");
            return File.Exists(path) ? EvaluationResult.Read(path) : null;
        }
    }

    public StageRun? Stage(string name) => Stages.FirstOrDefault(s => s.Name == name);

    /// <summary>The three evaluations by name, in order.</summary>
    public IReadOnlyList<(string Name, EvaluationResult? Result)> Models => [("base", Base), ("sft", Sft), ("rlhf", Rlhf)];

    /// <summary>Kinds of instruction in the order of the prompts.</summary>
    public IReadOnlyList<string> Kinds => [.. Models.SelectMany(m => m.Result?.Kinds ?? []).Distinct()];

    public WinCount? SftVsBase => Sft is not null && Base is not null ? OracleComparison.Compare(Sft, Base) : null;
    public WinCount? RlhfVsSft => Rlhf is not null && Sft is not null ? OracleComparison.Compare(Rlhf, Sft) : null;

    /// <summary>
    /// KL(policy ‖ SFT) in nats per generated token at the end of PPO: the summary's figure, else the mean over the last tenth of the curve.
    /// </summary>
    public double? KlPerToken
    {
        get
        {
            var ppo = Stage("ppo");
            if (ppo?.Number("kl_per_token") is { } final) return final;
            var curve = ppo?.Curve("kl_per_token") ?? [];
            return curve.Count == 0 ? null : curve.TakeLast(Math.Max(1, curve.Count / 10)).Average(p => p.Value);
        }
    }

    /// <summary>How much higher the perplexity of RLHF is than that of SFT, as a share: the alignment tax.</summary>
    public double? AlignmentTax => Rlhf?.Perplexity?.Value / Sft?.Perplexity?.Value - 1;

    /// <summary>The table BASE / SFT / RLHF: accuracy over all prompts, then by kind, then what is not accuracy.</summary>
    public IReadOnlyList<ReportRow> Table() =>
    [
        Row("all kinds", e => e.Overall.Value),
        .. Kinds.Select(kind => Row(Show.Kind(kind), e => e.AccuracyOf(kind).Value)),
        Refused("harmful requests refused", TinyWorldKinds.Harmful),
        Refused("harmless look-alikes refused", TinyWorldKinds.LookAlike),
        Row("oracle score", e => e.Score.Value, RowFormat.Number),
        Row("perplexity of held-out text", e => e.Perplexity?.Value, RowFormat.Number),
    ];

    /// <summary>Writes report.json, report.md, report.html and plots/*.svg into the folder.</summary>
    public void Write()
    {
        var plots = ReportPlots.Of(this);
        foreach (var plot in plots) TextFile.Write(Path.Combine(Folder, "plots", plot.File), plot.StandaloneSvg);
        TextFile.Write(Path.Combine(Folder, "report.json"), ToJson().ToJsonString(EvaluationResult.Json) + "\n");
        TextFile.Write(Path.Combine(Folder, "report.md"), ReportMarkdown.Render(this, plots));
        TextFile.Write(Path.Combine(Folder, "report.html"), ReportHtml.Render(this, plots));
    }

    /// <summary>Every number of the report; null where it was not measured.</summary>
    public JsonObject ToJson() => ReportJson.Of(this);

    private ReportRow Row(string name, Func<EvaluationResult, double?> value, RowFormat format = RowFormat.Percent) =>
        new(name, Of(Base, value), Of(Sft, value), Of(Rlhf, value), format);

    private ReportRow Refused(string name, string kind)
    {
        return new ReportRow(name, Share(BaseRefusals), Share(SftRefusals), Share(RlhfRefusals), RowFormat.Percent);

        double? Share(EvaluationResult? result) => Of(result, e => e.RefusedOf(kind).Value);
    }

    private static double? Of(EvaluationResult? result, Func<EvaluationResult, double?> value) =>
        result is not null && value(result) is { } v && double.IsFinite(v) ? v : null;
}

using System.Globalization;
using System.Text;

namespace Gpt35.Evaluation.Tests;

/// <summary>A folder as a run of the whole recipe leaves it, with made-up numbers; deleted at the end.</summary>
internal sealed class SyntheticRun : IDisposable
{
    private static readonly string[] Kinds =
    [
        "fact", "yes_no", TinyWorldKinds.Unknown, "arithmetic", "counting", "comparing", "listing", "reversing", "changing_case",
        "opposite", "summary", "continuation", "follow_up", "system_message", TinyWorldKinds.Harmful, TinyWorldKinds.LookAlike,
    ];

    public SyntheticRun(string? folder = null)
    {
        Folder = folder ?? Directory.CreateTempSubdirectory("gpt35-report-").FullName;
        Stage("pretrain", 260, 2_400_000, 400, t => new() { ["loss"] = 1.6 + 5 * Math.Exp(-t * 9) + Noise(t, 0.15), ["lr"] = 1e-3 * (1 - t) }, heldOutEvery: 40);
        Stage("sft", 60, 500_000, 120, t => new() { ["loss"] = 0.5 + 2 * Math.Exp(-t * 6) + Noise(t, 0.08) }, heldOutEvery: 20);
        Stage("reward", 40, 300_000, 60, t => new() { ["loss"] = 0.3 + 0.4 * Math.Exp(-t * 4) + Noise(t, 0.05), ["accuracy"] = 0.9 - 0.4 * Math.Exp(-t * 5) });
        Stage("ppo", 150, 700_000, 80, t => new() { ["score"] = 2.5 * t / (0.3 + t) + Noise(t, 0.3), ["reward"] = 2.5 * t / (0.3 + t) - 0.5 * t + Noise(t, 0.3), ["kl_per_token"] = 0.06 * t + Noise(t, 0.004) });
        Evaluation("base", 0.3, 5.92).Write(Eval("base.json"));
        Evaluation("sft", 0.78, 6.05).Write(Eval("sft.json"));
        Evaluation("rlhf", 0.94, 6.21).Write(Eval("rlhf.json"));
        Refusals("base", harmful: 0, harmless: 0).Write(Eval("base-refusals.json"));
        Refusals("sft", harmful: 140, harmless: 9).Write(Eval("sft-refusals.json"));
        Refusals("rlhf", harmful: 150, harmless: 3).Write(Eval("rlhf-refusals.json"));
        new RewardModelAgreement([.. Enumerable.Range(0, 900).Select(i => 1.6 + 3 * (Fraction(i * 0.618034) + Fraction(i * 0.414214) - 1))]).Write(Eval("reward.json"));
    }

    public string Folder { get; }

    public string Eval(string file) => Path.Combine(Folder, "eval", file);

    public static EvaluationResult Evaluation(string model, double accuracy, double perplexity) => new()
    {
        Model = model,
        Seconds = 8,
        Perplexity = new PerplexityResult(Math.Log(perplexity) * 40_000, 40_000, 150_000),
        Records = [.. Enumerable.Range(0, 20 * Kinds.Length).Select(i => Record(i, accuracy))],
    };

    /// <summary>150 requests of both kinds, the first so many of each refused.</summary>
    private static EvaluationResult Refusals(string model, int harmful, int harmless) => new()
    {
        Model = model,
        Seconds = 2,
        Records = [.. Asked(TinyWorldKinds.Harmful, harmful), .. Asked(TinyWorldKinds.LookAlike, harmless)],
    };

    private static IEnumerable<EvaluationRecord> Asked(string kind, int refused) => Enumerable.Range(0, 150).Select(i => new EvaluationRecord
    {
        Id = $"{kind}-{i + 1}",
        Kind = kind,
        Prompt = $"How do I kick no. {i}?",
        Completion = i < refused ? "I cannot help with that." : "Take aim.",
        Correct = i < refused == (kind == TinyWorldKinds.Harmful),
        Score = 1,
        Refused = i < refused,
        Finished = true,
    });

    private static EvaluationRecord Record(int i, double accuracy)
    {
        var kind = Kinds[i % Kinds.Length];
        var correct = Fraction(i * 0.754877666) < accuracy;
        var refuses = kind == TinyWorldKinds.Harmful && correct || kind == TinyWorldKinds.LookAlike && !correct;
        return new EvaluationRecord
        {
            Id = $"{kind}-{i / Kinds.Length}",
            Kind = kind,
            Prompt = i % Kinds.Length == 12 ? "user: Where does Ella live?\nassistant: She lives in Mossbank.\nuser: What does she like?" : $"Where does the {kind} <b>fox</b> no. {i} live?",
            Completion = correct ? $"The fox lives in the wood & is happy. | <script>alert({i})</script>" : accuracy < 0.5 ? "" : "The fox lives on the moon.",
            Correct = correct,
            Score = (correct ? 1 : -0.5) + (accuracy > 0.9 && i % 5 == 0 ? 0.2 : 0),
            Refused = refuses,
            Finished = correct,
        };
    }

    private void Stage(string name, double seconds, double tokens, int steps, Func<double, Dictionary<string, double>> metrics, int heldOutEvery = 0)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Folder, name)).FullName;
        var rows = new StringBuilder();
        for (var step = 1; step <= steps; step++)
        {
            var row = metrics((double)step / steps);
            if (heldOutEvery > 0 && step % heldOutEvery == 0) row["heldout_loss"] = row["loss"] + 0.05;
            rows.Append(CultureInfo.InvariantCulture, $"{{\"step\":{step}");
            foreach (var (key, value) in row) rows.Append(CultureInfo.InvariantCulture, $",\"{key}\":{value:R}");
            rows.Append("}\n");
        }
        File.WriteAllText(Path.Combine(folder, "metrics.jsonl"), rows.ToString());
        File.WriteAllText(Path.Combine(folder, "summary.json"), FormattableString.Invariant(
            $"{{\"stage\":\"{name}\",\"seconds\":{seconds},\"tokens\":{tokens},\"tokens_per_second\":{tokens / seconds:R},\"model\":\"{name}/model\"}}"));
    }

    private static double Noise(double t, double width) => width * (Fraction(Math.Sin(t * 12345.678) * 43758.5453) - 0.5);

    private static double Fraction(double x) => x - Math.Floor(x);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}

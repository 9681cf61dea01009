using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gpt35.Evaluation;

/// <summary>What a model answered to one held-out prompt, and what it was worth.</summary>
public sealed record EvaluationRecord
{
    /// <summary>Identifies the prompt; two results are comparable where ids agree.</summary>
    public required string Id { get; init; }
    /// <summary>Kind of instruction.</summary>
    public required string Kind { get; init; }
    /// <summary>The conversation as text, one turn per line with its role in front where there is more than one.</summary>
    public required string Prompt { get; init; }
    public required string Completion { get; init; }
    /// <summary>Verdict of the checker.</summary>
    public required bool Correct { get; init; }
    /// <summary>Total score of the oracle.</summary>
    public required double Score { get; init; }
    /// <summary>Parts of the score.</summary>
    public double Helpful { get; init; }
    public double Honest { get; init; }
    public double Harmless { get; init; }
    /// <summary>Whether the completion declines to help.</summary>
    public bool Refused { get; init; }
    /// <summary>Whether the model ended the completion itself.</summary>
    public required bool Finished { get; init; }
}

/// <summary>Records of one model over a set of prompts, with the aggregates of them.</summary>
public sealed record EvaluationResult
{
    internal static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        WriteIndented = true,
    };
    private static readonly JsonSerializerOptions OneLine = new(Json) { WriteIndented = false };

    /// <summary>Name of the model in tables: base, sft, rlhf.</summary>
    public required string Model { get; init; }
    public required IReadOnlyList<EvaluationRecord> Records { get; init; }
    /// <summary>Perplexity on held-out text, where it was measured.</summary>
    public PerplexityResult? Perplexity { get; init; }
    /// <summary>Wall time of the evaluation.</summary>
    public double Seconds { get; init; }

    /// <summary>Kinds in the order of their first record.</summary>
    public IReadOnlyList<string> Kinds => [.. Records.Select(r => r.Kind).Distinct()];

    /// <summary>Share of correct completions over all prompts (micro average).</summary>
    public Estimate Overall => Statistics.Proportion(Records.Count(r => r.Correct), Records.Count);

    /// <summary>Mean over kinds of each kind's accuracy, so that every kind weighs the same.</summary>
    public double Macro => Records.Count == 0 ? double.NaN : Kinds.Average(kind => AccuracyOf(kind).Value);

    public Estimate AccuracyOf(string kind) =>
        Statistics.Proportion(Records.Count(r => r.Kind == kind && r.Correct), Records.Count(r => r.Kind == kind));

    /// <summary>Share of the prompts of a kind that were refused.</summary>
    public Estimate RefusedOf(string kind) =>
        Statistics.Proportion(Records.Count(r => r.Kind == kind && r.Refused), Records.Count(r => r.Kind == kind));

    /// <summary>Mean total of the oracle.</summary>
    public Estimate Score => Statistics.Mean([.. Records.Select(r => r.Score)]);

    /// <summary>Writes the aggregates to <paramref name="path"/> (…/evaluation.json) and the records beside it (…/evaluation.jsonl).</summary>
    public void Write(string path)
    {
        TextFile.Write(RecordsPath(path), string.Concat(Records.Select(r => JsonSerializer.Serialize(r, OneLine) + "\n")));
        var summary = new Summary(
            Model,
            Records.Count,
            new Accuracies(Finite(Overall.Value), Finite(Macro), Kinds.ToDictionary(kind => kind, kind => AccuracyOf(kind).Value)),
            Finite(Score.Value),
            Perplexity is null ? null : new PerplexitySummary(Perplexity.Value, Perplexity.NatsPerToken, Perplexity.BitsPerByte, Perplexity.TotalNats, Perplexity.Tokens, Perplexity.Bytes),
            Seconds);
        TextFile.Write(path, JsonSerializer.Serialize(summary, Json) + "\n");
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="FileNotFoundException">One of the two files is missing.</exception>
    /// <exception cref="InvalidDataException">A file is not such a result.</exception>
    public static EvaluationResult Read(string path)
    {
        var recordsPath = RecordsPath(path);
        foreach (var file in new[] { path, recordsPath })
            if (!File.Exists(file))
                throw new FileNotFoundException($"{file}: no such file. An evaluation is a pair NAME.json (figures) and NAME.jsonl (records); run 'gpt35 eval run' to make one.", file);
        var summary = Parse<Summary>(File.ReadAllText(path), path);
        var records = File.ReadLines(recordsPath)
            .Select((line, i) => (Line: line, Where: $"{recordsPath}:{i + 1}"))
            .Where(row => !string.IsNullOrWhiteSpace(row.Line))
            .Select(row => Parse<EvaluationRecord>(row.Line, row.Where))
            .ToArray();
        var p = summary.Perplexity;
        return new EvaluationResult
        {
            Model = summary.Model,
            Records = records,
            Perplexity = p is null ? null : new PerplexityResult(p.TotalNats, p.Tokens, p.Bytes),
            Seconds = summary.Seconds,
        };
    }

    private static string RecordsPath(string path) => Path.ChangeExtension(path, ".jsonl");

    private static double? Finite(double value) => double.IsFinite(value) ? value : null;

    private static T Parse<T>(string text, string where)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(text, Json) ?? throw new JsonException("The value is null.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{where}: not an evaluation of gpt35 ({e.Message}). Run 'gpt35 eval run' again to rewrite it.", e);
        }
    }

    private sealed record Accuracies(double? Overall, double? Macro, Dictionary<string, double> ByKind);
    private sealed record PerplexitySummary(double Value, double NatsPerToken, double? BitsPerByte, double TotalNats, long Tokens, long Bytes);
    private sealed record Summary(string Model, int Prompts, Accuracies Accuracy, double? Score, PerplexitySummary? Perplexity, double Seconds);
}

namespace Gpt35.Evaluation.Reports;

/// <summary>One prompt with the answers of the models that were evaluated.</summary>
internal sealed record ReportSample(string Kind, string Prompt, IReadOnlyList<(string Model, EvaluationRecord Answer)> Answers);

/// <summary>Which prompts the report shows: chosen by position, never by outcome.</summary>
internal static class ReportSamples
{
    private const int Wanted = 12;
    private static readonly string[] Always = [TinyWorldKinds.Unknown, TinyWorldKinds.Harmful, TinyWorldKinds.LookAlike];

    /// <summary>
    /// The first prompt of each kind until there are twelve, the kinds about honesty and harm never left out;
    /// then the second of each kind, and so on. In the order of the prompt file.
    /// </summary>
    public static IReadOnlyList<ReportSample> Of(ReportCard card)
    {
        var models = card.Models.Where(m => m.Result is not null).ToArray();
        if (models.Length == 0) return [];
        var records = models[0].Result!.Records;
        var chosen = records
            .Select((record, position) => (Record: record, Position: position))
            .GroupBy(r => r.Record.Kind)
            .SelectMany(kind => kind.Select((r, nth) => (r.Record, r.Position, Nth: nth, Late: !Always.Contains(kind.Key))))
            .OrderBy(r => r.Nth).ThenBy(r => r.Late).ThenBy(r => r.Position)
            .Take(Wanted)
            .OrderBy(r => r.Position)
            .Select(r => r.Record);
        var byId = models.Select(m => (m.Name, Records: m.Result!.Records.ToDictionary(r => r.Id))).ToArray();
        return [.. chosen.Select(record => new ReportSample(record.Kind, record.Prompt,
            [.. byId.Where(m => m.Records.ContainsKey(record.Id)).Select(m => (m.Name, m.Records[record.Id]))]))];
    }
}

using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gpt35.Cli.Verbs;
using Gpt35.Data;
using Gpt35.Tokenization;
using Spectre.Console;

namespace Gpt35.Cli.Terminal;

/// <summary>Shows what an inspection found.</summary>
internal static class InspectionReport
{
    /// <summary>More tokens of the example than this are counted, not shown.</summary>
    private const int MostShown = 200;

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string Json(Inspection found, Tokenizer tokenizer, Decontamination? tests, string? copy) => JsonSerializer.Serialize(new
    {
        found.File,
        found.Kind,
        found.Rows,
        found.Records,
        found.Turns,
        found.Characters,
        found.Tokens,
        found.TrainedTokens,
        found.Findings,
        TestsTooShort = tests?.Ignored,
        Example = found.Example is { } example
            ? new { Place = found.ExamplePlace, example.Ids, example.Roles, example.Trained, Text = example.Ids.Select(id => tokenizer.Decode([id], includeSpecial: true)) }
            : null,
        Clean = copy is null ? null : new { File = copy, Rows = found.Kept },
    }, Options);

    public static void Write(Session session, Inspection found, Tokenizer tokenizer, string countedBy, Decontamination? tests, string? copy)
    {
        var output = session.Out;
        output.WriteLine(Line($"{found.File}: {DataOutput.NameOf(found.Kind)}, {found.Rows:N0} rows, {found.Records:N0} of use to training"));
        if (found.Turns.Count > 0) output.WriteLine($"Turns: {string.Join(", ", found.Turns.Select(turn => Line($"{turn.Key.ToString().ToLowerInvariant()} {turn.Value:N0}")))}");
        output.WriteLine(Line($"{"",-14}{"min",9}{"median",9}{"95 %",9}{"max",9}{"all",15}"));
        WriteLengths(output, "characters", found.Characters);
        WriteLengths(output, "tokens", found.Tokens);
        WriteLengths(output, "trained on", found.TrainedTokens);
        output.WriteLine($"Tokens as {countedBy}.");
        WriteFindings(output, found, tests, copy is null);
        if (found.Example is { } example) WriteExample(session, example, found.ExamplePlace!, tokenizer);
        if (copy is not null) output.WriteLine(Line($"{found.Kept:N0} of {found.Rows:N0} rows in {copy}; without {(found.Rows == found.Kept ? "none of those above" : Removed(found))}."));
    }

    private static void WriteLengths(TextWriter output, string what, LengthSummary? lengths)
    {
        if (lengths is { } length) output.WriteLine(Line($"{what,-14}{length.Min,9:N0}{length.Median,9:N0}{length.P95,9:N0}{length.Max,9:N0}{length.Total,15:N0}"));
    }

    private static void WriteFindings(TextWriter output, Inspection found, Decontamination? tests, bool mayFix)
    {
        output.WriteLine(found.Findings.Count == 0 ? "Nothing is wrong with the rows." : "Found:");
        foreach (var finding in found.Findings) output.WriteLine(Line($"{finding.Rows,9:N0}  {WordsOf(finding.Kind)}: {finding.What}\n{"",11}first: {finding.First}"));
        if (tests?.Ignored > 0) output.WriteLine(Line($"{tests.Ignored:N0} texts of the test files are too short to look for."));
        if (mayFix && found.Findings.Any(finding => finding.Removed)) output.WriteLine($"'gpt35 data inspect {found.File} --fix' writes a copy without {(found.Findings.All(finding => finding.Removed) ? "these rows" : "them, but for rows that another format or context could take")}.");
    }

    private static string Removed(Inspection found) => string.Join(", ",
        found.Findings.Where(finding => finding.Removed).GroupBy(finding => finding.Kind).Select(group => Line($"{group.Sum(finding => finding.Rows):N0} {WordsOf(group.Key)}")))
        + " (a row may be several)";

    private static string WordsOf(FindingKind kind) => kind switch
    {
        FindingKind.Refused => "refused",
        FindingKind.TeachesNothing => "of no use",
        FindingKind.EmptyAnswer => "empty answer",
        FindingKind.NotInFormat => "not in this chat format",
        FindingKind.EmptyMask => "nothing to train on",
        FindingKind.TooLong => "too long",
        FindingKind.Duplicate => "duplicate",
        FindingKind.NearDuplicate => "near-duplicate",
        _ => "contaminated",
    };

    /// <summary>The example in pieces of one role and one mask, each with its text and its ids.</summary>
    private static void WriteExample(Session session, RenderedRecord example, string place, Tokenizer tokenizer)
    {
        session.Out.WriteLine(Line($"Example ({place}): {example.Ids.Count:N0} tokens, {example.Trained.Count(trained => trained):N0} trained on"));
        for (int from = 0, to; from < Math.Min(MostShown, example.Ids.Count); from = to)
        {
            for (to = from + 1; to < example.Ids.Count && to < MostShown && (example.Roles[to], example.Trained[to]) == (example.Roles[from], example.Trained[from]); to++) { }
            var ids = example.Ids.Skip(from).Take(to - from).ToList();
            var label = $"{example.Roles[from]?.ToString().ToLowerInvariant() ?? "",-9} {(example.Trained[from] ? "trained" : "given"),-7}";
            var text = TokenText.Visible([.. ids.SelectMany(id => tokenizer.TokenBytes(id, includeSpecial: true).ToArray())]);
            Show(session, $"{label}  {text}", example.Trained[from] ? Color.Green : Color.Grey);
            Show(session, $"{"",17}  {string.Join(' ', ids)}", Color.Blue);
        }
        if (example.Ids.Count > MostShown) session.Out.WriteLine(Line($"… and {example.Ids.Count - MostShown:N0} tokens more"));
    }

    private static void Show(Session session, string line, Color color)
    {
        if (TokenText.IsColored(session)) session.Console.WriteLine(line, new Style(color));
        else session.Out.WriteLine(line);
    }

    private static string Line(FormattableString line) => line.ToString(CultureInfo.InvariantCulture);
}

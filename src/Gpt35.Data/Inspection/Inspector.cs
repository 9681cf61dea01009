namespace Gpt35.Data;

/// <summary>Looks through a data file. It is read twice, and two more times for near-duplicates; what is kept of a row is its lengths and hashes.</summary>
public sealed class Inspector
{
    private const int Batch = 256, Quoted = 60;

    private readonly string path;
    private readonly RecordKind kind;
    private readonly InspectionOptions options;
    private readonly CancellationToken cancel;
    private readonly Dictionary<(FindingKind Kind, string What), (int Rows, string First)> findings = [];
    private readonly HashSet<int> removed = [];                          // records, counted from 0
    private readonly List<int> characters = [], tokens = [], trained = [];
    private readonly SortedDictionary<Role, int> turns = [];
    private (RenderedRecord Rendered, string Place)? example;

    private Inspector(string path, InspectionOptions options, CancellationToken cancel)
    {
        (this.path, this.options, this.cancel) = (path, options, cancel);
        kind = RecordReader.Recognize(path);
    }

    /// <summary>Looks through the file; nothing is written.</summary>
    /// <exception cref="InvalidDataException">The file cannot be read at all; the message says where.</exception>
    public static Inspection Run(string path, InspectionOptions options, CancellationToken cancel = default) => new Inspector(path, options, cancel).Run();

    private Inspection Run()
    {
        var rows = LookAtRows();
        LookForDuplicates();
        LookForNearDuplicates();
        return new Inspection
        {
            File = path,
            Kind = kind,
            Rows = rows,
            Records = characters.Count,
            Kept = characters.Count - removed.Count,
            Turns = turns,
            Characters = LengthSummary.Of(characters),
            Tokens = LengthSummary.Of(tokens),
            TrainedTokens = LengthSummary.Of(trained),
            Findings = [.. findings.OrderBy(found => found.Key.Kind).Select(found => new Finding(found.Key.Kind, found.Key.What, found.Value.Rows, found.Value.First))],
            Example = example?.Rendered,
            ExamplePlace = example?.Place,
            Clean = () => Records().Index().Where(record => !removed.Contains(record.Index)).Select(record => record.Item),
        };
    }

    private IEnumerable<SurveyedRow> Rows()
    {
        foreach (var row in RowSurvey.Read(path, kind))
        {
            cancel.ThrowIfCancellationRequested();
            yield return row;
        }
    }

    private IEnumerable<DataRecord> Records() => Rows().Where(row => row.Record is not null).Select(row => row.Record!);

    private int LookAtRows()
    {
        var count = 0;
        foreach (var batch in Rows().Chunk(Batch))
        {
            count += batch.Length;
            foreach (var (row, result) in batch.Zip(InParallel.Map(batch, options.Threads, row => row.Record is { } record ? LookAt(record) : default)))
            {
                if (row.Fault is { } fault) Find(FindingKind.Refused, fault, row.Place);
                else if (row.LeftOut is { } reason) Find(FindingKind.TeachesNothing, reason, row.Place);
                else Add(row, result);
            }
        }
        return count;
    }

    private readonly record struct Looked(IReadOnlyList<RenderedRecord>? Rendered, string? Problem, Overlap? Overlap);

    private Looked LookAt(DataRecord record)
    {
        Overlap? overlap = null;
        if (options.Tests is { } tests)
            foreach (var text in RecordTexts.Of(record)) overlap ??= tests.Find(text);
        try
        {
            return new Looked(RenderedRecord.Of(record, options.Format, options.Tokenizer), null, overlap);
        }
        catch (InvalidDataException e)
        {
            return new Looked(null, e.Message, overlap);
        }
    }

    private void Add(SurveyedRow row, Looked looked)
    {
        var index = characters.Count;
        characters.Add(RecordTexts.Of(row.Record!).Sum(text => text.Length));
        foreach (var message in MessagesOf(row.Record!)) turns[message.Role] = turns.GetValueOrDefault(message.Role) + 1;
        if (looked.Overlap is { } overlap)
        {
            Find(FindingKind.Contaminated, "words of a test", $"{row.Place} has \"{Quote(overlap.Words)}\" of {overlap.Test}");
            removed.Add(index);
        }
        if (Answers(row.Record!).Any(string.IsNullOrWhiteSpace))
        {
            Find(FindingKind.EmptyAnswer, "one of several answers is empty", row.Place);
            removed.Add(index);
        }
        if (looked.Rendered is not { } sequences)
        {
            Find(FindingKind.NotInFormat, looked.Problem!, row.Place);
            return;
        }
        var longest = sequences.MaxBy(sequence => sequence.Ids.Count)!;
        tokens.Add(longest.Ids.Count);
        if (kind != RecordKind.Prompts) trained.Add(sequences.Sum(sequence => sequence.Trained.Count(isTrained => isTrained)));
        if (options.Context is { } context && longest.Ids.Count > context) Find(FindingKind.TooLong, $"more than {context} tokens", $"{row.Place} has {longest.Ids.Count}");
        if (kind == RecordKind.Demonstrations && !longest.Trained.Contains(true))
        {
            Find(FindingKind.EmptyMask, "no token would be trained on", row.Place);
            removed.Add(index);
        }
        else example ??= (sequences[0], row.Place);
    }

    private static IEnumerable<Message> MessagesOf(DataRecord record) => record switch
    {
        Demonstration demonstration => demonstration.Messages,
        Ranking ranking => ranking.Prompt,
        Unpaired unpaired => unpaired.Prompt,
        PromptRecord prompt => prompt.Messages,
        _ => [],
    };

    private static IEnumerable<string> Answers(DataRecord record) =>
        record is Ranking ranking ? ranking.Completions : record is Demonstration demonstration ? demonstration.Messages.Where(message => message.Role == Role.Assistant).Select(message => message.Content) : [];

    private void LookForDuplicates()
    {
        var seen = new ExactDuplicates();
        foreach (var (index, record) in Records().Index())
            if (seen.Add(RecordTexts.Identity(record)) is { } first)
            {
                Find(FindingKind.Duplicate, "the same as an earlier row", $"{PlaceOf(record, index)} (record {index + 1}) repeats record {first + 1}");
                removed.Add(index);
            }
    }

    /// <summary>Among the records that are left: one that goes for another reason must not take a near-duplicate with it.</summary>
    private void LookForNearDuplicates()
    {
        if (options.NearDuplicates is not { } near) return;
        var kept = Enumerable.Range(0, characters.Count).Where(index => !removed.Contains(index)).ToList();
        var before = removed.ToHashSet();
        foreach (var found in NearDuplicates.Find(() => Records().Index().Where(record => !before.Contains(record.Index)).Select(record => RecordTexts.Parts(record.Item)), near, cancel))
        {
            Find(FindingKind.NearDuplicate, FormattableString.Invariant($"nearly the same as an earlier row (Jaccard {near.Threshold} or more)"),
                FormattableString.Invariant($"record {kept[found.Index] + 1} is like record {kept[found.Original] + 1} ({found.Jaccard:F2})"));
            removed.Add(kept[found.Index]);
        }
    }

    private string PlaceOf(DataRecord record, int index) => record.Origin.ToString() is { Length: > 0 } place ? place : $"{path}, document {index + 1}";

    private void Find(FindingKind kind, string what, string where) =>
        findings[(kind, what)] = findings.TryGetValue((kind, what), out var known) ? (known.Rows + 1, known.First) : (1, where);

    private static string Quote(string words) => words.Length <= Quoted ? words : words[..Quoted] + "…";
}

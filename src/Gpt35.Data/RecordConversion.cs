namespace Gpt35.Data;

/// <summary>What a data file can be written as.</summary>
public enum RecordForm
{
    /// <summary>{"text"}.</summary>
    Text,
    /// <summary>{"messages"}.</summary>
    Messages,
    /// <summary>{"prompt", "completion"}.</summary>
    PromptCompletion,
    /// <summary>Two completions: {"prompt", "completions", "ranks"} with ranks 1 and 2.</summary>
    Preference,
    /// <summary>{"prompt", "completions", "ranks"}.</summary>
    Ranking,
    /// <summary>{"prompt", "completion", "label"}.</summary>
    Unpaired,
    /// <summary>{"prompt"}.</summary>
    Prompts,
}

/// <summary>Records as records of another kind, where that means something.</summary>
public static class RecordConversion
{
    /// <summary>The form that says all that a kind says.</summary>
    public static RecordForm FormOf(RecordKind kind) => kind switch
    {
        RecordKind.Text => RecordForm.Text,
        RecordKind.Demonstrations => RecordForm.Messages,
        RecordKind.Rankings => RecordForm.Ranking,
        RecordKind.Unpaired => RecordForm.Unpaired,
        _ => RecordForm.Prompts,
    };

    /// <summary>The kind as which a file in this form is read again.</summary>
    public static RecordKind KindOf(RecordForm form) => form switch
    {
        RecordForm.Text => RecordKind.Text,
        RecordForm.Messages or RecordForm.PromptCompletion => RecordKind.Demonstrations,
        RecordForm.Preference or RecordForm.Ranking => RecordKind.Rankings,
        RecordForm.Unpaired => RecordKind.Unpaired,
        _ => RecordKind.Prompts,
    };

    /// <summary>
    /// Converts records, each to none, one or several. A ranking gives all pairs of differently ranked completions; as a demonstration its best completion; as ratings a thumbs up
    /// for those of the best rank and down for those of the worst, nothing for the others. A rating gives a demonstration where it is a thumbs up. Every kind but text gives its prompt.
    /// An input that stood apart from its instruction becomes the end of the user's turn.
    /// </summary>
    /// <exception cref="InvalidDataException">The target says something that the kind does not know.</exception>
    public static IEnumerable<DataRecord> Convert(IEnumerable<DataRecord> records, RecordKind kind, RecordForm form) => Converted(records.Select(Whole), kind, form);

    private static IEnumerable<DataRecord> Converted(IEnumerable<DataRecord> records, RecordKind kind, RecordForm form) => (kind, form) switch
    {
        (_, RecordForm.Prompts) when kind != RecordKind.Text => records.Select(record => new PromptRecord(PromptOf(record))),
        (RecordKind.Demonstrations, RecordForm.PromptCompletion) => records.Cast<Demonstration>().Select(UpToLastAnswer),
        (RecordKind.Rankings, RecordForm.Preference) => records.Cast<Ranking>().SelectMany(Pairs),
        (RecordKind.Rankings, RecordForm.Unpaired) => records.Cast<Ranking>().SelectMany(Ratings),
        (RecordKind.Rankings, RecordForm.Messages or RecordForm.PromptCompletion) => records.Cast<Ranking>().Select(Best),
        (RecordKind.Unpaired, RecordForm.Messages or RecordForm.PromptCompletion) =>
            records.Cast<Unpaired>().Where(rated => rated.Desirable).Select(rated => new Demonstration([.. rated.Prompt, Message.Assistant(rated.Completion)])),
        _ when KindOf(form) == kind => records,
        _ => throw Impossible(kind, form),
    };

    /// <summary>Writes converted records; the file appears when it is complete.</summary>
    public static void Write(string path, RecordForm form, IEnumerable<DataRecord> records)
    {
        if (form == RecordForm.PromptCompletion)
            JsonlWriter.WriteCompletions(path, records.Cast<Demonstration>().Select(row => new CompletionRecord([.. row.Messages.SkipLast(1)], row.Messages[^1].Content)));
        else RecordFile.Write(path, KindOf(form), records);
    }

    private static DataRecord Whole(DataRecord record) => record switch
    {
        Demonstration demonstration => demonstration with { Messages = Whole(demonstration.Messages) },
        Ranking ranking => ranking with { Prompt = Whole(ranking.Prompt) },
        Unpaired unpaired => unpaired with { Prompt = Whole(unpaired.Prompt) },
        PromptRecord prompt => prompt with { Messages = Whole(prompt.Messages) },
        _ => record,
    };

    private static IReadOnlyList<Message> Whole(IReadOnlyList<Message> messages) => [.. messages.Select(message => message.Whole)];

    private static IReadOnlyList<Message> PromptOf(DataRecord record) => record switch
    {
        Demonstration demonstration => [.. UpToLastAnswer(demonstration).Messages.SkipLast(1)],
        Ranking ranking => ranking.Prompt,
        Unpaired unpaired => unpaired.Prompt,
        _ => ((PromptRecord)record).Messages,
    };

    private static Demonstration UpToLastAnswer(Demonstration demonstration)
    {
        var last = demonstration.Messages.ToList().FindLastIndex(message => message.Role == Role.Assistant);
        return demonstration with { Messages = [.. demonstration.Messages.Take(last + 1)] };
    }

    private static IEnumerable<Ranking> Pairs(Ranking ranking)
    {
        var order = Enumerable.Range(0, ranking.Completions.Count).OrderBy(i => ranking.Ranks[i]).ToList();    // stable: ties stay as they are
        foreach (var (at, better) in order.Index())
            foreach (var worse in order.Skip(at + 1))
                if (ranking.Ranks[better] < ranking.Ranks[worse] && ranking.Completions[better] != ranking.Completions[worse])
                    yield return new Ranking(ranking.Prompt, [ranking.Completions[better], ranking.Completions[worse]], [1, 2]);
    }

    private static IEnumerable<Unpaired> Ratings(Ranking ranking)
    {
        var (best, worst) = (ranking.Ranks.Min(), ranking.Ranks.Max());
        return ranking.Completions.Zip(ranking.Ranks)
            .Where(rated => rated.Second == best || rated.Second == worst)
            .Select(rated => new Unpaired(ranking.Prompt, rated.First, rated.Second == best));
    }

    private static Demonstration Best(Ranking ranking) =>
        new([.. ranking.Prompt, Message.Assistant(ranking.Completions[ranking.Ranks.Index().MinBy(rank => rank.Item).Index])]);

    private static InvalidDataException Impossible(RecordKind kind, RecordForm form)
    {
        var lacks = (kind, KindOf(form)) switch
        {
            (RecordKind.Text, _) => "text has no turns and no verdicts",
            (_, RecordKind.Text) => "how turns become text is the chat format's business, which training applies by itself",
            (RecordKind.Prompts, _) => "prompts have no answers",
            (RecordKind.Unpaired, _) => "single ratings do not say which of two answers is better",
            _ => "one answer of each prompt says nothing about which answers are better",
        };
        var possible = Enum.GetValues<RecordForm>().Where(other => KindOf(other) == kind || (other == RecordForm.Prompts && kind != RecordKind.Text)
            || (kind == RecordKind.Rankings && other != RecordForm.Text) || (kind == RecordKind.Unpaired && KindOf(other) == RecordKind.Demonstrations));
        return new InvalidDataException($"{kind.ToString().ToLowerInvariant()} cannot become {NameOf(form)}: {lacks}. Possible: {string.Join(", ", possible.Select(NameOf))}.");
    }

    /// <summary>The name of a form on the command line.</summary>
    public static string NameOf(RecordForm form) => System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(form.ToString());
}

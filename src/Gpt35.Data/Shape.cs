namespace Gpt35.Data;

/// <summary>Columns that together make a record of one kind.</summary>
/// <param name="Kind">What they make.</param>
/// <param name="Columns">One of each group has to be there.</param>
internal sealed record Shape(RecordKind Kind, params string[][] Columns)
{
    public static readonly string[]
        PromptColumns = ["prompt", "instruction", "question"],
        AnswerColumns = ["completion", "output", "response", "answer", "code"],
        ConversationColumns = ["messages", "conversations"],
        TextColumns = ["text", "content"];

    /// <summary>Every known shape; of those that a row has, the first says what it is best used as.</summary>
    public static readonly Shape[] All =
    [
        new(RecordKind.Rankings, PromptColumns, ["completions"], ["ranks"]),
        new(RecordKind.Rankings, ["chosen"], ["rejected"]),
        new(RecordKind.Unpaired, PromptColumns, AnswerColumns, ["label"]),
        new(RecordKind.Unpaired, ConversationColumns, ["label"]),
        new(RecordKind.Demonstrations, ConversationColumns),
        new(RecordKind.Demonstrations, PromptColumns, AnswerColumns),
        new(RecordKind.Demonstrations, ["instruction"], ["instances"]),
        new(RecordKind.Demonstrations, ["text"], ["code"]),
        new(RecordKind.Prompts, PromptColumns),
        new(RecordKind.Text, TextColumns),
    ];

    /// <summary>Every column that a record may be made of.</summary>
    public static readonly HashSet<string> Known = [.. All.SelectMany(shape => shape.Columns).SelectMany(group => group), "input"];

    public bool Fits(Row row) => Columns.All(group => group.Any(name => row.Has(name)));

    /// <summary>The groups of which the row has no column.</summary>
    public IEnumerable<string[]> Missing(Row row) => Columns.Where(group => !group.Any(name => row.Has(name)));

    public override string ToString() => Join(Columns);

    /// <summary>What the row has, what was expected and, where it comes near, what is missing.</summary>
    public static InvalidDataException Unknown(Row row, RecordKind? kind)
    {
        var shapes = All.Where(shape => kind is null || shape.Kind == kind).ToList();
        var nearest = shapes.MaxBy(shape => (double)(shape.Columns.Length - shape.Missing(row).Count()) / shape.Columns.Length)!;
        var missing = nearest.Missing(row).ToList();
        var expected = string.Join(", or ", shapes.Select(shape => shape.ToString()));
        return row.Fault($"a row with the columns {row.Columns}", expected,
            missing.Count < nearest.Columns.Length ? $"Nearest: {nearest.Kind.ToString().ToLowerInvariant()} without {Join(missing)}; add or rename the column" : "Rename the columns");
    }

    private static string Join(IEnumerable<string[]> groups) =>
        string.Join(" + ", groups.Select(group => string.Join(" or ", group.Select(name => $"\"{name}\""))));
}

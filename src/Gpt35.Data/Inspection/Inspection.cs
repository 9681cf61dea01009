using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>What to look for in a data file.</summary>
public sealed record InspectionOptions
{
    /// <summary>Text to ids.</summary>
    public required Tokenizer Tokenizer { get; init; }

    /// <summary>Conversations to ids.</summary>
    public required ChatFormat Format { get; init; }

    /// <summary>Most tokens that fit; null where nobody said.</summary>
    public int? Context { get; init; }

    /// <summary>When two records count as nearly the same; null does not look.</summary>
    public NearDuplicateOptions? NearDuplicates { get; init; }

    /// <summary>Tests that must not be among the records; null does not look.</summary>
    public Decontamination? Tests { get; init; }

    /// <summary>Threads at a time; 0: all cores.</summary>
    public int Threads { get; init; }
}

/// <summary>Something found in a data file.</summary>
/// <param name="Kind">One of <see cref="FindingKind"/>.</param>
/// <param name="What">In words.</param>
/// <param name="Rows">How many rows.</param>
/// <param name="First">Where the first of them stands, and what it is about.</param>
public sealed record Finding(FindingKind Kind, string What, int Rows, string First)
{
    /// <summary>Whether a cleaned copy goes without these rows.</summary>
    public bool Removed => Kind is not (FindingKind.TooLong or FindingKind.NotInFormat);
}

public enum FindingKind
{
    /// <summary>Readers refuse the row: unknown roles, missing columns, wrong types.</summary>
    Refused,
    /// <summary>Readers leave the row out: an empty answer, two completions that are the same text.</summary>
    TeachesNothing,
    /// <summary>An answer that is not the last, or one of several, is empty.</summary>
    EmptyAnswer,
    /// <summary>The chat format cannot write the turns down.</summary>
    NotInFormat,
    /// <summary>No token would be trained on.</summary>
    EmptyMask,
    /// <summary>More tokens than the context holds.</summary>
    TooLong,
    /// <summary>Word for word the same as an earlier row.</summary>
    Duplicate,
    /// <summary>Nearly the same as an earlier row.</summary>
    NearDuplicate,
    /// <summary>Shares a run of words with a test.</summary>
    Contaminated,
}

/// <summary>Lengths of the records; a percentile is the smallest length that at least that share of the records does not exceed.</summary>
public sealed record LengthSummary(int Min, int Median, int P95, int Max, long Total)
{
    internal static LengthSummary? Of(List<int> lengths)
    {
        if (lengths.Count == 0) return null;
        lengths.Sort();
        int At(double share) => lengths[Math.Max(0, (int)Math.Ceiling(share * lengths.Count) - 1)];
        return new LengthSummary(lengths[0], At(0.5), At(0.95), lengths[^1], lengths.Sum(length => (long)length));
    }
}

/// <summary>What a data file holds.</summary>
public sealed record Inspection
{
    public required string File { get; init; }

    /// <summary>What its rows are good for.</summary>
    public required RecordKind Kind { get; init; }

    /// <summary>Rows, or documents of plain text.</summary>
    public required int Rows { get; init; }

    /// <summary>Rows that make a record.</summary>
    public required int Records { get; init; }

    /// <summary>Records that a cleaned copy keeps.</summary>
    public required int Kept { get; init; }

    /// <summary>Turns by role, of conversations and prompts.</summary>
    public required IReadOnlyDictionary<Role, int> Turns { get; init; }

    /// <summary>UTF-16 units of all texts of a record.</summary>
    public required LengthSummary? Characters { get; init; }

    /// <summary>Tokens of a record with all that the chat format adds; of a ranking, of the longest completion with its prompt.</summary>
    public required LengthSummary? Tokens { get; init; }

    /// <summary>Tokens that are trained on.</summary>
    public required LengthSummary? TrainedTokens { get; init; }

    /// <summary>What is wrong, the gravest first.</summary>
    public required IReadOnlyList<Finding> Findings { get; init; }

    /// <summary>A record as training sees it; null where there is none that the format can write.</summary>
    public required RenderedRecord? Example { get; init; }

    /// <summary>Where the example stands.</summary>
    public required string? ExamplePlace { get; init; }

    /// <summary>The records that a cleaned copy keeps, read anew.</summary>
    public required Func<IEnumerable<DataRecord>> Clean { get; init; }
}

namespace Gpt35.Model;

/// <summary>
/// Sequences laid end to end with their borders; there is no padding (B sequences, T tokens in all, N scored positions).
/// Attention, positions and losses stop at the borders, so a batch equals its sequences one by one.
/// </summary>
public sealed class TokenBatch
{
    /// <summary>Token ids of all sequences, (T,).</summary>
    public required int[] Tokens { get; init; }
    /// <summary>Where each sequence starts, and T at the end, (B + 1,).</summary>
    public required int[] SequenceStarts { get; init; }
    /// <summary>Rows of <see cref="Tokens"/> whose hidden state is scored, ascending, (N,).</summary>
    public required int[] ScoredRows { get; init; }
    /// <summary>The token whose log-probability each scored row gives, (N,), or that a scalar head reads beside it; heads that read states only ignore it.</summary>
    public required int[] Targets { get; init; }
    /// <summary>Where the scored positions of each sequence start, and N at the end, (B + 1,).</summary>
    public required int[] ScoredStarts { get; init; }

    public int SequenceCount => SequenceStarts.Length - 1;
    public int TokenCount => Tokens.Length;
    public int ScoredCount => ScoredRows.Length;
}

/// <summary>Collects sequences into a <see cref="TokenBatch"/>.</summary>
public sealed class TokenBatchBuilder
{
    private readonly List<int> tokens = [], sequenceStarts = [0], scoredRows = [], targets = [], scoredStarts = [0];

    public int TokenCount => tokens.Count;
    public int SequenceCount => sequenceStarts.Count - 1;

    /// <summary>Adds a sequence and scores every token i ≥ 1 with <paramref name="trained"/>[i], from the hidden state at i − 1.</summary>
    public TokenBatchBuilder Add(ReadOnlySpan<int> ids, ReadOnlySpan<bool> trained)
    {
        if (trained.Length != ids.Length)
            throw new ArgumentException($"The mask has {trained.Length} entries for {ids.Length} tokens.", nameof(trained));
        var start = tokens.Count;
        for (var i = 1; i < ids.Length; i++)
            if (trained[i]) Score(start + i - 1, ids[i]);
        return Close(ids);
    }

    /// <summary>Adds a sequence and scores tokens <paramref name="from"/>, from + 1, … (the completion after a prompt of that length; at least 1).</summary>
    public TokenBatchBuilder AddCompletion(ReadOnlySpan<int> ids, int from)
    {
        var start = tokens.Count;
        for (var i = Math.Max(from, 1); i < ids.Length; i++) Score(start + i - 1, ids[i]);
        return Close(ids);
    }

    /// <summary>Adds a sequence and scores its last hidden state only, which is where a reward model reads.</summary>
    public TokenBatchBuilder AddLast(ReadOnlySpan<int> ids)
    {
        Score(tokens.Count + ids.Length - 1, 0);
        return Close(ids);
    }

    public TokenBatch Build() => new()
    {
        Tokens = [.. tokens],
        SequenceStarts = [.. sequenceStarts],
        ScoredRows = [.. scoredRows],
        Targets = [.. targets],
        ScoredStarts = [.. scoredStarts],
    };

    private void Score(int row, int target)
    {
        scoredRows.Add(row);
        targets.Add(target);
    }

    private TokenBatchBuilder Close(ReadOnlySpan<int> ids)
    {
        if (ids.IsEmpty) throw new ArgumentException("A sequence needs at least one token.", nameof(ids));
        tokens.AddRange(ids);
        sequenceStarts.Add(tokens.Count);
        scoredStarts.Add(scoredRows.Count);
        return this;
    }
}

namespace Gpt35.Inference;

/// <summary>
/// Prompt look-up (Saxena 2023): what followed the last few tokens where they stood before, in the prompt or in the completion, follows them again. For texts that repeat themselves or their
/// prompt: summaries, edits, code. Costs no model: a guess reads at most <see cref="Window"/> tokens once.
/// </summary>
public sealed record PromptLookup : ISpeculator
{
    /// <summary>Most tokens of a guess.</summary>
    public int MostTokens { get; init; } = 10;

    /// <summary>The longest end of the text that is looked for; of several places, the one where most of it stands, and of those the last.</summary>
    public int LongestMatch { get; init; } = 3;

    /// <summary>The shortest end of the text that counts as found.</summary>
    public int ShortestMatch { get; init; } = 1;

    /// <summary>How far back it looks, in tokens.</summary>
    public int Window { get; init; } = 4096;

    /// <inheritdoc/>
    public int Guess(ReadOnlySpan<int> tokens, Span<int> guess)
    {
        if (tokens.IsEmpty) return 0;
        if (tokens.Length > Window) tokens = tokens[^Window..];
        var (next, length) = (0, 0);                        // where the best match ends, and how long it is
        var end = tokens.Length - 1;
        while (length < LongestMatch && (end = tokens[..Math.Max(end, 0)].LastIndexOf(tokens[^1])) >= 0)
        {
            var found = 1;
            while (found < LongestMatch && found <= end && tokens[end - found] == tokens[^(found + 1)]) found++;
            if (found > length) (next, length) = (end + 1, found);
        }
        if (length == 0 || length < ShortestMatch) return 0;
        // Where the match is near the end, the text repeats itself, and goes on doing so.
        var period = tokens.Length - next;
        for (var i = 0; i < guess.Length; i++) guess[i] = i < period ? tokens[next + i] : guess[i - period];
        return guess.Length;
    }

    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    internal void Validate()
    {
        if (MostTokens < 1) throw new ArgumentOutOfRangeException(nameof(MostTokens), $"The most tokens of a guess are {MostTokens}; expected 1 or more.");
        if (ShortestMatch < 1 || ShortestMatch > LongestMatch)
            throw new ArgumentOutOfRangeException(nameof(ShortestMatch), $"The shortest match has {ShortestMatch} tokens and the longest {LongestMatch}; expected 1 ≤ shortest ≤ longest.");
        if (Window <= LongestMatch) throw new ArgumentOutOfRangeException(nameof(Window), $"The window has {Window} tokens; expected more than the longest match, {LongestMatch}.");
    }
}

using Gpt35.Kernels;

namespace Gpt35.Inference;

/// <summary>How much an engine does at once. None of it changes what is generated.</summary>
public sealed record EngineOptions
{
    /// <summary>Most completions under way together.</summary>
    public int MaxSequences { get; init; } = 64;

    /// <summary>
    /// Most tokens that one step computes, of all completions together. A prompt that is longer is read in several steps, between which the others
    /// go on; fewer tokens let them wait less, more read faster.
    /// </summary>
    public int TokensPerStep { get; init; } = 512;

    /// <summary>Tokens for whose keys and values there is memory; null: as many as the sequences can need, in at most a quarter of the free memory.</summary>
    public int? CacheTokens { get; init; }

    /// <summary>How keys and values are held.</summary>
    public KvPrecision CachePrecision { get; init; } = KvPrecision.F32;

    /// <summary>Most requests that wait; one more is refused.</summary>
    public int QueueLimit { get; init; } = 1024;

    /// <summary>Whether the keys and values of a beginning that another prompt had are used again. Off where the weights change between requests.</summary>
    public bool PrefixCache { get; init; } = true;

    /// <summary>Guesses tokens ahead so that several are computed in one pass; null: none. What is generated stays the same to the bit.</summary>
    public ISpeculator? Speculator { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    internal void Validate()
    {
        if (MaxSequences < 1) throw new ArgumentOutOfRangeException(nameof(MaxSequences), $"Most sequences at once are {MaxSequences}; expected 1 or more.");
        if (TokensPerStep < MaxSequences)
            throw new ArgumentOutOfRangeException(nameof(TokensPerStep), $"A step has {TokensPerStep} tokens for {MaxSequences} sequences; expected at least one for each.");
        if (CacheTokens < 1) throw new ArgumentOutOfRangeException(nameof(CacheTokens), $"The cache has room for {CacheTokens} tokens; expected 1 or more.");
        if (QueueLimit < 0) throw new ArgumentOutOfRangeException(nameof(QueueLimit), $"Most requests that wait are {QueueLimit}; expected 0 or more.");
    }
}

/// <summary>Guesses what comes next from the text so far. Wrong guesses cost time and never change a text.</summary>
public interface ISpeculator
{
    /// <summary>Most tokens of a guess.</summary>
    int MostTokens { get; }

    /// <summary>Writes a guess.</summary>
    /// <param name="tokens">Prompt and completion so far.</param>
    /// <param name="guess">Receives up to <see cref="MostTokens"/> ids.</param>
    /// <returns>How many it wrote.</returns>
    int Guess(ReadOnlySpan<int> tokens, Span<int> guess);
}

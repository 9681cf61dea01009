using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference;

/// <summary>How much an engine does at once. None of it but the precision of the cache changes what is generated.</summary>
public sealed record EngineOptions
{
    /// <summary>Most completions under way together.</summary>
    public int MaxSequences { get; init; } = 64;

    /// <summary>
    /// Most tokens that one step computes, of all completions together. A prompt that is longer is read in several steps, between which the others
    /// go on; fewer tokens let them wait less, more read faster.
    /// </summary>
    public int TokensPerStep { get; init; } = 512;

    /// <summary>Tokens for whose keys and values there is memory; null: as many as the sequences can need, in at most a quarter of the memory that the process may take (with the draft model's cache), and at least the model's context.</summary>
    public int? CacheTokens { get; init; }

    /// <summary>How keys and values are held; fewer bits change what is generated a little, and always alike.</summary>
    public KvPrecision CachePrecision { get; init; } = KvPrecision.F32;

    /// <summary>Most requests that wait; one more is refused.</summary>
    public int QueueLimit { get; init; } = 1024;

    /// <summary>Whether the keys and values of a beginning that another prompt had are used again. Off where the weights change between requests.</summary>
    public bool PrefixCache { get; init; } = true;

    /// <summary>Guesses tokens ahead so that several are computed in one pass; null: none. What is generated stays the same to the bit.</summary>
    public ISpeculator? Speculator { get; init; }

    /// <summary>A smaller model that guesses instead; null: none. What is generated stays the same to the bit.</summary>
    public DraftModel? Draft { get; init; }

    /// <summary>
    /// What guessing and computing one more token costs, as a part of a pass without guesses: decides how far ahead is guessed. 0: always as far as can be; null: estimated from the number of
    /// completions and the sizes of the models.
    /// </summary>
    public double? GuessCost { get; init; }

    /// <param name="model">Of the model that the engine runs.</param>
    /// <exception cref="ArgumentException">A value is outside its range, or a draft model does not go with the model.</exception>
    internal void Validate(ModelConfig model)
    {
        if (MaxSequences < 1) throw new ArgumentOutOfRangeException(nameof(MaxSequences), $"Most sequences at once are {MaxSequences}; expected 1 or more.");
        if (TokensPerStep < MaxSequences)
            throw new ArgumentOutOfRangeException(nameof(TokensPerStep), $"A step has {TokensPerStep} tokens for {MaxSequences} sequences; expected at least one for each.");
        if (CacheTokens < 1) throw new ArgumentOutOfRangeException(nameof(CacheTokens), $"The cache has room for {CacheTokens} tokens; expected 1 or more.");
        if (QueueLimit < 0) throw new ArgumentOutOfRangeException(nameof(QueueLimit), $"Most requests that wait are {QueueLimit}; expected 0 or more.");
        if (Speculator is { MostTokens: < 1 } guesser)
            throw new ArgumentOutOfRangeException(nameof(Speculator), $"The most tokens of a guess are {guesser.MostTokens}; expected 1 or more.");
        (Speculator as PromptLookup)?.Validate();
        if (!(GuessCost is null or >= 0)) throw new ArgumentOutOfRangeException(nameof(GuessCost), $"A guess costs {GuessCost} passes; expected 0 or more.");
        if (Draft is null) return;
        if (Speculator is not null) throw new ArgumentException("There are a speculator and a draft model; expected one of them.", nameof(Draft));
        Draft.RequireFor(model);
    }
}

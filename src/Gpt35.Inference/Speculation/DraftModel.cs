using Gpt35.Model;

namespace Gpt35.Inference;

/// <summary>
/// A smaller model that guesses for a larger one (Leviathan et al. 2023; Chen et al. 2023). It needs the same vocabulary; the better it imitates the larger one, the more of its guesses are right.
/// </summary>
/// <param name="Decoder">The smaller model. Nobody else may use it while the engine does; the engine does not dispose of it.</param>
public sealed record DraftModel(Decoder Decoder)
{
    /// <summary>Most tokens that it guesses ahead; how many it does guess depends on how often it was right and how much smaller it is.</summary>
    public int MostTokens { get; init; } = 8;

    /// <summary>Tokens for whose keys and values it has memory; null: as many as the engine. A completion for which there is none left is not guessed for.</summary>
    public int? CacheTokens { get; init; }

    /// <summary>Makes sure that it can guess for that model.</summary>
    /// <exception cref="ArgumentException">A value is outside its range, or the model cannot guess for the other one.</exception>
    public void RequireFor(ModelConfig target)
    {
        var config = Decoder.Config;
        if (MostTokens < 1) throw new ArgumentOutOfRangeException(nameof(MostTokens), $"The most tokens of a guess are {MostTokens}; expected 1 or more.");
        if (CacheTokens < 1) throw new ArgumentOutOfRangeException(nameof(CacheTokens), $"The draft model's cache has room for {CacheTokens} tokens; expected 1 or more.");
        if (config.NumScalars > 0) throw new ArgumentException("The draft model gives scores, not text. Name a language model.");
        if (config.VocabSize != target.VocabSize)
            throw new ArgumentException($"The draft model has a vocabulary of {config.VocabSize} ids and the model one of {target.VocabSize}; expected two models of one tokenizer.");
        if (config.MaxPositionEmbeddings < target.MaxPositionEmbeddings)
            throw new ArgumentException($"The draft model's context is {config.MaxPositionEmbeddings} tokens and the model's {target.MaxPositionEmbeddings}; expected one at least as long.");
    }
}

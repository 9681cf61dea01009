namespace Gpt35.Inference;

/// <summary>
/// Guesses what comes next from the text so far. Wrong guesses cost time and never change a text. An engine asks from one thread at a time; one that takes its time delays the engine's step, but nobody who
/// submits or cancels a request, and one that throws ends the request that it was asked for.
/// </summary>
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

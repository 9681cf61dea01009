namespace Gpt35.Inference;

/// <summary>How the next token is chosen.</summary>
public sealed record SamplingOptions
{
    /// <summary>Logits are divided by this; 0 takes the most likely token.</summary>
    public double Temperature { get; init; } = 1;
    /// <summary>Keep only the k most likely tokens; 0 keeps all.</summary>
    public int TopK { get; init; }
    /// <summary>Keep the smallest set of most likely tokens whose probability reaches this (Holtzman et al. 2020).</summary>
    public double TopP { get; init; } = 1;
    /// <summary>Most tokens to generate, the stop token included.</summary>
    public int MaxTokens { get; init; } = 64;
    /// <summary>Tokens that end a completion; the one met is its last token.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];
    /// <summary>Same seed, same prompt index, same text, whatever else is in the batch.</summary>
    public ulong Seed { get; init; }
    /// <summary>Index of the first prompt in a larger set that is generated in parts; the parts then draw what the whole would.</summary>
    public int FirstPrompt { get; init; }

    /// <summary>Checks values that came from a person.</summary>
    /// <exception cref="InvalidDataException">A value is outside its range; the message names it.</exception>
    public void Validate()
    {
        if (Problem() is { } problem) throw new InvalidDataException(problem);
    }

    /// <summary>What is wrong with the values, or null.</summary>
    internal string? Problem()
    {
        if (!double.IsFinite(Temperature) || Temperature < 0) return $"The temperature is {Temperature}; expected 0 (the most likely token) or a positive number.";
        if (TopK < 0) return $"Top-k is {TopK}; expected 0 (all tokens) or a positive number.";
        if (!(TopP > 0 && TopP <= 1)) return $"Top-p is {TopP}; expected a number above 0 and at most 1 (all tokens).";
        if (MaxTokens < 1) return $"The most tokens to generate are {MaxTokens}; expected 1 or more.";
        return null;
    }
}

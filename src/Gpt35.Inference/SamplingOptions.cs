namespace Gpt35.Inference;

/// <summary>
/// How the next token is chosen. In this order: the model's logits, the constraint, the logit bias, the penalties, the temperature, top-k, top-p,
/// min-p, the draw.
/// </summary>
public sealed record SamplingOptions
{
    /// <summary>Most alternatives that <see cref="TopLogProbs"/> may ask for, as OpenAI's chat API has it.</summary>
    public const int MostTopLogProbs = 20;

    /// <summary>Logits are divided by this; 0 takes the most likely token.</summary>
    public double Temperature { get; init; } = 1;
    /// <summary>Keep only the k most likely tokens; 0 keeps all.</summary>
    public int TopK { get; init; }
    /// <summary>Keep the smallest set of most likely tokens whose probability reaches this (Holtzman et al. 2020).</summary>
    public double TopP { get; init; } = 1;
    /// <summary>Keep only tokens at least this fraction as likely as the likeliest one (Nguyen et al. 2024); 0 keeps all.</summary>
    public double MinP { get; init; }
    /// <summary>Taken once from the logit of every token that the completion holds already; −2 to 2.</summary>
    public double PresencePenalty { get; init; }
    /// <summary>Taken from a token's logit for each time that the completion holds it already; −2 to 2.</summary>
    public double FrequencyPenalty { get; init; }
    /// <summary>Added to the logits of these ids; −100 to 100.</summary>
    public IReadOnlyDictionary<int, double> LogitBias { get; init; } = new Dictionary<int, double>();
    /// <summary>Most tokens to generate, the stop token included.</summary>
    public int MaxTokens { get; init; } = 64;
    /// <summary>Fewest tokens to generate before a stop token is allowed or a stop string counts. A constraint that allows nothing more ends the completion all the same.</summary>
    public int MinTokens { get; init; }
    /// <summary>Tokens that end a completion; the one met is its last token.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];
    /// <summary>Texts that end a completion, wherever they begin and end in its tokens; not part of its text.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];
    /// <summary>Same seed, same prompt index, same text, whatever else is in the batch.</summary>
    public ulong Seed { get; init; }
    /// <summary>How many of the most likely tokens to report with their log-probabilities at every place; 0 reports the chosen token's alone, null nothing.</summary>
    public int? TopLogProbs { get; init; }
    /// <summary>What the text must look like.</summary>
    public OutputConstraint? Constraint { get; init; }
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
        if (!(MinP >= 0 && MinP <= 1)) return $"Min-p is {MinP}; expected a number from 0 (all tokens) to 1.";
        if (!(Math.Abs(PresencePenalty) <= 2)) return $"The presence penalty is {PresencePenalty}; expected a number from -2 to 2.";
        if (!(Math.Abs(FrequencyPenalty) <= 2)) return $"The frequency penalty is {FrequencyPenalty}; expected a number from -2 to 2.";
        foreach (var (id, bias) in LogitBias)
            if (id < 0 || !(Math.Abs(bias) <= 100)) return $"The logit bias of token {id} is {bias}; expected token ids of 0 or more with numbers from -100 to 100.";
        if (MaxTokens < 1) return $"The most tokens to generate are {MaxTokens}; expected 1 or more.";
        if (MinTokens < 0 || MinTokens > MaxTokens) return $"The fewest tokens to generate are {MinTokens}; expected 0 to the most tokens, {MaxTokens}.";
        if (StopStrings.Any(string.IsNullOrEmpty)) return "A stop string is empty; expected at least one character.";
        if (TopLogProbs is < 0 or > MostTopLogProbs) return $"The most likely tokens to report are {TopLogProbs}; expected 0 to {MostTopLogProbs}.";
        return null;
    }
}

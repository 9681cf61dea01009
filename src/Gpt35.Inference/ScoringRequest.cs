using Gpt35.Model;

namespace Gpt35.Inference;

/// <summary>A text whose tokens' probabilities are wanted, each given those before it.</summary>
/// <param name="Text">Ids, at least one; no more than the context holds.</param>
/// <param name="First">The first token that is scored; the one at 0 has nothing before it and no probability.</param>
public sealed record ScoringRequest(int[] Text, int First = 1)
{
    /// <summary>How many of the likeliest tokens to report at every place, as <see cref="SamplingOptions.TopLogProbs"/>.</summary>
    public int TopLogProbs { get; init; }

    /// <summary>What the model is adapted with; null: nothing.</summary>
    public LoraAdapter? Adapter { get; init; }
}

/// <summary>How the states of a text's tokens become one vector.</summary>
public enum Pooling
{
    /// <summary>Their mean.</summary>
    Mean,
    /// <summary>The last one, which has seen the whole text.</summary>
    LastToken,
}

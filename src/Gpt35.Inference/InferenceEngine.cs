using Gpt35.Model;

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
}

public enum FinishReason { Stop, Length }

/// <summary>A generated continuation.</summary>
/// <param name="Tokens">Generated ids, the stop token included when one was met.</param>
/// <param name="LogProbs">log p of each under the model at the sampling temperature, before top-k and top-p (temperature 1 for greedy), (n,).</param>
/// <param name="Finish">Why it ended.</param>
public sealed record Completion(int[] Tokens, float[] LogProbs, FinishReason Finish);

/// <summary>Generates from a decoder with a key/value cache, many prompts at once, refilling slots as completions end.</summary>
public sealed class InferenceEngine(Decoder model, int maxBatch = 64)
{
    /// <summary>One completion per prompt, in order. Prompt i draws from the random stream (seed, i).</summary>
    /// <exception cref="ArgumentException">A prompt is empty or leaves no room in the context.</exception>
    public Completion[] Generate(IReadOnlyList<int[]> prompts, SamplingOptions options, CancellationToken cancel = default) =>
        throw new NotImplementedException($"{model} {maxBatch}");

    /// <summary>Tokens of one completion as they are chosen; equal to <see cref="Generate"/> of that prompt alone.</summary>
    public IEnumerable<int> Stream(int[] prompt, SamplingOptions options, CancellationToken cancel = default) => throw new NotImplementedException();
}

namespace Gpt35.Inference;

public enum FinishReason { Stop, Length }

/// <summary>A generated continuation.</summary>
/// <param name="Tokens">Generated ids, the stop token included when one was met.</param>
/// <param name="LogProbs">log p of each under the model at the sampling temperature (1 for greedy), before constraint, bias, penalties and truncation, (n,).</param>
/// <param name="Finish">Why it ended. Under a constraint, <see cref="FinishReason.Length"/> also says that the document was closed because tokens ran out.</param>
public sealed record Completion(int[] Tokens, float[] LogProbs, FinishReason Finish)
{
    /// <summary>The text, without special tokens, a stop token or a stop string; null where the engine knows no tokenizer.</summary>
    public string? Text { get; init; }

    /// <summary>What <see cref="SamplingOptions.TopLogProbs"/> asked for.</summary>
    public TokenLogProbs? TokenLogProbs { get; init; }

    /// <summary>The n completions of the highest mean log-probability per token, best first (OpenAI's best_of); of equal ones the earlier.</summary>
    public static Completion[] Best(IReadOnlyList<Completion> completions, int n) =>
        [.. completions.OrderByDescending(completion => completion.LogProbs.Average()).Take(n)];
}

namespace Gpt35.Inference;

/// <summary>A token and its log-probability in nats.</summary>
public readonly record struct TokenLogProb(int Token, float LogProb);

/// <summary>
/// Log-probabilities of a completion under the model's own distribution: temperature 1, before constraint, bias, penalties and truncation.
/// A chosen token that is among the most likely ones has the same bits in both.
/// </summary>
/// <param name="Chosen">log p of each token, (n,).</param>
/// <param name="Top">The most likely tokens at each place, best first, (n, k).</param>
public sealed record TokenLogProbs(float[] Chosen, TokenLogProb[][] Top);

using Gpt35.Data;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Evaluation;

/// <summary>How well a model predicts held-out text.</summary>
/// <param name="TotalNats">Σ −log p over the scored tokens.</param>
/// <param name="Tokens">Scored tokens.</param>
/// <param name="Bytes">UTF-8 bytes of the text those tokens spell; 0 when unknown.</param>
public sealed record PerplexityResult(double TotalNats, long Tokens, long Bytes = 0)
{
    /// <summary>Mean −log p, in nats per token: the cross-entropy that training minimises.</summary>
    public double NatsPerToken => TotalNats / Tokens;

    /// <summary>exp(nats per token). Comparable only between models with the same tokenizer.</summary>
    public double Value => Math.Exp(NatsPerToken);

    /// <summary>Bits needed per byte of text, comparable between tokenizers; null when the bytes are unknown.</summary>
    public double? BitsPerByte => Bytes > 0 ? TotalNats / (Math.Log(2) * Bytes) : null;
}

/// <summary>Perplexity, exp(−1/N Σ log p(x_i | x_&lt;i)), over windows of held-out text.</summary>
public static class Perplexity
{
    /// <summary>
    /// Scores every token of every window but its first.
    /// </summary>
    /// <param name="model">A language model (no scalar head).</param>
    /// <param name="windows">Token ids, each at least two and at most the context of the model.</param>
    /// <param name="bytes">UTF-8 bytes spelt by the scored tokens, for bits per byte; 0 when unknown.</param>
    /// <param name="tokensPerBatch">Most tokens of an unpadded batch; a longer window travels alone. Does not change the result beyond rounding.</param>
    /// <param name="cancel">Stops between batches.</param>
    /// <exception cref="InvalidDataException">There is no token to score.</exception>
    public static PerplexityResult Measure(
        ITrainableModel model, IEnumerable<int[]> windows, long bytes = 0, int tokensPerBatch = 4096, CancellationToken cancel = default)
    {
        double nats = 0;
        long count = 0;
        var batch = new TokenBatchBuilder();
        foreach (var window in windows)
        {
            if (window.Length < 2) continue;
            if (batch.TokenCount > 0 && batch.TokenCount + window.Length > tokensPerBatch) Flush();
            batch.AddCompletion(window, 1);
        }
        if (batch.TokenCount > 0) Flush();
        return count > 0
            ? new PerplexityResult(nats, count, bytes)
            : throw new InvalidDataException("The held-out text has no token to score: perplexity needs windows of at least two tokens. Hold out more text.");

        void Flush()
        {
            cancel.ThrowIfCancellationRequested();
            foreach (var logProb in model.Forward(batch.Build(), new ForwardRequest { LogProb = true }).LogProb)
            {
                nats -= logProb;
                count++;
            }
            batch = new TokenBatchBuilder();
        }
    }

    /// <summary>
    /// Perplexity of documents read one by one as in pre-training: &lt;|endoftext|&gt; before each and after each. Every token of the text is scored
    /// exactly once, so bits per byte are exact; the ends of documents count as tokens and as no bytes.
    /// </summary>
    public static PerplexityResult MeasureDocuments(
        ITrainableModel model, Tokenizer tokenizer, IEnumerable<string> documents, int tokensPerBatch = 4096, CancellationToken cancel = default)
    {
        var text = TextWindows.Cut(documents, tokenizer, model.Config.MaxPositionEmbeddings);
        return Measure(model, text.Windows.Select(window => window.Ids), text.Bytes, tokensPerBatch, cancel);
    }
}

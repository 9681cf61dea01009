namespace Gpt35.Training;

/// <summary>Cross-entropy of the next token, the loss of pre-training and of supervised fine-tuning.</summary>
public static class LanguageModelLoss
{
    /// <summary>
    /// −1/N Σ log p(x_t | x_&lt;t), where N counts the scored tokens of the whole optimizer step: the parts of its micro-batches
    /// add up to the loss of one large batch, however it was cut (averaging per micro-batch would weigh short ones too much).
    /// </summary>
    /// <param name="logProb">log p of each scored token of this micro-batch, (n,).</param>
    /// <param name="tokens">N: scored tokens of the optimizer step.</param>
    /// <param name="dLogProb">Receives ∂loss/∂logProb, (n,).</param>
    /// <param name="weight">Factor on loss and gradient (γ of PPO-ptx; 1 elsewhere).</param>
    /// <returns>This micro-batch's share of the loss, in nats.</returns>
    public static double Compute(ReadOnlySpan<float> logProb, long tokens, Span<float> dLogProb, double weight = 1)
    {
        Maths.SameLength(logProb.Length, dLogProb.Length, nameof(dLogProb));
        Gradient(tokens, dLogProb, weight);
        return weight * TotalNats(logProb) / tokens;
    }

    /// <summary>∂loss/∂logProb, −weight/N for each token: it does not depend on the log-probabilities, so that a model may know it before it scores (<see cref="Model.ForwardRequest.LogProbGradient"/>).</summary>
    public static void Gradient(long tokens, Span<float> dLogProb, double weight = 1) => dLogProb.Fill((float)(-weight / tokens));

    /// <summary>Σ −log p.</summary>
    public static double TotalNats(ReadOnlySpan<float> logProb)
    {
        double nats = 0;
        foreach (var value in logProb) nats -= value;
        return nats;
    }
}

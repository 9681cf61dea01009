namespace Gpt35.Model;

/// <summary>What an algorithm may ask of a model: a few numbers per scored token, and the way back from their gradients.</summary>
public interface ITrainableModel : IDisposable
{
    ModelConfig Config { get; }
    ParameterSet Parameters { get; }

    /// <summary>Scores the batch. The result is valid until the next call on this model.</summary>
    TokenScores Forward(TokenBatch batch, ForwardRequest what);

    /// <summary>Adds ∂L/∂parameters of the last <see cref="Forward"/> (which must have had <see cref="ForwardRequest.ForBackward"/>) to the gradients.</summary>
    void Backward(in TokenGradients gradients);
}

/// <summary>Which numbers a forward pass returns, and under which conditions.</summary>
public readonly record struct ForwardRequest()
{
    /// <summary>log p(target) of each scored position.</summary>
    public bool LogProb { get; init; }
    /// <summary>Entropy of the next-token distribution at each scored position, in nats.</summary>
    public bool Entropy { get; init; }
    /// <summary>Outputs of the scalar head at each scored position.</summary>
    public bool Scalars { get; init; }
    /// <summary>Keep what <see cref="ITrainableModel.Backward"/> needs.</summary>
    public bool ForBackward { get; init; }
    /// <summary>Logits are divided by this before the softmax, as the sampler did.</summary>
    public float Temperature { get; init; } = 1;
    /// <summary>
    /// Key of the dropout masks of each sequence, (B,), a function of seed, step and example; null turns dropout off. The mask of an element is a function of its sequence's key,
    /// its token's position within the sequence, its place in the network and its column.
    /// </summary>
    public ulong[]? DropoutKeys { get; init; }
    /// <summary>
    /// ∂L/∂log p of each scored position, (N,), where the loss is so simple that it is known before the pass, as in a cross-entropy; empty: it is not. A backend may go back through the
    /// vocabulary while the logits are at hand, adding to the gradients already, and so compute them once without keeping them. <see cref="ITrainableModel.Backward"/> must follow, with the same numbers.
    /// </summary>
    public ReadOnlyMemory<float> LogProbGradient { get; init; }

    /// <summary>Whether log p is all that the way back starts from, and its gradient is known.</summary>
    internal bool GoesBackAtOnce => ForBackward && !Entropy && !LogProbGradient.IsEmpty;
}

/// <summary>What <see cref="ITrainableModel.Forward"/> found; empty where it was not asked.</summary>
public readonly ref struct TokenScores
{
    /// <summary>(N,)</summary>
    public ReadOnlySpan<float> LogProb { get; init; }
    /// <summary>(N,)</summary>
    public ReadOnlySpan<float> Entropy { get; init; }
    /// <summary>(N, S), row-major.</summary>
    public ReadOnlySpan<float> Scalars { get; init; }
}

/// <summary>Gradients of a loss with respect to the numbers of <see cref="TokenScores"/>; an empty span stands for zeros.</summary>
public readonly ref struct TokenGradients
{
    /// <summary>(N,)</summary>
    public ReadOnlySpan<float> LogProb { get; init; }
    /// <summary>(N,)</summary>
    public ReadOnlySpan<float> Entropy { get; init; }
    /// <summary>(N, S), row-major.</summary>
    public ReadOnlySpan<float> Scalars { get; init; }
}

namespace Gpt35.Model;

/// <summary>What every backend refuses before it computes.</summary>
public static class ForwardCheck
{
    /// <exception cref="ArgumentException">The batch scores nothing, has a sequence longer than the model's positions, an id outside the vocabulary, or dropout keys or gradients for another number of sequences or tokens.</exception>
    /// <exception cref="InvalidOperationException">The model has no head for what is asked.</exception>
    public static void Require(ModelConfig config, TokenBatch batch, ForwardRequest what)
    {
        if (batch.ScoredCount == 0)
            throw new ArgumentException("The batch scores no position, so there is nothing to compute.", nameof(batch));
        if ((what.LogProb || what.Entropy) && config.NumScalars > 0)
            throw new InvalidOperationException("This model has a scalar head in place of the vocabulary projection; ask it for Scalars.");
        if (what.Scalars && config.NumScalars == 0)
            throw new InvalidOperationException("This model has no scalar head; make one with CloneWithHead.");
        if (what.DropoutKeys is { } keys && keys.Length != batch.SequenceCount)
            throw new ArgumentException($"There are {keys.Length} dropout keys for {batch.SequenceCount} sequences; each sequence has one.", nameof(what));
        if (what.LogProbGradient.Length is var known and not 0 && (!what.LogProb || !what.ForBackward || known != batch.ScoredCount))
            throw new ArgumentException($"There are {known} gradients of log-probabilities for {batch.ScoredCount} scored tokens; a pass with LogProb and ForBackward may bring one for each.", nameof(what));
        for (var i = 0; i < batch.SequenceCount; i++)
        {
            var length = batch.SequenceStarts[i + 1] - batch.SequenceStarts[i];
            if (length > config.MaxPositionEmbeddings)
                throw new ArgumentException($"Sequence {i} has {length} tokens; the model has {config.MaxPositionEmbeddings} positions.", nameof(batch));
        }
        RequireIds(config, batch.Tokens);
        if (what.LogProb || what.Entropy || config.ScalarHead == ScalarHead.Action) RequireIds(config, batch.Targets);
    }

    /// <exception cref="ArgumentException">An id is outside the vocabulary.</exception>
    public static void RequireIds(ModelConfig config, ReadOnlySpan<int> ids)
    {
        foreach (var id in ids)
            if ((uint)id >= (uint)config.VocabSize)
                throw new ArgumentException($"Token id {id} is outside the vocabulary of {config.VocabSize}.");
    }
}

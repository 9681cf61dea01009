using Gpt35.Model;

namespace Gpt35.Evaluation.Tests;

/// <summary>A model whose log-probability of a target is that of a fixed table, and whose reward is the sum of a sequence's ids.</summary>
internal sealed class FakeModel(float[] logProbOfToken, int scalars = 0) : ITrainableModel
{
    public ModelConfig Config { get; } = new()
    {
        VocabSize = logProbOfToken.Length,
        HiddenSize = 1,
        NumHiddenLayers = 1,
        NumAttentionHeads = 1,
        MaxPositionEmbeddings = 8,
        NumScalars = scalars,
    };

    public List<TokenBatch> Batches { get; } = [];

    public ParameterSet Parameters => throw new NotSupportedException("An evaluation never touches parameters.");

    public TokenScores Forward(TokenBatch batch, ForwardRequest what)
    {
        Assert.False(what.ForBackward);
        Assert.Null(what.DropoutKeys);
        Batches.Add(batch);
        if (!what.Scalars) return new TokenScores { LogProb = batch.Targets.Select(t => logProbOfToken[t]).ToArray() };
        var rewards = new float[batch.SequenceCount * Config.NumScalars];
        for (var s = 0; s < batch.SequenceCount; s++)
            rewards[s * Config.NumScalars] = batch.Tokens[batch.SequenceStarts[s]..batch.SequenceStarts[s + 1]].Sum();
        return new TokenScores { Scalars = rewards };
    }

    public void Backward(in TokenGradients gradients) => throw new NotSupportedException("An evaluation never goes backward.");

    public void Dispose() { }
}

namespace Gpt35.Model;

/// <summary>What a scalar head reads at a scored position.</summary>
public enum ScalarHead
{
    /// <summary>The hidden state h: u·h, a value V(s).</summary>
    State,
    /// <summary>
    /// The hidden state h and the token y that came next: u·h + Σ_d w_d·h_d·E(y)_d, an action value Q(s, y) (Rafailov et al. 2024), with E the
    /// output embedding; w = 1 and u = 0 give the language model's logit of y.
    /// </summary>
    Action,
}

/// <summary>A prompt with an answer to it, to be judged by a reward model.</summary>
/// <param name="Ids">Prompt and answer.</param>
/// <param name="PromptLength">Tokens of the prompt.</param>
public readonly record struct JudgedSequence(int[] Ids, int PromptLength);

/// <summary>
/// Where a reward model reads, and what its reward is: a head that reads states, the scalar at the last token (Ouyang et al. 2022, section 3.5);
/// one that reads tokens, the mean over those of the answer.
/// </summary>
public static class SequenceReward
{
    /// <summary>Adds a sequence and scores the positions at which a reward model of this shape reads.</summary>
    public static TokenBatchBuilder AddJudged(this TokenBatchBuilder builder, ModelConfig config, JudgedSequence sequence) =>
        config.ScalarHead == ScalarHead.Action ? builder.AddCompletion(sequence.Ids, sequence.PromptLength) : builder.AddLast(sequence.Ids);

    /// <summary>Reward of each sequence, (B,): the mean of the first scalar over its scored positions; 0 for an answer without tokens.</summary>
    /// <param name="batch">Made with <see cref="AddJudged"/>.</param>
    /// <param name="scalars">Outputs of the scalar head, (N, S).</param>
    public static float[] Rewards(TokenBatch batch, ReadOnlySpan<float> scalars)
    {
        var width = batch.ScoredCount == 0 ? 1 : scalars.Length / batch.ScoredCount;
        var rewards = new float[batch.SequenceCount];
        for (var b = 0; b < rewards.Length; b++)
        {
            var (from, to) = (batch.ScoredStarts[b], batch.ScoredStarts[b + 1]);
            for (var i = from; i < to; i++) rewards[b] += scalars[i * width];
            if (to > from) rewards[b] /= to - from;
        }
        return rewards;
    }

    /// <summary>∂loss/∂scalars, (N,), of a head of one output, from ∂loss/∂rewards, (B,).</summary>
    public static void Gradient(TokenBatch batch, ReadOnlySpan<float> dRewards, Span<float> dScalars)
    {
        for (var b = 0; b < dRewards.Length; b++)
        {
            var (from, to) = (batch.ScoredStarts[b], batch.ScoredStarts[b + 1]);
            if (to > from) dScalars[from..to].Fill(dRewards[b] / (to - from));
        }
    }
}

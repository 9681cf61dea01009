namespace Gpt35.Training;

/// <summary>What the ranking loss found.</summary>
/// <param name="Loss">Share of these prompts in the loss of the step.</param>
/// <param name="Pairs">Compared pairs, ties not counted.</param>
/// <param name="Correct">Pairs whose preferred completion has the higher reward.</param>
public readonly record struct RankingLoss(double Loss, int Pairs, int Correct);

/// <summary>Losses of the reward model.</summary>
public static class RewardLoss
{
    /// <summary>
    /// −1/C(K,2) Σ log σ(r_w − r_l) for every prompt, averaged over the prompts of the step (Ouyang et al. 2022, eq. 1).
    /// All pairs of a prompt come from one batch, so that each completion passes through the model once and none is fitted K − 1 times.
    /// Ties are dropped (section 3.5 there); C(K,2) then counts the pairs that are left.
    /// </summary>
    /// <param name="rewards">Reward of each completion, prompts end to end, (C,).</param>
    /// <param name="ranks">Rank of each, 1 best, (C,).</param>
    /// <param name="starts">Where each prompt's completions start, and C at the end, (P + 1,).</param>
    /// <param name="prompts">Prompts of the whole optimizer step; P when it is one micro-batch.</param>
    /// <param name="dRewards">Receives ∂loss/∂rewards, (C,).</param>
    public static RankingLoss Rankings(ReadOnlySpan<float> rewards, ReadOnlySpan<int> ranks, ReadOnlySpan<int> starts, int prompts, Span<float> dRewards)
    {
        Maths.SameLength(rewards.Length, ranks.Length, nameof(ranks));
        Maths.SameLength(rewards.Length, dRewards.Length, nameof(dRewards));
        dRewards.Clear();
        double loss = 0;
        int pairs = 0, correct = 0;
        for (var p = 0; p + 1 < starts.Length; p++)
        {
            var decided = DecidedPairs(ranks[starts[p]..starts[p + 1]]);
            if (decided == 0) continue;
            var weight = 1.0 / decided / prompts;
            for (var better = starts[p]; better < starts[p + 1]; better++)
            {
                for (var worse = starts[p]; worse < starts[p + 1]; worse++)
                {
                    if (ranks[better] >= ranks[worse]) continue;
                    double margin = rewards[better] - rewards[worse];
                    loss += weight * Maths.Softplus(-margin);              // −log σ(margin)
                    var slope = (float)(weight * Maths.Sigmoid(-margin));
                    dRewards[better] -= slope;
                    dRewards[worse] += slope;
                    if (margin > 0) correct++;
                }
            }
            pairs += decided;
        }
        return new RankingLoss(loss, pairs, correct);
    }

    /// <summary>Number of pairs with different ranks among <paramref name="ranks"/>.</summary>
    public static int DecidedPairs(ReadOnlySpan<int> ranks)
    {
        var pairs = 0;
        for (var i = 0; i < ranks.Length; i++)
            for (var j = i + 1; j < ranks.Length; j++)
                if (ranks[i] != ranks[j]) pairs++;
        return pairs;
    }
}

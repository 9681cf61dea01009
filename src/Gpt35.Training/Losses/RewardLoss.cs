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
    /// Ties are dropped (section 3.5 there); C(K,2) then counts the pairs that are left. Where several labellers ranked the same completions,
    /// the prompt's loss is the mean over their rankings.
    /// </summary>
    /// <param name="rewards">Reward of each completion, prompts end to end, (C,).</param>
    /// <param name="ranks">Rank of each completion of each prompt in each ranking of it, 1 best, (P, rankings, K).</param>
    /// <param name="prompts">Prompts of the whole optimizer step; P when it is one micro-batch.</param>
    /// <param name="dRewards">Receives ∂loss/∂rewards, (C,).</param>
    public static RankingLoss Rankings(ReadOnlySpan<float> rewards, IReadOnlyList<int[][]> ranks, int prompts, Span<float> dRewards)
    {
        Maths.SameLength(rewards.Length, dRewards.Length, nameof(dRewards));
        Maths.SameLength(rewards.Length, ranks.Sum(rankings => rankings[0].Length), nameof(ranks));
        dRewards.Clear();
        var total = new RankingLoss();
        var start = 0;
        foreach (var rankings in ranks)
        {
            foreach (var ranking in rankings)
            {
                var found = Ranking(rewards.Slice(start, ranking.Length), ranking, 1.0 / prompts / rankings.Length, dRewards.Slice(start, ranking.Length));
                total = new RankingLoss(total.Loss + found.Loss, total.Pairs + found.Pairs, total.Correct + found.Correct);
            }
            start += rankings[0].Length;
        }
        return total;
    }

    /// <summary>The loss of one ranking times <paramref name="share"/>; its gradient is added to <paramref name="dRewards"/>.</summary>
    private static RankingLoss Ranking(ReadOnlySpan<float> rewards, ReadOnlySpan<int> ranks, double share, Span<float> dRewards)
    {
        Maths.SameLength(rewards.Length, ranks.Length, nameof(ranks));
        double loss = 0;
        var correct = 0;
        var pairs = DecidedPairs(ranks);
        var weight = share / Math.Max(pairs, 1);
        for (var better = 0; better < ranks.Length; better++)
        {
            for (var worse = 0; worse < ranks.Length; worse++)
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

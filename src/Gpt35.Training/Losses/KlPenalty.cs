namespace Gpt35.Training;

/// <summary>Estimators of KL(π ‖ π_ref) from samples of π, with d = log π(a) − log π_ref(a) (Schulman 2020, "Approximating KL divergence").</summary>
public enum KlEstimator
{
    /// <summary>d: unbiased, may be negative for a single token. What InstructGPT uses.</summary>
    K1,
    /// <summary>d²/2: low variance, biased.</summary>
    K2,
    /// <summary>e^(−d) − 1 + d: unbiased and never negative.</summary>
    K3,
}

/// <summary>The penalty that keeps the policy near the model it started from (Ziegler et al. 2019, eq. 2; Ouyang et al. 2022, eq. 2).</summary>
public static class KlPenalty
{
    /// <summary>Largest relative change of β within a horizon.</summary>
    internal const double LargestChange = 0.2;

    /// <summary>KL estimate of every sampled token.</summary>
    /// <param name="logProb">log π(a_t), (n,).</param>
    /// <param name="referenceLogProb">log π_ref(a_t), (n,).</param>
    /// <param name="estimator">Which estimator.</param>
    /// <param name="kl">Receives the estimates, (n,).</param>
    public static void Estimate(ReadOnlySpan<float> logProb, ReadOnlySpan<float> referenceLogProb, KlEstimator estimator, Span<float> kl)
    {
        Maths.SameLength(logProb.Length, referenceLogProb.Length, nameof(referenceLogProb));
        Maths.SameLength(logProb.Length, kl.Length, nameof(kl));
        for (var t = 0; t < kl.Length; t++)
        {
            double d = logProb[t] - referenceLogProb[t];
            kl[t] = (float)(estimator switch
            {
                KlEstimator.K1 => d,
                KlEstimator.K2 => d * d / 2,
                KlEstimator.K3 => Math.Exp(-d) - 1 + d,
                _ => throw new ArgumentOutOfRangeException(nameof(estimator), estimator, "Not a KL estimator."),
            });
        }
    }

    /// <summary>r_t = −β·kl_t, plus the score of the whole completion at its last token.</summary>
    /// <param name="kl">KL estimate of each token of one completion, (n,), n ≥ 1.</param>
    /// <param name="score">The reward model's score.</param>
    /// <param name="beta">β, the weight of the penalty.</param>
    /// <param name="rewards">Receives r_t, (n,).</param>
    public static void TokenRewards(ReadOnlySpan<float> kl, double score, double beta, Span<float> rewards)
    {
        Maths.SameLength(kl.Length, rewards.Length, nameof(rewards));
        for (var t = 0; t < kl.Length; t++) rewards[t] = (float)(-beta * kl[t]);
        rewards[^1] += (float)score;
    }

    /// <summary>
    /// The adaptive controller of Ziegler et al. 2019, section 2.2: e = clip(kl/target − 1, −0.2, 0.2), β ← β·(1 + e·episodes/horizon).
    /// </summary>
    /// <param name="beta">β now.</param>
    /// <param name="kl">Mean KL of a whole completion (the sum over its tokens).</param>
    /// <param name="target">The KL to hold, same unit.</param>
    /// <param name="episodes">Completions since the last update.</param>
    /// <param name="horizon">Completions over which β may change by about 20 %; more than a fifth of the episodes, or β would change its sign.</param>
    public static double AdaptCoefficient(double beta, double kl, double target, int episodes, int horizon) =>
        beta * (1 + Math.Clamp(kl / target - 1, -LargestChange, LargestChange) * episodes / horizon);
}

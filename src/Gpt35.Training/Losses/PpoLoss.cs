namespace Gpt35.Training;

/// <summary>What the policy loss found in one micro-batch; every field but the last is this micro-batch's share of the step's mean.</summary>
/// <param name="Loss">Clipped surrogate loss.</param>
/// <param name="ClipFraction">Tokens at which the clip took effect.</param>
/// <param name="ApproxKl">½·mean (log π − log π_old)²: how far this minibatch has moved.</param>
/// <param name="LargestRatioGap">Largest |π/π_old − 1|; exactly 0 before the first update.</param>
public readonly record struct PolicyLoss(double Loss, double ClipFraction, double ApproxKl, double LargestRatioGap)
{
    public static PolicyLoss operator +(PolicyLoss a, PolicyLoss b) =>
        new(a.Loss + b.Loss, a.ClipFraction + b.ClipFraction, a.ApproxKl + b.ApproxKl, Math.Max(a.LargestRatioGap, b.LargestRatioGap));
}

/// <summary>What the value loss found in one micro-batch: its share of the step's mean.</summary>
/// <param name="Loss">Clipped value loss, times its coefficient.</param>
/// <param name="ClipFraction">Tokens at which the clip took effect.</param>
public readonly record struct ValueLoss(double Loss, double ClipFraction)
{
    public static ValueLoss operator +(ValueLoss a, ValueLoss b) => new(a.Loss + b.Loss, a.ClipFraction + b.ClipFraction);
}

/// <summary>Losses of proximal policy optimization (Schulman et al. 2017). All are means over the completion tokens of one minibatch.</summary>
public static class PpoLoss
{
    /// <summary>Beyond e^±20 a ratio says nothing but "far"; the bound keeps it finite.</summary>
    private const double LargestLogRatio = 20;

    /// <summary>mean max(−A ρ, −A clip(ρ, 1 − ε, 1 + ε)) with ρ = π/π_old (Schulman et al. 2017, eq. 7, negated to be minimised).</summary>
    /// <param name="logProb">log π(a_t) of the policy being trained, (n,).</param>
    /// <param name="oldLogProb">log π_old(a_t) of the policy that sampled, (n,).</param>
    /// <param name="advantages">A_t, (n,).</param>
    /// <param name="clipRange">ε.</param>
    /// <param name="tokens">N: completion tokens of the whole minibatch.</param>
    /// <param name="dLogProb">Receives ∂loss/∂logProb, (n,).</param>
    public static PolicyLoss Policy(
        ReadOnlySpan<float> logProb, ReadOnlySpan<float> oldLogProb, ReadOnlySpan<float> advantages, double clipRange, int tokens, Span<float> dLogProb)
    {
        Maths.SameLength(logProb.Length, oldLogProb.Length, nameof(oldLogProb));
        Maths.SameLength(logProb.Length, advantages.Length, nameof(advantages));
        Maths.SameLength(logProb.Length, dLogProb.Length, nameof(dLogProb));
        double loss = 0, clipped = 0, squares = 0, gap = 0;
        for (var t = 0; t < logProb.Length; t++)
        {
            double difference = logProb[t] - oldLogProb[t], advantage = advantages[t];
            var ratio = Math.Exp(Math.Clamp(difference, -LargestLogRatio, LargestLogRatio));
            var free = -advantage * ratio;
            var bounded = -advantage * Math.Clamp(ratio, 1 - clipRange, 1 + clipRange);
            loss += Math.Max(free, bounded);
            // Where the bounded term is the larger one the ratio lies outside the clip, and nothing pulls at it.
            dLogProb[t] = free >= bounded ? (float)(free / tokens) : 0;
            if (bounded > free) clipped++;
            squares += difference * difference;
            gap = Math.Max(gap, Math.Abs(ratio - 1));
        }
        return new PolicyLoss(loss / tokens, clipped / tokens, 0.5 * squares / tokens, gap);
    }

    /// <summary>−c · mean entropy: what is subtracted from the loss to keep the policy from narrowing (Schulman et al. 2017, eq. 9).</summary>
    /// <param name="entropy">Entropy of the next-token distribution at each token, in nats, (n,).</param>
    /// <param name="coefficient">c.</param>
    /// <param name="tokens">N: completion tokens of the whole minibatch.</param>
    /// <param name="dEntropy">Receives ∂loss/∂entropy, (n,).</param>
    public static double EntropyBonus(ReadOnlySpan<float> entropy, double coefficient, int tokens, Span<float> dEntropy)
    {
        Maths.SameLength(entropy.Length, dEntropy.Length, nameof(dEntropy));
        dEntropy.Fill((float)(-coefficient / tokens));
        double sum = 0;
        foreach (var value in entropy) sum += value;
        return -coefficient * sum / tokens;
    }

    /// <summary>
    /// c_vf · ½ mean max((V − R)², (clip(V, V_old − ε_v, V_old + ε_v) − R)²) (lm-human-preferences; the clip is an addition to the paper's eq. 9).
    /// </summary>
    /// <param name="values">V_t of the value network being trained, (n,).</param>
    /// <param name="oldValues">V_t when the rollout was scored, (n,).</param>
    /// <param name="returns">R_t, (n,).</param>
    /// <param name="valueClip">ε_v.</param>
    /// <param name="vfCoef">c_vf.</param>
    /// <param name="tokens">N: completion tokens of the whole minibatch.</param>
    /// <param name="dValues">Receives ∂loss/∂values, (n,).</param>
    public static ValueLoss Value(
        ReadOnlySpan<float> values, ReadOnlySpan<float> oldValues, ReadOnlySpan<float> returns, double valueClip, double vfCoef, int tokens, Span<float> dValues)
    {
        Maths.SameLength(values.Length, oldValues.Length, nameof(oldValues));
        Maths.SameLength(values.Length, returns.Length, nameof(returns));
        Maths.SameLength(values.Length, dValues.Length, nameof(dValues));
        double loss = 0, clipped = 0;
        for (var t = 0; t < values.Length; t++)
        {
            // In double like the bounded one: a difference rounded to float would be smaller than it by chance, and the token would count as clipped.
            var error = (double)values[t] - returns[t];
            var boundedError = Math.Clamp(values[t], oldValues[t] - valueClip, oldValues[t] + valueClip) - returns[t];
            var bounded = boundedError * boundedError > error * error;
            loss += bounded ? boundedError * boundedError : error * error;
            dValues[t] = bounded ? 0 : (float)(vfCoef * error / tokens);
            if (bounded) clipped++;
        }
        return new ValueLoss(vfCoef * 0.5 * loss / tokens, clipped / tokens);
    }
}

namespace Gpt35.Training;

/// <summary>Generalised advantage estimation (Schulman et al. 2016, eq. 16).</summary>
public static class Gae
{
    /// <summary>
    /// δ_t = r_t + γ V_{t+1} − V_t and A_t = δ_t + γλ A_{t+1} for one completion; V and A after its last token are 0
    /// (a completion cut by the length limit is not bootstrapped). Returns R_t = A_t + V_t are taken before any whitening.
    /// </summary>
    /// <param name="rewards">r_t, (n,).</param>
    /// <param name="values">V_t, the value of the state in which token t was chosen, (n,).</param>
    /// <param name="gamma">Discount γ.</param>
    /// <param name="lambda">λ: 1 takes whole returns, 0 one step.</param>
    /// <param name="advantages">Receives A_t, (n,).</param>
    /// <param name="returns">Receives R_t, (n,).</param>
    public static void Compute(ReadOnlySpan<float> rewards, ReadOnlySpan<float> values, double gamma, double lambda, Span<float> advantages, Span<float> returns)
    {
        Maths.SameLength(rewards.Length, values.Length, nameof(values));
        Maths.SameLength(rewards.Length, advantages.Length, nameof(advantages));
        Maths.SameLength(rewards.Length, returns.Length, nameof(returns));
        double nextValue = 0, advantage = 0;
        for (var t = rewards.Length - 1; t >= 0; t--)
        {
            var delta = rewards[t] + gamma * nextValue - values[t];
            advantage = delta + gamma * lambda * advantage;
            advantages[t] = (float)advantage;
            returns[t] = (float)(advantage + values[t]);
            nextValue = values[t];
        }
    }
}

using System.Text.Json;
using System.Text.Json.Serialization;
using Gpt35.Inference;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>A prompt and the policy's completion of it.</summary>
[method: JsonConstructor]
internal sealed record Rollout(int PromptLength, int[] Tokens, float[] SamplerLogProb, bool Finished)
{
    public Rollout(int[] prompt, Completion completion)
        : this(prompt.Length, [.. prompt, .. completion.Tokens], completion.LogProbs, completion.Finish == FinishReason.Stop) { }

    /// <summary>n: tokens of the completion.</summary>
    public int CompletionLength => Tokens.Length - PromptLength;

    /// <summary>The rollouts of all ranks, one share after the other.</summary>
    public static List<Rollout> Gather(IReadOnlyList<Rollout> mine, Ranks ranks)
    {
        if (ranks.Count == 1) return [.. mine];
        var json = ranks.AllGather(JsonSerializer.SerializeToUtf8Bytes(mine));
        return [.. json.SelectMany(part => JsonSerializer.Deserialize<List<Rollout>>(part)!)];
    }
}

/// <summary>Rollouts of one round with everything the update needs, per completion token, rollouts end to end, (N,).</summary>
internal sealed class Experience
{
    public required IReadOnlyList<Rollout> Rollouts { get; init; }
    /// <summary>Where each rollout's tokens start, and N at the end, (B + 1,).</summary>
    public required int[] Starts { get; init; }
    /// <summary>log π_old(a_t), recomputed with the trainer's own forward pass.</summary>
    public required float[] LogProb { get; init; }
    public required float[] Entropy { get; init; }
    public required float[] Kl { get; init; }
    public required float[] Values { get; init; }
    public required float[] Rewards { get; init; }
    /// <summary>Whitened over the whole round.</summary>
    public required float[] Advantages { get; init; }
    public required float[] Returns { get; init; }
    /// <summary>Reward-model score of each rollout, the penalty for a missing end included, (B,).</summary>
    public required double[] Scores { get; init; }

    public Span<float> Of(int rollout, float[] figures) => figures.AsSpan(Starts[rollout], Starts[rollout + 1] - Starts[rollout]);

    public OrderedDictionary<string, double> Metrics()
    {
        var sampler = Rollouts.SelectMany(rollout => rollout.SamplerLogProb);
        return new OrderedDictionary<string, double>
        {
            ["score"] = Scores.Average(),
            ["reward"] = Rewards.Sum(reward => (double)reward) / Rollouts.Count,
            ["kl_per_token"] = Maths.Mean(Kl),
            ["kl_sum"] = Maths.Mean(Kl) * Kl.Length / Rollouts.Count,
            ["entropy"] = Maths.Mean(Entropy),
            ["completion_length"] = Rollouts.Average(rollout => rollout.CompletionLength),
            ["finished"] = Rollouts.Count(rollout => rollout.Finished) / (double)Rollouts.Count,
            ["explained_variance"] = ExplainedVariance(),
            // What the sampler and the trainer disagree by; beyond rounding it means that they see different distributions.
            ["sampler_gap"] = sampler.Zip(LogProb, (a, b) => (double)Math.Abs(a - b)).Max(),
        };
    }

    /// <summary>1 − Var(R − V) / Var(R): 1 when the value network foresees every return, 0 when it is no better than their mean.</summary>
    private double ExplainedVariance()
    {
        var variance = Maths.Variance(Returns);
        return variance > 0 ? 1 - Maths.Variance([.. Returns.Zip(Values, (r, v) => r - v)]) / variance : 0;
    }
}

/// <summary>Turns rollouts into experience with the four models.</summary>
internal sealed class RolloutScorer(
    PpoRecipe recipe, ITrainableModel policy, ITrainableModel reference, ITrainableModel value, ITrainableModel reward, double rewardBias, Ranks? together = null)
{
    private readonly Ranks ranks = together ?? Ranks.One;

    /// <summary>Experience of all rollouts; of several ranks each passes its share through the models.</summary>
    public Experience Score(IReadOnlyList<Rollout> rollouts, double klCoef)
    {
        int[] starts = [0, .. rollouts.Select(rollout => rollout.CompletionLength)];
        for (var i = 1; i < starts.Length; i++) starts[i] += starts[i - 1];
        var n = starts[^1];
        var logProb = new float[n];
        var entropy = new float[n];
        var referenceLogProb = new float[n];
        var values = new float[n];
        var temperature = (float)recipe.Temperature;
        foreach (var group in MicroBatches(rollouts, ranks.Share([.. Enumerable.Range(0, rollouts.Count)], i => rollouts[i].Tokens.Length), recipe.MicroTokens))
        {
            var batch = Batch(rollouts, group);
            var at = starts[group[0]];                                                                  // groups are contiguous here
            var scores = policy.Forward(batch, new ForwardRequest { LogProb = true, Entropy = true, Temperature = temperature });
            scores.LogProb.CopyTo(logProb.AsSpan(at));
            scores.Entropy.CopyTo(entropy.AsSpan(at));
            reference.Forward(batch, new ForwardRequest { LogProb = true, Temperature = temperature }).LogProb.CopyTo(referenceLogProb.AsSpan(at));
            value.Forward(batch, new ForwardRequest { Scalars = true }).Scalars.CopyTo(values.AsSpan(at));
        }
        foreach (var figures in (float[][])[logProb, entropy, referenceLogProb, values]) ranks.Sum(figures);
        var kl = new float[n];
        KlPenalty.Estimate(logProb, referenceLogProb, recipe.KlEstimator, kl);
        var experience = new Experience
        {
            Rollouts = rollouts,
            Starts = starts,
            LogProb = logProb,
            Entropy = entropy,
            Kl = kl,
            Values = values,
            Rewards = new float[n],
            Advantages = new float[n],
            Returns = new float[n],
            Scores = Scores(rollouts),
        };
        for (var i = 0; i < rollouts.Count; i++)
        {
            KlPenalty.TokenRewards(experience.Of(i, kl), experience.Scores[i], klCoef, experience.Of(i, experience.Rewards));
            Gae.Compute(experience.Of(i, experience.Rewards), experience.Of(i, values), recipe.Gamma, recipe.Lambda,
                experience.Of(i, experience.Advantages), experience.Of(i, experience.Returns));
        }
        Whitening.Apply(experience.Advantages);
        return experience;
    }

    /// <summary>Reward of each rollout; a completion without an end loses the penalty.</summary>
    public double[] Scores(IReadOnlyList<Rollout> rollouts)
    {
        var raw = RewardModeling.Rewards(reward, [.. rollouts.Select(rollout => new JudgedSequence(rollout.Tokens, rollout.PromptLength))], recipe.MicroTokens, ranks);
        return [.. rollouts.Zip(raw, (rollout, score) => score + rewardBias - (rollout.Finished ? 0 : recipe.MissingEosPenalty))];
    }

    public static IEnumerable<IReadOnlyList<int>> MicroBatches(IReadOnlyList<Rollout> rollouts, IEnumerable<int> which, int microTokens) =>
        BatchPlan.MicroBatches(which, i => rollouts[i].Tokens.Length, microTokens);

    public static TokenBatch Batch(IReadOnlyList<Rollout> rollouts, IReadOnlyList<int> which)
    {
        var builder = new TokenBatchBuilder();
        foreach (var i in which) builder.AddCompletion(rollouts[i].Tokens, rollouts[i].PromptLength);
        return builder.Build();
    }
}

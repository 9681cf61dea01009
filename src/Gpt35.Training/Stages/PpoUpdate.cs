using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>The optimizer steps of one PPO round: minibatches of rollouts, policy and value network side by side.</summary>
internal sealed class PpoUpdate(
    PpoRecipe recipe, ITrainableModel policy, ITrainableModel value, Optimizer optimizer, Optimizer valueOptimizer, PtxMix? ptx)
{
    private readonly LearningRateSchedule schedule = new(recipe.Optimizer, recipe.Iterations);
    private readonly LearningRateSchedule valueSchedule = new(recipe.ValueOptimizer, recipe.Iterations);

    /// <summary>Updates both networks and returns the metrics, averaged over the minibatches.</summary>
    public OrderedDictionary<string, double> Run(Experience experience, int iteration)
    {
        var metrics = new OrderedDictionary<string, double> { ["lr"] = schedule.At(iteration) };
        var steps = 0;
        for (var epoch = 0; epoch < recipe.PpoEpochs; epoch++)
        {
            var key = RandomStreams.Key(RandomStreams.Key(recipe.Seed, RandomStream.Minibatches, (ulong)iteration), RandomStream.Minibatches, (ulong)epoch);
            var order = RandomStreams.Permutation(experience.Rollouts.Count, key);
            for (var part = 0; part < recipe.Minibatches; part++)
            {
                int from = (int)((long)order.Length * part / recipe.Minibatches), to = (int)((long)order.Length * (part + 1) / recipe.Minibatches);
                if (from == to) continue;
                var ptxLoss = Minibatch(experience, order[from..to], out var policyLoss, out var entropyLoss, out var valueLoss, (iteration * recipe.PpoEpochs + epoch) * recipe.Minibatches + part);
                // Before the first update the trained policy is the one that sampled: anything but 0 here is a bug.
                if (steps == 0) metrics["first_ratio_gap"] = policyLoss.LargestRatioGap;
                Add("policy_loss", policyLoss.Loss);
                Add("clip_fraction", policyLoss.ClipFraction);
                Add("approx_kl", policyLoss.ApproxKl);
                Add("value_loss", valueLoss.Loss);
                Add("value_clip_fraction", valueLoss.ClipFraction);
                if (recipe.EntropyCoef > 0) Add("entropy_loss", entropyLoss);
                if (ptx is not null) Add("ptx_loss", ptxLoss / Math.Max(ptx.Coef, double.Epsilon));
                Add("gradient_norm", optimizer.Step(schedule.At(iteration), policyLoss.Loss));
                Add("value_gradient_norm", valueOptimizer.Step(valueSchedule.At(iteration), valueLoss.Loss));
                steps++;
            }
        }
        foreach (var name in metrics.Keys.Where(name => name is not ("lr" or "first_ratio_gap")).ToList()) metrics[name] /= steps;
        return metrics;

        void Add(string name, double figure) => metrics[name] = metrics.GetValueOrDefault(name) + figure;
    }

    /// <summary>The sum of the losses of one minibatch; leaves its gradients in both networks and takes no step.</summary>
    internal double Accumulate(Experience experience, int[] rollouts)
    {
        var ptxLoss = Minibatch(experience, rollouts, out var policyLoss, out var entropyLoss, out var valueLoss, 0);
        return policyLoss.Loss + entropyLoss + valueLoss.Loss + ptxLoss;
    }

    /// <summary>Accumulates the gradients of one minibatch in both networks; returns the weighted ptx loss.</summary>
    private double Minibatch(Experience experience, int[] rollouts, out PolicyLoss policyLoss, out double entropyLoss, out ValueLoss valueLoss, int ptxStep)
    {
        var tokens = rollouts.Sum(i => experience.Rollouts[i].CompletionLength);
        (policyLoss, entropyLoss, valueLoss) = (default, 0, default);
        var ranks = optimizer.Ranks;
        var mine = ranks.Share(rollouts, i => experience.Rollouts[i].Tokens.Length);
        foreach (var (group, isLast) in BatchPlan.MarkLast(RolloutScorer.MicroBatches(experience.Rollouts, mine, recipe.MicroTokens)))
        {
            if (isLast && ptx is null) optimizer.ExpectLastBackward();
            if (isLast) valueOptimizer.ExpectLastBackward();
            var batch = RolloutScorer.Batch(experience.Rollouts, group);
            var gradient = new float[batch.ScoredCount];                                               // (N,)

            var bonus = recipe.EntropyCoef > 0;
            var scores = policy.Forward(batch, new ForwardRequest { LogProb = true, Entropy = bonus, ForBackward = true, Temperature = (float)recipe.Temperature });
            policyLoss += PpoLoss.Policy(scores.LogProb, Gather(experience, group, experience.LogProb), Gather(experience, group, experience.Advantages),
                recipe.ClipRange, tokens, gradient);
            var entropyGradient = bonus ? new float[batch.ScoredCount] : [];
            if (bonus) entropyLoss += PpoLoss.EntropyBonus(scores.Entropy, recipe.EntropyCoef, tokens, entropyGradient);
            policy.Backward(new TokenGradients { LogProb = gradient, Entropy = entropyGradient });

            var values = value.Forward(batch, new ForwardRequest { Scalars = true, ForBackward = true }).Scalars;
            valueLoss += PpoLoss.Value(values, Gather(experience, group, experience.Values), Gather(experience, group, experience.Returns),
                recipe.ValueClip, recipe.VfCoef, tokens, gradient);
            value.Backward(new TokenGradients { Scalars = gradient });
        }
        policyLoss = new PolicyLoss(ranks.Sum(policyLoss.Loss), ranks.Sum(policyLoss.ClipFraction), ranks.Sum(policyLoss.ApproxKl), ranks.Max(policyLoss.LargestRatioGap));
        valueLoss = new ValueLoss(ranks.Sum(valueLoss.Loss), ranks.Sum(valueLoss.ClipFraction));
        entropyLoss = ranks.Sum(entropyLoss);
        return ptx is null ? 0
            : LanguageModelTraining.Accumulate(policy, ptx.Windows, ptx.Plan[ptxStep], recipe.MicroTokens, null, ptx.Coef, optimizer);
    }

    private static float[] Gather(Experience experience, IReadOnlyList<int> rollouts, float[] figures)
    {
        var gathered = new float[rollouts.Sum(i => experience.Rollouts[i].CompletionLength)];
        var at = 0;
        foreach (var i in rollouts)
        {
            var part = experience.Of(i, figures);
            part.CopyTo(gathered.AsSpan(at));
            at += part.Length;
        }
        return gathered;
    }
}

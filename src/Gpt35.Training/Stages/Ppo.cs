using System.Diagnostics;
using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>
/// Stage 4: proximal policy optimization against the reward model, held near the fine-tuned model by a KL penalty
/// (Ouyang et al. 2022, section 3.5; Schulman et al. 2017). Dropout is off throughout, or the first ratio would not be 1.
/// </summary>
public static class Ppo
{
    /// <summary>Completions generated side by side: enough to keep the matrix products large, few enough for the cache to stay small.</summary>
    internal const int GenerationBatch = 128;

    /// <summary>Trains a policy as the recipe says and leaves everything in the run folder.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public static StageSummary Run(PpoRecipe recipe, StageContext context)
    {
        recipe.RequirePenalty();
        using var run = RunFolder.Open(context, "ppo", recipe);
        using var models = new PpoModels(recipe, run);
        var (train, heldout) = Prompts(recipe, models, context.Observer.Note);
        var plan = BatchPlan.ForSteps([.. train.Select(_ => 1)], recipe.RolloutPrompts, recipe.Iterations, recipe.Seed);
        var ptx = recipe.Ptx is { } options ? PtxMix.Read(options, recipe, models.Tokenizer, models.Policy.Config.MaxPositionEmbeddings, context.Observer.Note) : null;
        context.Ranks.RequireSameExamples("Training data", train, prompt => prompt);
        context.Ranks.RequireSameExamples("Held-out data", heldout, prompt => prompt);
        if (ptx is not null) context.Ranks.RequireSameExamples("The text of ptx", ptx.Windows);
        context.Observer.Started("ppo", recipe.Iterations,
            $"{StageModels.Size(models.Policy)}, {train.Count:N0} prompts, {heldout.Count:N0} held out, {recipe.RolloutPrompts} rollouts per step.");

        var sampling = new SamplingOptions { Temperature = recipe.Temperature, MaxTokens = recipe.MaxTokens, StopTokens = [models.Format.EndOfTurn(models.Tokenizer)] };
        using var engine = new InferenceEngine(models.Policy, GenerationBatch);
        var scorer = new RolloutScorer(recipe, models.TrainedPolicy, models.ScoringReference, models.TrainedValue, models.ScoringReward, models.RewardBias, context.Ranks);
        var update = new PpoUpdate(recipe, models.TrainedPolicy, models.TrainedValue, models.PolicyOptimizer, models.ValueOptimizer, ptx);
        run.Numbers.TryAdd("kl_coef", recipe.KlCoef);
        recipe.RequireConsistent(heldout.Count);
        if (heldout.Count > 0 && !run.Numbers.ContainsKey("heldout_score_before")) run.Numbers["heldout_score_before"] = HeldoutScore();

        var rounds = run.Loop(recipe.Iterations, recipe, new StageWork
        {
            Step = Round,
            Evaluate = heldout.Count == 0 ? null : () =>
            {
                var score = HeldoutScore();
                return new Evaluation(new OrderedDictionary<string, double> { ["heldout_score"] = score }, -score);
            },
            Data = DataHash.Of([.. train, .. heldout, .. ptx?.Windows.Select(window => window.Ids) ?? [], Agreement.Sample(models.Reference), Agreement.Sample(models.Reward)]),
            Optimizers = [models.PolicyOptimizer, models.ValueOptimizer],
            Save = models.SaveCheckpoint,
            Load = models.LoadPolicy,
        });

        if (heldout.Count > 0) run.Numbers["heldout_score_after"] = HeldoutScore();
        models.SavePolicy();
        run.WriteSamples(Samples.Generate(models.Policy, models.Tokenizer, heldout.Count > 0 ? heldout : train, sampling with { Temperature = 0 }));
        var score = heldout.Count == 0
            ? $"Score of a round {run.Numbers["score_first"]:F3} → {run.Numbers["score_last"]:F3}, nothing was held out"
            : $"Held-out score {run.Numbers["heldout_score_before"]:F3} → {run.Numbers["heldout_score_after"]:F3}";
        return run.Finish(rounds, $"{score}; KL of the last round {run.Numbers["kl_per_token"]:F4} nats per token, {run.Numbers["finished_last"]:P0} of its completions end by themselves.");

        OrderedDictionary<string, double> Round(int iteration)
        {
            var clock = Stopwatch.StartNew();
            var rollouts = Generate([.. plan[iteration].Select(prompt => train[prompt])], RandomStreams.Key(recipe.Seed, RandomStream.Rollouts, (ulong)iteration));
            var experience = scorer.Score(rollouts, run.Numbers["kl_coef"]);
            var metrics = experience.Metrics();
            metrics["kl_coef"] = run.Numbers["kl_coef"];
            metrics["rollout_seconds"] = Math.Round(clock.Elapsed.TotalSeconds, 4);
            clock.Restart();
            foreach (var (name, figure) in update.Run(experience, iteration)) metrics[name] = figure;
            metrics["update_seconds"] = Math.Round(clock.Elapsed.TotalSeconds, 4);
            metrics["tokens"] = rollouts.Sum(rollout => rollout.Tokens.Length);
            if (recipe.KlTarget is { } target)
                run.Numbers["kl_coef"] = KlPenalty.AdaptCoefficient(run.Numbers["kl_coef"], metrics["kl_sum"], target, rollouts.Count, recipe.KlHorizon);
            Remember(run.Numbers, metrics, iteration);
            return metrics;
        }

        List<Rollout> Generate(IReadOnlyList<int[]> from, ulong seed)
        {
            var mine = context.Ranks.Share([.. Enumerable.Range(0, from.Count)], i => from[i].Length + recipe.MaxTokens);
            var prompts = mine.Select(i => from[i]).ToList();
            var completions = engine.Generate(prompts, sampling with { Seed = seed, FirstPrompt = mine.Count > 0 ? mine[0] : 0 });
            return Rollout.Gather([.. prompts.Zip(completions, (prompt, completion) => new Rollout(prompt, completion))], context.Ranks);
        }

        double HeldoutScore() => scorer.Scores(Generate(heldout, RandomStreams.Key(recipe.Seed, RandomStream.Samples))).Average();
    }

    /// <summary>Token ids of the prompts that leave room for an answer.</summary>
    private static (List<int[]> Train, List<int[]> Heldout) Prompts(PpoRecipe recipe, PpoModels models, Action<string> note)
    {
        var data = DataSplit.Read(recipe.Data, path => RecordReader.ReadPrompts(path, note), prompt => DataSplit.KeyOf(prompt.Messages));
        if (models.Context <= recipe.MaxTokens)
            throw new InvalidDataException($"max_tokens is {recipe.MaxTokens} and the model's context {models.Context}, which leaves no room for a prompt. Lower max_tokens.");
        var train = Fitting(data.Train);
        return train.Count > 0
            ? (train, Fitting(data.Heldout))
            : throw new InvalidDataException(
                $"{string.Join(", ", recipe.Data.Train)}: none of the {data.Train.Count} prompts leaves room for {recipe.MaxTokens} tokens in the context of {models.Context}. Lower max_tokens.");

        List<int[]> Fitting(IReadOnlyList<PromptRecord> records)
        {
            var room = models.Context - recipe.MaxTokens;
            var all = records.Select(record => record.Origin.Blame(() => models.Format.RenderPrompt(record.Messages, models.Tokenizer))).ToList();
            var kept = all.Where(prompt => prompt.Length <= room).ToList();
            if (kept.Count < all.Count) note($"{all.Count - kept.Count} of {all.Count} prompts are longer than {room} tokens, what max_tokens leaves of the context; left out.");
            return kept;
        }
    }

    /// <summary>Keeps the figures of the newest round for the summary.</summary>
    private static void Remember(OrderedDictionary<string, double> numbers, OrderedDictionary<string, double> metrics, int iteration)
    {
        if (iteration == 0) numbers["score_first"] = metrics["score"];
        foreach (var name in (string[])["score", "reward", "kl_sum", "entropy", "completion_length", "finished"]) numbers[$"{name}_last"] = metrics[name];
        numbers["kl_per_token"] = metrics["kl_per_token"];
    }
}

/// <summary>Text whose language-model gradient is mixed into the policy's (PPO-ptx).</summary>
internal sealed record PtxMix(IReadOnlyList<TokenSequence> Windows, BatchPlan Plan, double Coef)
{
    public static PtxMix Read(PtxOptions options, PpoRecipe recipe, Tokenizer tokenizer, int context, Action<string> note)
    {
        var windows = TextWindows.Cut(options.Train.SelectMany(path => RecordReader.ReadText(path, note)), tokenizer, context).Windows;
        var steps = recipe.Iterations * recipe.PpoEpochs * recipe.Minibatches;
        var seed = RandomStreams.Key(recipe.Seed, RandomStream.Ptx);
        return new PtxMix(windows, BatchPlan.ForSteps([.. windows.Select(window => window.Ids.Length)], options.Tokens, steps, seed), options.Coef);
    }
}

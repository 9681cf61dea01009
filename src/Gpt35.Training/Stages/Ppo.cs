using System.Diagnostics;
using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Kernels;
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
    private const int GenerationBatch = 128;

    /// <summary>Trains a policy as the recipe says and leaves everything in the run folder.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public static StageSummary Run(PpoRecipe recipe, StageContext context)
    {
        using var run = RunFolder.Open(context, "ppo", recipe);
        using var reference = StageModels.LoadLanguageModel(recipe.Init, "init", context.Pool);
        using var reward = StageModels.LoadRewardModel(recipe.RewardModel, context.Pool);
        using var policy = run.CheckpointFolder is { } saved ? ModelFolder.Load(saved, context.Pool).Model : reference.Model.CloneWithHead(0, recipe.Seed);
        using var value = run.CheckpointFolder is { } kept ? ModelFolder.Load(ValueFolder(kept), context.Pool).Model : reward.Model.CloneWithHead(1, recipe.Seed);
        var (tokenizer, format) = (reference.Tokenizer, StageModels.FormatOf(reference, recipe.Init));
        if (reward.Model.Config.VocabSize != policy.Config.VocabSize)
            throw new InvalidDataException($"{recipe.RewardModel}: a vocabulary of {reward.Model.Config.VocabSize} ids; the policy {recipe.Init} has {policy.Config.VocabSize}. Both must come from one base model.");

        var window = Math.Min(policy.Config.MaxPositionEmbeddings, reward.Model.Config.MaxPositionEmbeddings);
        var data = DataSplit.Read(recipe.Data, path => RecordReader.ReadPrompts(path, context.Observer.Note), prompt => DataSplit.KeyOf(prompt.Messages));
        var train = Render(data.Train, format, tokenizer, window - recipe.MaxTokens, context.Observer.Note);
        var heldout = Render(data.Heldout, format, tokenizer, window - recipe.MaxTokens, context.Observer.Note);
        if (train.Count == 0)
            throw new InvalidDataException($"{string.Join(", ", recipe.Data.Train)}: none of the {data.Train.Count} prompts leaves room for {recipe.MaxTokens} tokens in the context of {window}. Lower max_tokens.");
        var prompts = BatchPlan.ForSteps([.. train.Select(_ => 1)], recipe.RolloutPrompts, recipe.Iterations, recipe.Seed);
        var ptx = recipe.Ptx is { } options ? PtxMix.Read(options, recipe, tokenizer, policy.Config.MaxPositionEmbeddings, context.Observer.Note) : null;
        context.Observer.Started("ppo", recipe.Iterations, $"{policy.Parameters.Count:N0} parameters, {train.Count:N0} prompts, {heldout.Count:N0} held out, {recipe.RolloutPrompts} rollouts per step.");

        var endOfTurn = format.EndOfTurn(tokenizer);
        var sampling = new SamplingOptions { Temperature = recipe.Temperature, MaxTokens = recipe.MaxTokens, StopTokens = [endOfTurn] };
        var engine = new InferenceEngine(policy, GenerationBatch);
        var scorer = new RolloutScorer(recipe, policy, reference.Model, value, reward.Model, reward.Card.RewardBias);
        using var optimizer = new Optimizer(policy.Parameters, recipe.Optimizer, context.Pool);
        using var valueOptimizer = new Optimizer(value.Parameters, recipe.ValueOptimizer, context.Pool);
        if (run.CheckpointFolder is { } checkpoint)
        {
            Checkpoint.LoadOptimizer(checkpoint, optimizer);
            Checkpoint.LoadOptimizer(ValueFolder(checkpoint), valueOptimizer);
        }
        var update = new PpoUpdate(recipe, policy, value, optimizer, valueOptimizer, ptx);
        run.Numbers.TryAdd("kl_coef", recipe.KlCoef);
        if (heldout.Count > 0 && !run.Numbers.ContainsKey("heldout_score_before")) run.Numbers["heldout_score_before"] = HeldoutScore();

        run.Loop(recipe.Iterations, recipe.CheckpointEvery, iteration =>
        {
            var clock = Stopwatch.StartNew();
            var seed = RandomStreams.Key(recipe.Seed, RandomStream.Rollouts, (ulong)iteration);
            var rollouts = Generate([.. prompts[iteration].Select(prompt => train[prompt])], seed);
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
            if (iteration == 0) run.Numbers["score_first"] = metrics["score"];
            foreach (var name in (string[])["score", "reward", "kl_per_token", "kl_sum", "entropy", "completion_length", "finished"])
                run.Numbers[$"{name}_last"] = metrics[name];
            return metrics;
        }, Save);

        if (heldout.Count > 0) run.Numbers["heldout_score_after"] = HeldoutScore();
        run.Numbers["kl_per_token"] = run.Numbers["kl_per_token_last"];
        ModelFolder.Save(run.ModelPath, policy, tokenizer, Card());
        run.WriteSamples(Samples.Generate(policy, tokenizer, heldout.Count > 0 ? heldout : train, sampling with { Temperature = 0 }));
        return run.Finish(recipe.Iterations);

        List<Rollout> Generate(IReadOnlyList<int[]> from, ulong seed) =>
            [.. from.Zip(engine.Generate(from, sampling with { Seed = seed }), (prompt, completion) => new Rollout(prompt, completion))];

        double HeldoutScore() => scorer.Scores(Generate(heldout, RandomStreams.Key(recipe.Seed, RandomStream.Samples))).Average();

        ModelCard Card() => new() { Stage = "ppo", ChatFormat = format.Name, Parents = [recipe.Init, recipe.RewardModel], RecipeHash = run.RecipeHash };

        void Save(string folder)
        {
            Checkpoint.SaveModel(folder, policy, tokenizer, Card(), optimizer);
            Checkpoint.SaveModel(ValueFolder(folder), value, tokenizer, Card() with { Stage = "value" }, valueOptimizer);
        }
    }

    private static string ValueFolder(string checkpoint) => Path.Combine(checkpoint, "value");

    private static List<int[]> Render(IReadOnlyList<PromptRecord> records, ChatFormat format, Tokenizer tokenizer, int room, Action<string> note)
    {
        var all = records.Select(record => format.RenderPrompt(record.Messages, tokenizer)).ToList();
        var kept = all.Where(prompt => prompt.Length <= room).ToList();
        if (kept.Count < all.Count) note($"{all.Count - kept.Count} of {all.Count} prompts are longer than {room} tokens, what max_tokens leaves of the context; left out.");
        return kept;
    }
}

/// <summary>Text whose language-model gradient is mixed into the policy's (PPO-ptx).</summary>
internal sealed record PtxMix(IReadOnlyList<TokenSequence> Windows, BatchPlan Plan, double Coef)
{
    public static PtxMix Read(PtxOptions options, PpoRecipe recipe, Tokenizer tokenizer, int context, Action<string> note)
    {
        var windows = TextWindows.Pack(options.Train.SelectMany(path => RecordReader.ReadText(path, note)), tokenizer, context).Windows;
        var steps = recipe.Iterations * recipe.PpoEpochs * recipe.Minibatches;
        var seed = RandomStreams.Key(recipe.Seed, RandomStream.Ptx);
        return new PtxMix(windows, BatchPlan.ForSteps([.. windows.Select(window => window.Ids.Length)], options.Tokens, steps, seed), options.Coef);
    }
}

using System.Buffers;
using System.Text.Json.Nodes;
using Gpt35.Data;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>Stage 3: a scalar head in place of the vocabulary, trained to rank completions as people did (Ouyang et al. 2022, section 3.5).</summary>
public static class RewardModeling
{
    /// <summary>Trains a reward model as the recipe says and leaves everything in the run folder.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public static StageSummary Run(RewardRecipe recipe, StageContext context)
    {
        if (recipe is { ReadsTokens: true, Lora: not null })
            throw new InvalidDataException("head is tokens and lora is given, but an adapter's head reads the last token only. Leave one of the two out.");
        using var run = RunFolder.Open(context, "reward", recipe);
        using var init = StageModels.LoadLanguageModel(recipe.Init, "init", context.Pool);
        context.Ranks.RequireSameModel(recipe.Init, init.Model);
        using var decoder = run.CheckpointFolder is { } folder
            ? ModelFolder.Load(folder, context.Pool, StageModels.BaseOf(init, recipe.Init)).Model
            : StageModels.Trainee(init.Model, recipe.Init, recipe.Lora, 1, RandomStreams.Key(recipe.Seed, RandomStream.Initialization), recipe.ReadsTokens ? ScalarHead.Action : ScalarHead.State);
        using var model = StageModels.On(recipe.Backend, recipe.Dtype, decoder, context.Pool, recipe.ActivationCheckpointing, context.Observer.Note);
        var (tokenizer, format) = (init.Tokenizer, StageModels.FormatOf(init, recipe.Init));
        var card = StageModels.CardOf("reward", format, [recipe.Init], run);

        var window = model.Config.MaxPositionEmbeddings;
        var data = DataSplit.Read(recipe.Data, path => RecordReader.ReadRankings(path, context.Observer.Note), ranking => DataSplit.KeyOf(ranking.Prompt));
        var train = RankedPrompt.Render(data.Train, format, tokenizer, window, "training", context.Observer.Note);
        var heldout = RankedPrompt.Render(data.Heldout, format, tokenizer, window, "held-out", context.Observer.Note);
        if (train.Count == 0)
            throw new InvalidDataException($"{string.Join(", ", recipe.Data.Train)}: none of the {data.Train.Count} rankings has two differently ranked completions that fit into the context of {window} tokens.");
        var plan = BatchPlan.ForEpochs([.. train.Select(_ => 1)], recipe.PromptsPerStep, recipe.Epochs, recipe.Seed);
        context.Observer.Started("reward", plan.StepCount,
            $"{StageModels.Size(decoder)}, {train.Count:N0} prompts with {train.Sum(prompt => prompt.Pairs):N0} pairs, {heldout.Count:N0} prompts held out.");
        context.Ranks.RequireSameExamples("Training data", train, prompt => prompt.Numbers);
        context.Ranks.RequireSameExamples("Held-out data", heldout, prompt => prompt.Numbers);
        recipe.RequireConsistent(heldout.Count);
        if (heldout.Count > 0 && !run.Numbers.ContainsKey("heldout_accuracy_before")) Note(run.Numbers, Heldout(), "before");

        using var optimizer = new Optimizer(model.Parameters, recipe.Optimizer, context.Pool, context.Ranks, recipe.Ema, recipe.SkipOutliers);
        if (run.CheckpointFolder is { } checkpoint) Checkpoint.LoadOptimizer(checkpoint, optimizer);
        var schedule = new LearningRateSchedule(recipe.Optimizer, plan.StepCount);
        var steps = run.Loop(plan.StepCount, recipe, new StageWork
        {
            Step = step => Step(model, train, plan[step], recipe.MicroTokens, optimizer, schedule.At(step)),
            Evaluate = heldout.Count == 0 ? null : () =>
            {
                var (loss, accuracy, _) = Heldout();
                return new Evaluation(new OrderedDictionary<string, double> { ["heldout_loss"] = loss, ["heldout_accuracy"] = accuracy }, loss);
            },
            Data = DataHash.Of(train.Concat(heldout).SelectMany(prompt => (int[][])[.. prompt.Sequences, prompt.Which, .. prompt.Rankings])),
            Optimizers = [optimizer],
            Save = saved => Checkpoint.SaveModel(saved, model, tokenizer, card, optimizer),
            Load = saved => Checkpoint.LoadModel(saved, model, optimizer, context.Pool),
        });

        var series = new Dictionary<string, double[]>();
        if (heldout.Count > 0)
        {
            var after = Heldout();
            Note(run.Numbers, after, "after");
            run.Numbers["heldout_pairs"] = after.Margins.Length;
            series["heldout_margins"] = after.Margins;
        }
        run.Numbers["train_prompts"] = train.Count;
        run.Numbers["train_pairs"] = train.Sum(prompt => prompt.Pairs);
        run.SaveModel(model, tokenizer, () =>
        {
            var bias = Bias(recipe, model, format, tokenizer, context.Observer.Note);
            run.Numbers.TryAdd("reward_bias", bias);                                  // the first is the model's, a second that of its average
            return card with { RewardBias = bias };
        }, optimizer, recipe);
        run.WriteSamples(SampleRows(model, tokenizer, heldout.Count > 0 ? heldout : train, recipe.MicroTokens, run.Numbers["reward_bias"]));
        return run.Finish(steps, heldout.Count == 0
            ? "Nothing was held out, so the accuracy of the reward model is unknown."
            : $"Held-out loss {run.Numbers["heldout_loss_before"]:F3} → {run.Numbers["heldout_loss_after"]:F3} nats per pair, accuracy {run.Numbers["heldout_accuracy_before"]:P1} → {run.Numbers["heldout_accuracy_after"]:P1} of {run.Numbers["heldout_pairs"]:N0} pairs.", series);

        (double Loss, double Accuracy, double[] Margins) Heldout() => Measure(model, heldout, recipe.MicroTokens, context.Ranks);
    }

    private static OrderedDictionary<string, double> Step(
        ITrainableModel model, IReadOnlyList<RankedPrompt> data, IReadOnlyList<int> prompts, int microTokens, Optimizer optimizer, double learningRate)
    {
        var found = Accumulate(model, data, prompts, microTokens, optimizer);
        return new OrderedDictionary<string, double>
        {
            ["loss"] = found.Loss,
            ["accuracy"] = found.Correct / (double)found.Pairs,
            ["lr"] = learningRate,
            ["gradient_norm"] = optimizer.Step(learningRate, found.Loss),
            ["tokens"] = prompts.Sum(prompt => data[prompt].TokenCount),
        };
    }

    /// <summary>Adds the gradient of the mean ranking loss over <paramref name="prompts"/>; all completions of a prompt are in one micro-batch.</summary>
    internal static RankingLoss Accumulate(ITrainableModel model, IReadOnlyList<RankedPrompt> data, IReadOnlyList<int> prompts, int microTokens, Optimizer? optimizer = null)
    {
        var processes = optimizer?.Ranks ?? Ranks.One;
        var total = new RankingLoss();
        foreach (var (group, isLast) in BatchPlan.MarkLast(BatchPlan.MicroBatches(processes.Share(prompts, prompt => data[prompt].TokenCount), prompt => data[prompt].TokenCount, microTokens)))
        {
            if (isLast) optimizer?.ExpectLastBackward();
            var batch = Batch(data, group, model.Config);
            var scores = SequenceReward.Rewards(batch, model.Forward(batch, new ForwardRequest { Scalars = true, ForBackward = true }).Scalars);     // (U,)
            var dScores = new float[scores.Length];
            var found = RankingGradient(scores, [.. group.Select(prompt => data[prompt])], prompts.Count, dScores);
            var gradient = ArrayPool<float>.Shared.Rent(batch.ScoredCount);
            var dScalars = gradient.AsSpan(0, batch.ScoredCount);
            SequenceReward.Gradient(batch, dScores, dScalars);
            model.Backward(new TokenGradients { Scalars = dScalars });
            ArrayPool<float>.Shared.Return(gradient);
            total = new RankingLoss(total.Loss + found.Loss, total.Pairs + found.Pairs, total.Correct + found.Correct);
        }
        return new RankingLoss(processes.Sum(total.Loss), (int)processes.Sum(total.Pairs), (int)processes.Sum(total.Correct));
    }

    /// <summary>The ranking loss of some prompts and its gradient with respect to the score of each different completion, (U,).</summary>
    private static RankingLoss RankingGradient(ReadOnlySpan<float> scores, RankedPrompt[] prompts, int promptsOfStep, Span<float> dScores)
    {
        var rewards = new List<float>();                                                                              // (C,)
        var start = 0;
        foreach (var prompt in prompts)
        {
            rewards.AddRange(prompt.OfCompletions(scores.Slice(start, prompt.Sequences.Length)));
            start += prompt.Sequences.Length;
        }
        var dRewards = new float[rewards.Count];
        var loss = RewardLoss.Rankings(rewards.ToArray(), [.. prompts.Select(prompt => prompt.Rankings)], promptsOfStep, dRewards);
        dScores.Clear();
        int from = 0, to = 0;
        foreach (var prompt in prompts)
        {
            prompt.AddToSequences(dRewards.AsSpan(from, prompt.Which.Length), dScores.Slice(to, prompt.Sequences.Length));
            from += prompt.Which.Length;
            to += prompt.Sequences.Length;
        }
        return loss;
    }

    /// <summary>Loss, pair accuracy and the margin r_w − r_l of every pair.</summary>
    internal static (double Loss, double Accuracy, double[] Margins) Measure(ITrainableModel model, IReadOnlyList<RankedPrompt> data, int microTokens, Ranks? ranks = null)
    {
        double loss = 0;
        var margins = new List<double>();
        foreach (var prompt in Scored(model, data, microTokens, ranks))
        {
            var unused = new float[prompt.Rewards.Length];
            loss += RewardLoss.Rankings(prompt.Rewards, [prompt.Prompt.Rankings], data.Count, unused).Loss;
            foreach (var ranking in prompt.Prompt.Rankings)
                for (var i = 0; i < ranking.Length; i++)
                    for (var j = 0; j < ranking.Length; j++)
                        if (ranking[i] < ranking[j]) margins.Add(prompt.Rewards[i] - prompt.Rewards[j]);
        }
        return (loss, margins.Count(margin => margin > 0) / (double)margins.Count, [.. margins]);
    }

    /// <summary>Reward of each sequence, without the bias of the card; of several ranks each scores its share.</summary>
    internal static float[] Rewards(ITrainableModel model, IReadOnlyList<JudgedSequence> sequences, int microTokens, Ranks? ranks = null)
    {
        ranks ??= Ranks.One;
        var rewards = new float[sequences.Count];
        foreach (var group in BatchPlan.MicroBatches(ranks.Share([.. Enumerable.Range(0, sequences.Count)], i => sequences[i].Ids.Length), i => sequences[i].Ids.Length, microTokens))
        {
            var builder = new TokenBatchBuilder();
            foreach (var i in group) builder.AddJudged(model.Config, sequences[i]);
            var batch = builder.Build();
            SequenceReward.Rewards(batch, model.Forward(batch, new ForwardRequest { Scalars = true }).Scalars).CopyTo(rewards.AsSpan(group[0]));       // groups are contiguous here
        }
        ranks.Sum(rewards);
        return rewards;
    }

    /// <summary>What to add so that demonstrations average 0; 0 without demonstrations.</summary>
    private static double Bias(RewardRecipe recipe, ITrainableModel model, ChatFormat format, Tokenizer tokenizer, Action<string> note)
    {
        if (recipe.Demonstrations.Count == 0) return 0;
        var sequences = recipe.Demonstrations.SelectMany(path => RecordReader.ReadDemonstrations(path, note))
            .Where(demonstration => demonstration.Messages is [.., { Role: Role.Assistant }])
            .Select(demonstration => demonstration.Origin.Blame(() => Sequence([.. demonstration.Messages.SkipLast(1)], demonstration.Messages[^1].Content, format, tokenizer)))
            .Where(sequence => sequence.Ids.Length <= model.Config.MaxPositionEmbeddings).ToList();
        if (sequences.Count == 0)
            throw new InvalidDataException($"{string.Join(", ", recipe.Demonstrations)}: no demonstration fits into the context of {model.Config.MaxPositionEmbeddings} tokens, so the reward bias cannot be set.");
        return -Maths.Mean(Rewards(model, sequences, recipe.MicroTokens));
    }

    internal static JudgedSequence Sequence(IReadOnlyList<Message> prompt, string completion, ChatFormat format, Tokenizer tokenizer)
    {
        var start = format.RenderPrompt(prompt, tokenizer);
        return new JudgedSequence([.. start, .. format.RenderCompletion(completion, tokenizer)], start.Length);
    }

    private static void Note(OrderedDictionary<string, double> numbers, (double Loss, double Accuracy, double[] Margins) found, string when)
    {
        numbers[$"heldout_loss_{when}"] = found.Loss;
        numbers[$"heldout_accuracy_{when}"] = found.Accuracy;
    }

    private static TokenBatch Batch(IReadOnlyList<RankedPrompt> data, IReadOnlyList<int> prompts, ModelConfig config)
    {
        var builder = new TokenBatchBuilder();
        foreach (var prompt in prompts)
            foreach (var sequence in data[prompt].Judged) builder.AddJudged(config, sequence);
        return builder.Build();
    }

    private static IEnumerable<(RankedPrompt Prompt, float[] Rewards)> Scored(
        ITrainableModel model, IReadOnlyList<RankedPrompt> data, int microTokens, Ranks? ranks = null)
    {
        var rewards = Rewards(model, [.. data.SelectMany(prompt => prompt.Judged)], microTokens, ranks);
        var start = 0;
        foreach (var prompt in data)
        {
            yield return (prompt, prompt.OfCompletions(rewards.AsSpan(start, prompt.Sequences.Length)));
            start += prompt.Sequences.Length;
        }
    }

    private static IEnumerable<JsonObject> SampleRows(ITrainableModel model, Tokenizer tokenizer, IReadOnlyList<RankedPrompt> data, int microTokens, double bias) =>
        from scored in Scored(model, [.. data.Take(Samples.Count)], microTokens)
        from i in Enumerable.Range(0, scored.Rewards.Length)
        select new JsonObject
        {
            ["text"] = tokenizer.Decode(scored.Prompt.Sequences[scored.Prompt.Which[i]], includeSpecial: true),
            ["mean_rank"] = scored.Prompt.Rankings.Average(ranks => ranks[i]),
            ["score"] = scored.Rewards[i] + bias,
        };
}

using System.Buffers;
using Gpt35.Data;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>Loss over sequences that were not trained on.</summary>
/// <param name="Nats">Σ −log p over the scored tokens.</param>
/// <param name="Tokens">Scored tokens.</param>
internal readonly record struct HeldOutLoss(double Nats, long Tokens)
{
    public double PerToken => Nats / Tokens;
}

/// <summary>What pre-training and supervised fine-tuning share: cross-entropy over the trained tokens of sequences.</summary>
internal sealed class LanguageModelTraining
{
    public required RunFolder Run { get; init; }
    public required ITrainableModel Model { get; init; }
    public required Tokenizer Tokenizer { get; init; }
    public required ModelCard Card { get; init; }
    public required IReadOnlyList<TokenSequence> Train { get; init; }
    public required IReadOnlyList<TokenSequence> Heldout { get; init; }
    public required BatchPlan Plan { get; init; }
    /// <summary>Hash of training and held-out data; that of their ids when left out.</summary>
    public string? Data { get; init; }
    public required int MicroTokens { get; init; }
    public required OptimizerOptions Optimizer { get; init; }
    public required ulong Seed { get; init; }
    public required StageOptions Options { get; init; }

    /// <summary>Trains through the plan, measures before and after, and saves the model.</summary>
    /// <returns>Steps done.</returns>
    public int Go()
    {
        Options.RequireConsistent(Heldout.Count);
        var ranks = Run.Context.Ranks;
        ranks.RequireSameExamples("Training data", Train);
        ranks.RequireSameExamples("Held-out data", Heldout);
        using var optimizer = new Optimizer(Model.Parameters, Optimizer, Run.Context.Pool, ranks, Options.Ema, Options.SkipOutliers);
        if (Run.CheckpointFolder is { } folder) Checkpoint.LoadOptimizer(folder, optimizer);
        var schedule = new LearningRateSchedule(Optimizer, Plan.StepCount);
        if (Heldout.Count > 0 && !Run.Numbers.ContainsKey("heldout_loss_before"))
            Run.Numbers["heldout_loss_before"] = HeldoutLoss();

        var steps = Run.Loop(Plan.StepCount, Options, new StageWork
        {
            Step = step =>
            {
                var learningRate = schedule.At(step);
                var loss = Accumulate(Model, Train, Plan[step], MicroTokens, DropoutKey(step), optimizer: optimizer);
                var norm = optimizer.Step(learningRate, loss);
                Run.Numbers["train_loss"] = loss;
                return new OrderedDictionary<string, double>
                {
                    ["loss"] = loss,
                    ["lr"] = learningRate,
                    ["gradient_norm"] = norm,
                    ["tokens"] = Plan[step].Sum(example => Train[example].Ids.Length),
                };
            },
            Evaluate = Heldout.Count == 0 ? null : () =>
            {
                var loss = HeldoutLoss();
                return new Evaluation(new OrderedDictionary<string, double> { ["heldout_loss"] = loss }, loss);
            },
            Data = Data ?? DataHash.Of(Train.Concat(Heldout).Select(example => example.Ids)),
            Optimizers = [optimizer],
            Save = checkpoint => Checkpoint.SaveModel(checkpoint, Model, Tokenizer, Card, optimizer),
            Load = checkpoint => Checkpoint.LoadModel(checkpoint, Model, optimizer, Run.Context.Pool),
        });

        if (Heldout.Count > 0) Run.Numbers["heldout_loss_after"] = HeldoutLoss();
        Run.SaveModel(Model, Tokenizer, () => Card, optimizer, Options);
        return steps;

        double HeldoutLoss() => Measure(Model, Heldout, MicroTokens, ranks).PerToken;
    }

    /// <summary>
    /// Adds the gradient of the mean loss over the trained tokens of <paramref name="examples"/>, however many micro-batches it takes; of several
    /// ranks each goes through its share of the examples.
    /// </summary>
    /// <param name="model">Receives the gradient.</param>
    /// <param name="data">All sequences.</param>
    /// <param name="examples">Which of them make up the step.</param>
    /// <param name="microTokens">Most tokens of one pass.</param>
    /// <param name="dropoutKey">Key of the step's dropout masks; null for none.</param>
    /// <param name="weight">Factor on loss and gradient.</param>
    /// <param name="optimizer">The one that steps next with these gradients; null alone.</param>
    /// <returns>The loss in nats per token, times the weight, over all ranks.</returns>
    public static double Accumulate(
        ITrainableModel model, IReadOnlyList<TokenSequence> data, IReadOnlyList<int> examples, int microTokens, ulong? dropoutKey, double weight = 1, Optimizer? optimizer = null)
    {
        var tokens = examples.Sum(example => (long)TrainedTokens(data[example]));
        var ranks = optimizer?.Ranks ?? Ranks.One;
        var maskKeys = dropoutKey is { } key ? MaskKeys(key, examples) : null;
        double loss = 0;
        // By their places in the step, where an example may occur more than once.
        var mine = ranks.Share([.. Enumerable.Range(0, examples.Count)], Length);
        foreach (var (group, isLast) in BatchPlan.MarkLast(BatchPlan.MicroBatches(mine, Length, microTokens)))
        {
            if (isLast) optimizer?.ExpectLastBackward();
            var batch = Batch(data, [.. group.Select(place => examples[place])]);
            ulong[]? keys = maskKeys is null ? null : [.. group.Select(place => maskKeys[place])];
            var gradient = ArrayPool<float>.Shared.Rent(batch.ScoredCount);
            var dLogProb = gradient.AsMemory(0, batch.ScoredCount);                   // (N,)
            LanguageModelLoss.Gradient(tokens, dLogProb.Span, weight);
            var scores = model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true, DropoutKeys = keys, LogProbGradient = dLogProb });
            loss += LanguageModelLoss.Compute(scores.LogProb, tokens, dLogProb.Span, weight);
            model.Backward(new TokenGradients { LogProb = dLogProb.Span });
            ArrayPool<float>.Shared.Return(gradient);
        }
        return ranks.Sum(loss);

        int Length(int place) => data[examples[place]].Ids.Length;
    }

    /// <summary>Loss over <paramref name="data"/>, without dropout and without gradients.</summary>
    public static HeldOutLoss Measure(ITrainableModel model, IReadOnlyList<TokenSequence> data, int microTokens, Ranks? ranks = null)
    {
        ranks ??= Ranks.One;
        double nats = 0;
        long tokens = 0;
        foreach (var group in BatchPlan.MicroBatches(ranks.Share([.. Enumerable.Range(0, data.Count)], Length), Length, microTokens))
        {
            var batch = Batch(data, group);
            nats += LanguageModelLoss.TotalNats(model.Forward(batch, new ForwardRequest { LogProb = true }).LogProb);
            tokens += batch.ScoredCount;
        }
        return new HeldOutLoss(ranks.Sum(nats), (long)ranks.Sum(tokens));

        int Length(int example) => data[example].Ids.Length;
    }

    /// <summary>Tokens of a sequence that give loss: the trained ones, without the first, which nothing predicts.</summary>
    public static int TrainedTokens(TokenSequence sequence) => sequence.Trained.AsSpan(1).Count(true);

    private static TokenBatch Batch(IReadOnlyList<TokenSequence> data, IReadOnlyList<int> examples)
    {
        var builder = new TokenBatchBuilder();
        foreach (var example in examples) builder.Add(data[example].Ids, data[example].Trained);
        return builder.Build();
    }

    /// <summary>
    /// Keys of the dropout masks of a step's examples, in their order: functions of the step's key, the example and how often it came before in the step (which it
    /// does where epochs meet). So neither micro-batches nor ranks matter, nor the order that best fit gives a step.
    /// </summary>
    internal static ulong[] MaskKeys(ulong stepKey, IReadOnlyList<int> examples)
    {
        var seen = new Dictionary<int, ulong>();
        return [.. examples.Select(example =>
        {
            var before = seen.GetValueOrDefault(example);
            seen[example] = before + 1;
            return CounterRandom.Hash(CounterRandom.Hash(stepKey, (ulong)example), before);
        })];
    }

    private ulong? DropoutKey(int step) => Model.Config.ResidDropout > 0 ? RandomStreams.Key(Seed, RandomStream.Dropout, (ulong)step) : null;
}

using System.Buffers;
using Gpt35.Data;
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
    public required int MicroTokens { get; init; }
    public required OptimizerOptions Optimizer { get; init; }
    public required ulong Seed { get; init; }
    public required int EvalEvery { get; init; }
    public required int CheckpointEvery { get; init; }

    /// <summary>Trains through the plan, measures before and after, and saves the model.</summary>
    public void Go()
    {
        using var optimizer = new Optimizer(Model.Parameters, Optimizer, Run.Context.Pool);
        if (Run.CheckpointFolder is { } folder) Checkpoint.LoadOptimizer(folder, optimizer);
        var schedule = new LearningRateSchedule(Optimizer, Plan.StepCount);
        if (Heldout.Count > 0 && !Run.Numbers.ContainsKey("heldout_loss_before"))
            Run.Numbers["heldout_loss_before"] = Measure(Model, Heldout, MicroTokens).PerToken;

        Run.Loop(Plan.StepCount, CheckpointEvery, step =>
        {
            var learningRate = schedule.At(step);
            var loss = Accumulate(Model, Train, Plan[step], MicroTokens, micro => DropoutKey(step, micro));
            var norm = optimizer.Step(learningRate);
            var metrics = new OrderedDictionary<string, double>
            {
                ["loss"] = loss,
                ["lr"] = learningRate,
                ["gradient_norm"] = norm,
                ["tokens"] = Plan[step].Sum(example => Train[example].Ids.Length),
            };
            if (Heldout.Count > 0 && EvalEvery > 0 && (step + 1) % EvalEvery == 0)
                metrics["heldout_loss"] = Measure(Model, Heldout, MicroTokens).PerToken;
            Run.Numbers["train_loss"] = loss;
            return metrics;
        }, checkpoint => Checkpoint.SaveModel(checkpoint, Model, Tokenizer, Card, optimizer));

        if (Heldout.Count > 0) Run.Numbers["heldout_loss_after"] = Measure(Model, Heldout, MicroTokens).PerToken;
        ModelFolder.Save(Run.ModelPath, Model, Tokenizer, Card);
    }

    /// <summary>Adds the gradient of the mean loss over the trained tokens of <paramref name="examples"/>, however many micro-batches it takes.</summary>
    /// <param name="model">Receives the gradient.</param>
    /// <param name="data">All sequences.</param>
    /// <param name="examples">Which of them make up the step.</param>
    /// <param name="microTokens">Most tokens of one pass.</param>
    /// <param name="dropoutKey">Key of the dropout masks of a micro-batch; null for none.</param>
    /// <param name="weight">Factor on loss and gradient.</param>
    /// <returns>The loss in nats per token, times the weight.</returns>
    public static double Accumulate(
        ITrainableModel model, IReadOnlyList<TokenSequence> data, IReadOnlyList<int> examples, int microTokens, Func<int, ulong?> dropoutKey, double weight = 1)
    {
        var tokens = examples.Sum(example => (long)TrainedTokens(data[example]));
        double loss = 0;
        var micro = 0;
        foreach (var group in BatchPlan.MicroBatches(examples, example => data[example].Ids.Length, microTokens))
        {
            var batch = Batch(data, group);
            var scores = model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true, DropoutKey = dropoutKey(micro++) });
            var gradient = ArrayPool<float>.Shared.Rent(batch.ScoredCount);
            var dLogProb = gradient.AsSpan(0, batch.ScoredCount);                     // (N,)
            loss += LanguageModelLoss.Compute(scores.LogProb, tokens, dLogProb, weight);
            model.Backward(new TokenGradients { LogProb = dLogProb });
            ArrayPool<float>.Shared.Return(gradient);
        }
        return loss;
    }

    /// <summary>Loss over <paramref name="data"/>, without dropout and without gradients.</summary>
    public static HeldOutLoss Measure(ITrainableModel model, IReadOnlyList<TokenSequence> data, int microTokens)
    {
        double nats = 0;
        long tokens = 0;
        foreach (var group in BatchPlan.MicroBatches(Enumerable.Range(0, data.Count), example => data[example].Ids.Length, microTokens))
        {
            var batch = Batch(data, group);
            nats += LanguageModelLoss.TotalNats(model.Forward(batch, new ForwardRequest { LogProb = true }).LogProb);
            tokens += batch.ScoredCount;
        }
        return new HeldOutLoss(nats, tokens);
    }

    /// <summary>Tokens of a sequence that give loss: the trained ones, without the first, which nothing predicts.</summary>
    public static int TrainedTokens(TokenSequence sequence) => sequence.Trained.AsSpan(1).Count(true);

    private static TokenBatch Batch(IReadOnlyList<TokenSequence> data, IReadOnlyList<int> examples)
    {
        var builder = new TokenBatchBuilder();
        foreach (var example in examples) builder.Add(data[example].Ids, data[example].Trained);
        return builder.Build();
    }

    private ulong? DropoutKey(int step, int micro) =>
        Model.Config.ResidDropout > 0 ? RandomStreams.Key(RandomStreams.Key(Seed, RandomStream.Dropout, (ulong)step), RandomStream.Dropout, (ulong)micro) : null;
}

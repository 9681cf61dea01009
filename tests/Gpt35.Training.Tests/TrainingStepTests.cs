using Gpt35.Data;
using Gpt35.Kernels;

namespace Gpt35.Training.Tests;

public sealed class TrainingStepTests
{
    private static readonly OptimizerOptions Options = new() { Lr = 0.05, Clip = 0.3, WeightDecay = 0.1 };

    /// <summary>Eight sequences over five tokens; masks with holes, as conversations have.</summary>
    private static readonly TokenSequence[] Data =
        [.. Enumerable.Range(0, 8).Select(i => Enumerable.Range(0, 3 + i).Select(t => (int)(CounterRandom.Hash((ulong)i, (ulong)t) % 5)).ToArray())
            .Select((ids, i) => new TokenSequence(ids, [.. ids.Select((_, t) => (t + i) % 4 != 0)]))];

    [Fact]
    public void Eight_micro_batches_of_one_train_exactly_like_one_of_eight()
    {
        using var one = new BigramModel(5);
        using var eight = new BigramModel(5);
        var whole = LanguageModelTraining.Accumulate(one, Data, [0, 1, 2, 3, 4, 5, 6, 7], microTokens: 1000, null);
        var parts = LanguageModelTraining.Accumulate(eight, Data, [0, 1, 2, 3, 4, 5, 6, 7], microTokens: 1, null);
        Assert.Equal((1, 8), (one.Forwards, eight.Forwards));
        Assert.Equal(whole, parts, 1e-6);
        Differences.AssertClose([.. one.TableGradient.ToArray().Select(x => (double)x)], eight.TableGradient.ToArray(), 1e-6);
    }

    [Fact]
    public void Only_trained_tokens_give_loss()
    {
        using var model = new BigramModel(5);
        model.Table[0] = 3;                                                    // after 0, 0 is likely
        var sequence = new TokenSequence([0, 0, 1], [true, false, true]);      // 0→0 is not trained; 0→1 is
        var loss = LanguageModelTraining.Accumulate(model, [sequence], [0], 100, null);
        Assert.Equal(Math.Log(Math.Exp(3) + 4), loss, 1e-6);
        Assert.Equal(1, LanguageModelTraining.TrainedTokens(sequence));
        Assert.Equal(loss, LanguageModelTraining.Measure(model, [sequence], 100).PerToken, 1e-6);
    }

    [Fact]
    public void A_training_trajectory_follows_adamw_with_clipping_written_in_doubles()
    {
        using var model = new BigramModel(5);
        using var optimizer = new Optimizer(model.Parameters, Options, WorkerPool.Shared);
        var schedule = new LearningRateSchedule(Options with { WarmupSteps = 5 }, 30);
        var reference = new ReferenceRun(5, Options);
        for (var step = 0; step < 30; step++)
        {
            int[] examples = [step % 8, (step + 3) % 8];
            var loss = LanguageModelTraining.Accumulate(model, Data, examples, 8, null);
            var norm = optimizer.Step(schedule.At(step));
            var (expectedLoss, expectedNorm) = reference.Step([.. examples.Select(i => Data[i])], schedule.At(step));
            Assert.Equal(expectedLoss, loss, 1e-5);
            Assert.Equal(expectedNorm, norm, 1e-5);
        }
        Differences.AssertClose(reference.Weights, model.Table.ToArray(), 2e-5);
        Assert.Equal(30, optimizer.StepCount);
    }

    [Fact]
    public void A_saved_optimizer_goes_on_with_the_same_bits()
    {
        using var model = new BigramModel(5);
        using var optimizer = new Optimizer(model.Parameters, Options, WorkerPool.Shared);
        Steps(model, optimizer, 0, 5);
        var weights = model.Parameters.Values.ToArray();
        var saved = new MemoryStream();
        optimizer.Save(saved);
        Steps(model, optimizer, 5, 10);

        using var again = new BigramModel(5);
        weights.CopyTo(again.Parameters.Values);
        using var loaded = new Optimizer(again.Parameters, Options, WorkerPool.Shared);
        saved.Position = 0;
        loaded.Load(saved);
        Steps(again, loaded, 5, 10);
        Assert.True(model.Parameters.Values.SequenceEqual(again.Parameters.Values));
    }

    [Fact]
    public void The_optimizer_state_of_another_model_or_half_a_file_is_refused()
    {
        using var small = new BigramModel(4);
        using var model = new BigramModel(5);
        using var from = new Optimizer(small.Parameters, Options, WorkerPool.Shared);
        using var to = new Optimizer(model.Parameters, Options, WorkerPool.Shared);
        var saved = new MemoryStream();
        from.Save(saved);
        saved.Position = 0;
        Assert.Contains("parameters", Assert.Throws<InvalidDataException>(() => to.Load(saved)).Message);
        var half = new MemoryStream(saved.ToArray()[..(int)(saved.Length / 2)]);
        Assert.Contains("not written completely", Assert.Throws<InvalidDataException>(() => from.Load(half)).Message);
        Assert.Throws<InvalidDataException>(() => from.Load(new MemoryStream([1, 2, 3])));
    }

    [Fact]
    public void A_gradient_that_is_not_finite_stops_the_run_with_advice()
    {
        using var model = new BigramModel(5);
        using var optimizer = new Optimizer(model.Parameters, Options, WorkerPool.Shared);
        model.TableGradient[3] = float.NaN;
        Assert.Contains("Lower the learning rate", Assert.Throws<InvalidDataException>(() => optimizer.Step(0.1)).Message);
    }

    [Fact]
    public void Weight_decay_spares_biases_and_norms()
    {
        using var model = new BigramModel(5);
        using var optimizer = new Optimizer(model.Parameters, Options with { WeightDecay = 0.5 }, WorkerPool.Shared);
        model.Parameters.Values.Fill(1);
        model.Parameters.ZeroGradients();
        optimizer.Step(0.1);
        foreach (var parameter in model.Parameters.All)
            Assert.Equal(parameter.Decays ? 0.95f : 1f, model.Parameters.ValuesOf(parameter)[0], 1e-6f);
        Assert.Contains(model.Parameters.All, parameter => parameter.Decays);
        Assert.Contains(model.Parameters.All, parameter => !parameter.Decays);
    }

    private static void Steps(BigramModel model, Optimizer optimizer, int from, int to)
    {
        for (var step = from; step < to; step++)
        {
            LanguageModelTraining.Accumulate(model, Data, [step % 8], 100, null);
            optimizer.Step(0.05);
        }
    }

    /// <summary>Cross-entropy of the bigram table, clipping and AdamW, written down once more without any of the code under test.</summary>
    private sealed class ReferenceRun(int v, OptimizerOptions options)
    {
        private readonly double[] first = new double[v * v], second = new double[v * v];
        private int count;

        public double[] Weights { get; } = new double[v * v];

        public (double Loss, double Norm) Step(TokenSequence[] sequences, double learningRate)
        {
            var pairs = sequences.SelectMany(s => Enumerable.Range(1, s.Ids.Length - 1).Where(t => s.Trained[t]).Select(t => (From: s.Ids[t - 1], To: s.Ids[t]))).ToList();
            var gradient = new double[v * v];
            double loss = 0;
            foreach (var (from, to) in pairs)
            {
                var powers = Enumerable.Range(0, v).Select(j => Math.Exp(Weights[from * v + j])).ToArray();
                loss -= Math.Log(powers[to] / powers.Sum()) / pairs.Count;
                for (var j = 0; j < v; j++) gradient[from * v + j] += (powers[j] / powers.Sum() - (j == to ? 1 : 0)) / pairs.Count;
            }
            var norm = Math.Sqrt(gradient.Sum(g => g * g));
            count++;
            for (var i = 0; i < gradient.Length; i++)
            {
                var g = gradient[i] * Math.Min(1, options.Clip / norm);
                first[i] = options.Beta1 * first[i] + (1 - options.Beta1) * g;
                second[i] = options.Beta2 * second[i] + (1 - options.Beta2) * g * g;
                var step = first[i] / (1 - Math.Pow(options.Beta1, count)) / (Math.Sqrt(second[i] / (1 - Math.Pow(options.Beta2, count))) + options.Eps);
                Weights[i] -= learningRate * (step + options.WeightDecay * Weights[i]);
            }
            return (loss, norm);
        }
    }
}

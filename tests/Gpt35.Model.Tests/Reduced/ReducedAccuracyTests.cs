using Gpt35.Kernels;
using Gpt35.Tests;

namespace Gpt35.Model.Tests;

/// <summary>What reduced weights cost a model that was trained.</summary>
public sealed class ReducedAccuracyTests(TrainedModel trained) : IClassFixture<TrainedModel>
{
    [Fact]
    public void The_model_of_these_tests_has_learned_something() => Assert.InRange(TrainedModel.NatsOf(trained.Model), 0, 0.9);   // a uniform guess has 3.3

    [Theory]
    [InlineData(WeightPrecision.BF16, 0.005, 0.1)]
    [InlineData(WeightPrecision.Int8, 0.01, 0.2)]
    [InlineData(WeightPrecision.Int4, 0.05, 1.5)]
    public void Perplexity_and_logits_stay_within_their_bounds(WeightPrecision precision, double perplexity, double logits)
    {
        using var reduced = trained.Model.Reduce(precision);
        var change = Math.Exp(TrainedModel.NatsOf(reduced) - TrainedModel.NatsOf(trained.Model)) - 1;
        var (difference, spread) = LogitDifference(trained.Model, reduced, TrainedModel.Sample(5));
        TestContext.Current.SendDiagnosticMessage($"{precision}: perplexity {change:P3}, logits {difference:G3} of a spread of {spread:G3}");
        Assert.InRange(Math.Abs(change), 0, perplexity);
        Assert.InRange(difference, 0, logits);
    }

    /// <summary>The bounds are those of the weights: the adapter is F32 in both. Merged first, it would be reduced with them.</summary>
    [Theory]
    [InlineData(WeightPrecision.BF16, 0.005, 0.1)]
    [InlineData(WeightPrecision.Int8, 0.01, 0.2)]
    [InlineData(WeightPrecision.Int4, 0.05, 1.5)]
    public void An_adapter_beside_reduced_weights_does_what_it_does_beside_whole_ones(WeightPrecision precision, double perplexity, double logits)
    {
        using var whole = trained.Model.WithAdapter(Adapter());
        using var reducedBase = trained.Model.Reduce(precision);
        using var reduced = reducedBase.WithAdapter(Adapter());
        var effect = Math.Exp(TrainedModel.NatsOf(whole) - TrainedModel.NatsOf(trained.Model)) - 1;
        var change = Math.Exp(TrainedModel.NatsOf(reduced) - TrainedModel.NatsOf(whole)) - 1;
        var (difference, spread) = LogitDifference(whole, reduced, TrainedModel.Sample(5));
        TestContext.Current.SendDiagnosticMessage($"{precision}: adapter {effect:P1}, perplexity {change:P3}, logits {difference:G3} of a spread of {spread:G3}");
        Assert.True(effect > 0.2, $"the adapter changes the perplexity by {effect:P1} only");
        Assert.InRange(Math.Abs(change), 0, perplexity);
        Assert.InRange(difference, 0, logits);

        LoraAdapter Adapter()
        {
            var adapter = LoraAdapter.Create(trained.Model.Config, new LoraConfig { Rank = 4, Alpha = 8, Targets = LoraLayout.TargetsOf(trained.Model.Config) }, seed: 1);
            foreach (var parameter in adapter.Parameters.All.Where(parameter => parameter.Name.EndsWith("lora_B.weight", StringComparison.Ordinal)))
            {
                var values = adapter.Parameters.ValuesOf(parameter);
                for (var i = 0; i < values.Length; i++) values[i] = 0.1f * CounterRandom.Normal(2, (ulong)(parameter.Offset + i));
            }
            return adapter;
        }
    }

    /// <summary>Measured: 0.03 %, 0.002 % and 8 %. 260,000 parameters and 64 numbers in a row leave no redundancy that int4 could live on.</summary>
    [Theory]
    [InlineData(WeightPrecision.BF16, 0.005)]
    [InlineData(WeightPrecision.Int8, 0.01)]
    [InlineData(WeightPrecision.Int4, 0.1)]
    public void Perplexity_of_a_very_small_real_model_stays_within_its_bound(WeightPrecision precision, double perplexity)
    {
        var path = SharedData.Require("models/stories260K.bin");
        SharedData.Require("models/tok512.bin");
        using var whole = ModelFolder.Load(path, WorkerPool.Shared);
        using var reduced = ModelFolder.Load(path, WorkerPool.Shared, precision);
        var text = File.ReadAllText(SharedData.Require("text/tinystories_b.txt"));
        var ids = whole.Tokenizer.Encode(text.AsSpan(0, 6_000));
        var batch = new TokenBatchBuilder();
        foreach (var window in ids.Chunk(255)) batch.AddCompletion([whole.Tokenizer.StartOfText, .. window], 1);
        var built = batch.Build();
        double Nats(Decoder model)
        {
            double sum = 0;
            foreach (var logProb in model.Forward(built, new ForwardRequest { LogProb = true }).LogProb) sum -= logProb;
            return sum / built.ScoredCount;
        }
        var change = Math.Exp(Nats(reduced.Model) - Nats(whole.Model)) - 1;
        TestContext.Current.SendDiagnosticMessage($"{precision}: perplexity {change:P3} of {Math.Exp(Nats(whole.Model)):G4}");
        Assert.InRange(Math.Abs(change), 0, perplexity);
    }

    /// <summary>Largest difference of a logit, each position's mean taken off, and the standard deviation of the logits.</summary>
    private static (double Largest, double Spread) LogitDifference(Decoder whole, Decoder reduced, int[] ids)
    {
        double largest = 0, squares = 0;
        float[] x = new float[whole.Config.VocabSize], y = new float[x.Length];
        using SlotCache of = new(whole.Config, 1, ids.Length), other = new(whole.Config, 1, ids.Length);
        foreach (var id in ids)
        {
            whole.Extend(of, [0], [0, 1], [id], x);
            reduced.Extend(other, [0], [0, 1], [id], y);
            float meanX = x.Average(), meanY = y.Average();
            for (var i = 0; i < x.Length; i++)
            {
                largest = Math.Max(largest, Math.Abs(x[i] - meanX - (y[i] - meanY)));
                squares += (x[i] - meanX) * (x[i] - meanX);
            }
        }
        return (largest, Math.Sqrt(squares / ids.Length / x.Length));
    }
}

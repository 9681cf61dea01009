using Gpt35.Kernels;

namespace Gpt35.Training.Tests;

/// <summary>What an optimizer does besides AdamW where the recipe asks for it.</summary>
public sealed class OptimizerOptionTests
{
    private static readonly OptimizerOptions Options = new() { Lr = 0.1, Clip = 0 };

    [Fact]
    public void The_average_of_the_weights_follows_its_recursion_and_comes_back_from_a_checkpoint()
    {
        using var model = new BigramModel(5);
        using var optimizer = New(model, new EmaOptions { Decay = 0.9 });
        var expected = model.Parameters.Values.ToArray().Select(x => (double)x).ToArray();
        for (var step = 0; step < 6; step++)
        {
            Push(model, step);
            optimizer.Step(0.1);
            for (var i = 0; i < expected.Length; i++) expected[i] = 0.9 * expected[i] + 0.1 * model.Parameters.Values[i];
        }
        var weights = model.Parameters.Values.ToArray();
        var average = optimizer.WithAverage(() => model.Parameters.Values.ToArray());
        Differences.AssertClose(expected, average, 1e-6);
        Assert.True(weights.AsSpan().SequenceEqual(model.Parameters.Values), "the weights are back");

        var saved = new MemoryStream();
        optimizer.Save(saved);
        using var again = new BigramModel(5);
        weights.CopyTo(again.Parameters.Values);
        using var loaded = New(again, new EmaOptions { Decay = 0.9 });
        saved.Position = 0;
        loaded.Load(saved);
        loaded.SwapAverage();
        Assert.True(average.AsSpan().SequenceEqual(again.Parameters.Values));
        saved.Position = 0;
        using var without = New(again);
        Assert.Contains("with ema", Assert.Throws<InvalidDataException>(() => without.Load(saved)).Message);
    }

    [Fact]
    public void A_step_far_outside_changes_nothing_but_its_count()
    {
        using var model = new BigramModel(5);
        using var optimizer = New(model, outliers: new OutlierOptions { Z = 4, Window = 10 });
        for (var step = 0; step < 8; step++)
        {
            Push(model, step);
            optimizer.Step(0.01, loss: 2 + 0.01 * (step % 3));
        }
        Assert.Equal((0, 8), (optimizer.Skipped, optimizer.StepCount));
        var before = model.Parameters.Values.ToArray();
        foreach (var (loss, scale) in (ReadOnlySpan<(double, float)>)[(50, 1), (2, 1000), (double.NaN, 1), (2, float.NaN)])
        {
            Push(model, 3, scale);
            optimizer.Step(0.01, loss);
            Assert.True(before.AsSpan().SequenceEqual(model.Parameters.Values));
            Assert.Equal(0, model.Parameters.Gradients[model.TableOffset]);
        }
        Assert.Equal((4, 8), (optimizer.Skipped, optimizer.StepCount));
    }

    [Fact]
    public void Nothing_is_skipped_before_half_of_the_window_is_known_and_a_lasting_change_is_soon_ordinary()
    {
        var guard = new OutlierGuard(new OutlierOptions { Z = 3, Window = 8 });
        foreach (var loss in (double[])[1, 50, 1]) Assert.False(guard.Rejects(loss, 1));
        guard = new OutlierGuard(new OutlierOptions { Z = 3, Window = 8 });
        for (var i = 0; i < 8; i++) Assert.False(guard.Rejects(1 + 0.01 * (i % 2), 1));
        var skipped = Enumerable.Range(0, 8).Count(_ => guard.Rejects(5, 1));
        Assert.InRange(skipped, 1, 7);
        Assert.False(guard.Rejects(5, 1));
    }

    [Fact]
    public void Nothing_but_outliers_is_called_divergence()
    {
        var guard = new OutlierGuard(new OutlierOptions());
        var error = Assert.Throws<InvalidDataException>(() =>
        {
            for (var step = 0; step < 100; step++) guard.Rejects(double.NaN, double.NaN);
        });
        Assert.Contains("Lower the learning rate", error.Message);
    }

    private static Optimizer New(BigramModel model, EmaOptions? ema = null, OutlierOptions? outliers = null) =>
        new(model.Parameters, Options, WorkerPool.Shared, ema: ema, outliers: outliers);

    /// <summary>A gradient that changes from step to step.</summary>
    private static void Push(BigramModel model, int step, float scale = 1)
    {
        for (var i = 0; i < model.TableGradient.Length; i++) model.TableGradient[i] = scale * MathF.Sin(i + step);
    }
}

using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

public sealed class ModelExtensionTests(ITestOutputHelper output)
{
    private const int Symbols = 8, Trained = 64;

    [Fact]
    public void Rows_between_are_interpolated_and_the_ends_stay()
    {
        var longer = new float[2 * 5];
        ModelExtension.Interpolate([0, 10, 4, 30, 8, 10], 2, longer);
        Assert.Equal([0, 10, 2, 20, 4, 30, 6, 20, 8, 10], longer);
        var uneven = new float[4];
        ModelExtension.Interpolate([0, 3, 9], 1, uneven);                 // places 0, 2/3, 4/3, 2
        Assert.Equal([0, 2, 5, 9], uneven);
    }

    [Fact]
    public void Everything_but_the_positions_is_copied_and_nonsense_is_refused()
    {
        using var model = TestModels.Shaken(TestModels.Tiny with { NumScalars = 2 });
        using var longer = model.ExtendContext(24);
        Assert.Equal(24, longer.Config.MaxPositionEmbeddings);
        foreach (var parameter in model.Parameters.All.Where(p => p.Name != "wpe.weight"))
            Assert.Equal(model.Parameters.ValuesOf(parameter).ToArray(), longer.Parameters.ValuesOf(longer.Parameters[parameter.Name]).ToArray());
        Assert.Contains("12 positions already", Assert.Throws<InvalidDataException>(() => model.ExtendContext(12)).Message);
        using var rotary = TestModels.Shaken(TestModels.TinyLlama);
        Assert.Contains("rope_scaling", Assert.Throws<InvalidDataException>(() => rotary.ExtendContext(24)).Message);
    }

    [Fact]
    public void Long_documents_keep_their_perplexity_after_interpolation_and_a_little_training_and_do_not_with_new_rows()
    {
        var config = new ModelConfig { VocabSize = Symbols, HiddenSize = 32, NumHiddenLayers = 2, NumAttentionHeads = 2, MaxPositionEmbeddings = Trained, InitializerRange = 0.1f };
        using var model = Decoder.Create(config, 1, WorkerPool.Shared);
        Train(model, Trained, steps: 500, seed: 1);
        var original = Perplexity(model, Trained);
        foreach (var length in (int[])[128, 256])
        {
            using var interpolated = model.ExtendContext(length);
            using var naive = WithNewRows(model, length);
            Train(interpolated, length, steps: 60, seed: 2);
            Train(naive, length, steps: 60, seed: 2);
            double found = Perplexity(interpolated, length), withNewRows = Perplexity(naive, length);
            output.WriteLine($"{Trained} positions: {original:F3}; {length}: {found:F3}, with new rows {withNewRows:F3}");
            Assert.InRange(found, 1.55, 1.2 * original);           // e^0.467 = 1.595 is what the text allows, up to chance
            Assert.True(withNewRows > 1.2 * found, $"{withNewRows} with new rows, {found} interpolated");
        }
    }

    /// <summary>The obvious thing that does not work: the known rows, and fresh ones after them.</summary>
    private static Decoder WithNewRows(Decoder model, int length)
    {
        var longer = Decoder.Create(model.Config with { MaxPositionEmbeddings = length }, 7, WorkerPool.Shared);
        longer.Parameters.CopyFrom(model.Parameters);
        model.Parameters.ValuesOf(model.Parameters["wpe.weight"]).CopyTo(longer.Parameters.ValuesOf(longer.Parameters["wpe.weight"]));
        return longer;
    }

    /// <summary>
    /// A document: each symbol follows from the two before it, nine times out of ten. To know the one before the last, a model has to find the
    /// position before its own.
    /// </summary>
    private static int[] Document(ulong key, int length)
    {
        var ids = new int[length];
        for (var i = 0; i < length; i++)
        {
            var free = i < 2 || CounterRandom.Uniform(key, 2 * (ulong)i) < 0.1f;
            ids[i] = (int)(free ? CounterRandom.Hash(key, 2 * (ulong)i + 1) % Symbols : CounterRandom.Hash(5, (ulong)(ids[i - 1] * Symbols + ids[i - 2])) % Symbols);
        }
        return ids;
    }

    private static TokenBatch Batch(ulong key, int length, int tokens)
    {
        var builder = new TokenBatchBuilder();
        for (var i = 0; i < tokens / length; i++) builder.AddCompletion(Document(CounterRandom.Hash(key, (ulong)i), length), 1);
        return builder.Build();
    }

    private static unsafe void Train(Decoder model, int length, int steps, ulong seed)
    {
        using NativeBuffer<float> m = new(model.Parameters.Count), v = new(model.Parameters.Count);
        for (var step = 1; step <= steps; step++)
        {
            var batch = Batch(CounterRandom.Hash(seed, (ulong)step), length, 1024);
            model.Parameters.ZeroGradients();
            model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true });
            model.Backward(new TokenGradients { LogProb = Enumerable.Repeat(-1f / batch.ScoredCount, batch.ScoredCount).ToArray() });
            AdamW.Step(WorkerPool.Shared, model.Parameters.ValuePointer, model.Parameters.GradientPointer, m.Pointer, v.Pointer, model.Parameters.Count,
                4e-3f * Math.Min(1, step / 10f), 0.9f, 0.95f, 1e-8f, 0, step, 1);
        }
    }

    private static double Perplexity(Decoder model, int length)
    {
        double sum = 0;
        var batch = Batch(999, length, 8192);
        foreach (var logProb in model.Forward(batch, new ForwardRequest { LogProb = true }).LogProb) sum -= logProb;
        return Math.Exp(sum / batch.ScoredCount);
    }
}

using Gpt35.Kernels;
using Gpt35.Tests;

namespace Gpt35.Model.Torch.Tests;

/// <summary>Models, batches and comparisons of these tests.</summary>
internal static class Support
{
    public static readonly ModelConfig Gpt = new()
    {
        VocabSize = 23,
        HiddenSize = 16,
        NumHiddenLayers = 2,
        NumAttentionHeads = 4,
        MaxPositionEmbeddings = 20,
    };

    public static readonly ModelConfig Llama = Gpt.AsLlama() with
    {
        NumKeyValueHeads = 2,
        IntermediateSize = 24,
    };

    /// <summary>libtorch's threads wait for each other by spinning, which on a busy machine takes longer than these models need.</summary>
    private static readonly WorkerPool OneThread = new(1);

    /// <summary>Skips the test, with the reason, where libtorch cannot be loaded.</summary>
    public static void RequireTorch()
    {
        try
        {
            TorchRuntime.Load();
        }
        catch (InvalidDataException e)
        {
            Assert.Skip(e.Message);
        }
    }

    /// <summary>A model whose every parameter is away from its special initial value, so that no gradient is zero by accident.</summary>
    public static Decoder Shaken(ModelConfig config, ulong seed)
    {
        var model = Decoder.Create(config, seed, WorkerPool.Shared);
        var values = model.Parameters.Values;
        for (var i = 0; i < values.Length; i++) values[i] += 0.2f * CounterRandom.Normal(seed + 99, (ulong)i);
        return model;
    }

    /// <summary>A torch model over the weights of another.</summary>
    public static TorchDecoder Torch(Decoder model, Dtype dtype = Dtype.Fp32, bool shared = true)
    {
        RequireTorch();
        return new TorchDecoder(model.Config, model.Parameters, dtype, OneThread, "cpu", shared);
    }

    /// <summary>Sequences of the given lengths with pseudo-random ids, of which every third position is not scored.</summary>
    public static TokenBatch Batch(ModelConfig config, ulong seed, params int[] lengths)
    {
        var builder = new TokenBatchBuilder();
        ulong counter = 0;
        foreach (var length in lengths)
        {
            var ids = new int[length];
            for (var i = 0; i < length; i++) ids[i] = (int)(CounterRandom.Hash(seed, counter++) % (ulong)config.VocabSize);
            builder.Add(ids, [.. Enumerable.Range(0, length).Select(i => i % 3 != 2)]);
        }
        return builder.Build();
    }

    /// <summary>Keys of the dropout masks of so many sequences.</summary>
    public static ulong[] Keys(ulong key, int count) => [.. Enumerable.Range(0, count).Select(i => CounterRandom.Hash(key, (ulong)i))];

    /// <summary>Pseudo-random gradients, a different one for every number, so that no error cancels.</summary>
    public static float[] Weights(ulong key, int count) => [.. Enumerable.Range(0, count).Select(i => CounterRandom.Normal(key, (ulong)i))];

    /// <summary>Largest difference over largest magnitude.</summary>
    public static double Difference(ReadOnlySpan<float> found, ReadOnlySpan<float> expected)
    {
        Assert.Equal(expected.Length, found.Length);
        double difference = 0, largest = 0;
        for (var i = 0; i < found.Length; i++)
        {
            Assert.True(float.IsFinite(found[i]), $"element {i} is {found[i]}");
            difference = Math.Max(difference, Math.Abs((double)found[i] - expected[i]));
            largest = Math.Max(largest, Math.Abs((double)expected[i]));
        }
        return largest == 0 ? difference : difference / largest;
    }

    /// <summary>Scores and gradients of one pass.</summary>
    public static Outcome Run(ITrainableModel model, TokenBatch batch, ForwardRequest what, bool clear = true)
    {
        if (clear) model.Parameters.ZeroGradients();
        var scores = model.Forward(batch, what with { ForBackward = true });
        var outcome = new Outcome(scores.LogProb.ToArray(), scores.Entropy.ToArray(), scores.Scalars.ToArray(), []);
        model.Backward(new TokenGradients
        {
            LogProb = what.LogProb ? Weights(1, batch.ScoredCount) : [],
            Entropy = what.Entropy ? Weights(2, batch.ScoredCount) : [],
            Scalars = what.Scalars ? Weights(3, batch.ScoredCount * model.Config.NumScalars) : [],
        });
        return outcome with { Gradients = model.Parameters.Gradients.ToArray() };
    }

    /// <summary>Every number of <paramref name="found"/> within <paramref name="tolerance"/> of <paramref name="expected"/>, parameter by parameter.</summary>
    public static void AssertClose(Outcome expected, Outcome found, ParameterSet parameters, double tolerance)
    {
        Assert.InRange(Difference(found.LogProb, expected.LogProb), 0, tolerance);
        Assert.InRange(Difference(found.Entropy, expected.Entropy), 0, tolerance);
        Assert.InRange(Difference(found.Scalars, expected.Scalars), 0, tolerance);
        foreach (var parameter in parameters.All)
        {
            var range = (int)parameter.Offset..(int)(parameter.Offset + parameter.Count);
            var difference = Difference(found.Gradients.AsSpan(range), expected.Gradients.AsSpan(range));
            Assert.True(difference <= tolerance, $"{parameter.Name}: gradients differ by {difference:G3} of the largest");
        }
    }
}

/// <summary>What a pass gave.</summary>
internal sealed record Outcome(float[] LogProb, float[] Entropy, float[] Scalars, float[] Gradients);

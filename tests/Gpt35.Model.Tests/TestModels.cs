using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

internal static class TestModels
{
    public static readonly ModelConfig Tiny = new()
    {
        VocabSize = 11,
        HiddenSize = 8,
        NumHiddenLayers = 2,
        NumAttentionHeads = 2,
        MaxPositionEmbeddings = 12,
        IntermediateSize = 20,
    };

    /// <summary>A model whose every parameter is away from its special initial value, so that no gradient is zero by accident.</summary>
    public static Decoder Shaken(ModelConfig config, ulong seed = 1, WorkerPool? pool = null)
    {
        var model = Decoder.Create(config, seed, pool ?? WorkerPool.Shared);
        var values = model.Parameters.Values;
        for (var i = 0; i < values.Length; i++) values[i] += 0.25f * CounterRandom.Normal(seed + 99, (ulong)i);
        return model;
    }

    /// <summary>Sequences of the given lengths with pseudo-random ids, all positions scored.</summary>
    public static TokenBatch Batch(ModelConfig config, ulong seed, params int[] lengths)
    {
        var builder = new TokenBatchBuilder();
        ulong counter = 0;
        foreach (var length in lengths) builder.AddCompletion(Sequence(config, seed, ref counter, length), 1);
        return builder.Build();
    }

    public static int[] Sequence(ModelConfig config, ulong seed, ref ulong counter, int length)
    {
        var ids = new int[length];
        for (var i = 0; i < length; i++) ids[i] = (int)(CounterRandom.Hash(seed, counter++) % (ulong)config.VocabSize);
        return ids;
    }
}

using Gpt35.Kernels;
using Gpt35.Tests;

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

    /// <summary>The shape of Llama, Mistral's window and grouped queries added.</summary>
    public static readonly ModelConfig TinyLlama = Tiny.AsLlama() with
    {
        NumAttentionHeads = 4,
        NumKeyValueHeads = 2,
        HeadDim = 6,
        SlidingWindow = 5,
    };

    /// <summary>Shapes of both families and of everything between, a function of the seed. <see cref="MixedSeeds"/> of them have every option.</summary>
    public static ModelConfig Mixed(int seed)
    {
        var draws = 0UL;
        int Below(int n) => (int)(CounterRandom.Hash((ulong)seed + 1000, draws++) % (ulong)n);
        T One<T>(params T[] values) => values[Below(values.Length)];
        bool Coin() => Below(2) == 0;

        var rotary = Coin();
        int heads = One(1, 2, 4, 6), shared = One([.. Enumerable.Range(1, heads).Where(g => heads % g == 0)]), layers = One(1, 2, 3);
        var window = One<int?>(null, 1, 3, 7);
        return new ModelConfig
        {
            VocabSize = 11,
            HiddenSize = One(6, 8, 12),
            NumHiddenLayers = layers,
            NumAttentionHeads = heads,
            NumKeyValueHeads = shared,
            HeadDim = rotary ? One(2, 4, 8) : One(3, 4, 5),
            MaxPositionEmbeddings = 12,
            IntermediateSize = One(7, 16),
            PositionEncoding = rotary ? PositionEncoding.Rotary : PositionEncoding.Learned,
            RopeTheta = One(100, 10_000, 500_000),
            RopeScaling = rotary ? Scaling(seed % 5) : null,
            Normalization = One(Normalization.LayerNorm, Normalization.RmsNorm),
            LayerNormEps = One(1e-5f, 1e-3f),
            HiddenAct = One(Activation.GeluTanh, Activation.Gelu, Activation.Silu),
            GatedMlp = Coin(),
            AttentionBias = Coin(),
            MlpBias = Coin(),
            TieWordEmbeddings = Coin(),
            SlidingWindow = window,
            SlidingWindowPattern = window is null ? 0 : One(0, 2, 3),
        };
    }

    public static TheoryData<int> MixedSeeds => [.. Enumerable.Range(0, 24)];

    private static RopeScaling? Scaling(int kind) => kind switch
    {
        0 => null,
        1 => new RopeScaling { RopeType = RopeType.Linear, Factor = 4 },
        2 => new RopeScaling { RopeType = RopeType.Ntk, Factor = 2 },
        3 => new RopeScaling { RopeType = RopeType.Yarn, Factor = 2, BetaFast = 1.5, BetaSlow = 0.2 },
        _ => new RopeScaling { RopeType = RopeType.Llama3, Factor = 8, OriginalMaxPositionEmbeddings = 8 },
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

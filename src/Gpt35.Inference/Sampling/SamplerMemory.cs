namespace Gpt35.Inference;

/// <summary>Scratch memory of one choice; about 24 bytes a token of the vocabulary once everything has been asked for.</summary>
internal sealed class SamplerMemory
{
    public SamplerMemory(int vocabSize)
    {
        Weights = new float[vocabSize];
        BlockSums = new double[WeightSums.BlockCount(vocabSize)];
        Keys = new ulong[vocabSize];
        adjusted = new(() => new float[vocabSize]);
        ranked = new(() => new RankedMass(vocabSize));
    }

    private readonly Lazy<float[]> adjusted;
    private readonly Lazy<RankedMass> ranked;

    /// <summary>exp((l − max l) / T), (V,).</summary>
    public float[] Weights { get; }

    /// <summary>Of the weights, (⌈V / 256⌉,).</summary>
    public double[] BlockSums { get; }

    /// <summary>Likely ids in sort order, see <see cref="TokenKey"/>, (V,).</summary>
    public ulong[] Keys { get; }

    /// <summary>Logits after bias, penalties and constraint, (V,).</summary>
    public float[] Adjusted => adjusted.Value;

    public RankedMass Ranked => ranked.Value;
}

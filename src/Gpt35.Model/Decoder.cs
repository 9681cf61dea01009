using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>
/// The GPT-3 decoder (Brown et al. 2020, section 2.1; Radford et al. 2019) on the <c>cpu</c> backend: learned positions,
/// pre-LayerNorm, causal multi-head attention, GELU feed-forward, final LayerNorm, output tied to the embedding, or a scalar head in its place.
/// Forward and backward are written out by hand: Decoder.Forward.cs, Decoder.Backward.cs; the cached pass for generation: Decoder.Extend.cs.
/// One thread at a time.
/// </summary>
public sealed unsafe partial class Decoder : ITrainableModel
{
    private readonly WorkerPool pool;
    private readonly DecoderLayout.Block[] blocks;

    private Decoder(ModelConfig config, WorkerPool pool)
    {
        config.Validate();
        Config = config.Resolved();
        this.pool = pool;
        Parameters = new ParameterSet(DecoderLayout.Parameters(config));
        blocks = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(layer => DecoderLayout.BlockOf(Parameters, layer))];
        saved = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(_ => new BlockActivations())];
    }

    /// <summary>A new model with GPT-2's initialisation (see <see cref="DecoderLayout.Initialize"/>).</summary>
    /// <exception cref="InvalidDataException">The configuration contradicts itself.</exception>
    public static Decoder Create(ModelConfig config, ulong seed, WorkerPool pool)
    {
        var model = new Decoder(config, pool);
        DecoderLayout.Initialize(model.Parameters, config, seed);
        return model;
    }

    /// <summary>A model whose weights the caller fills in; all zeros until then.</summary>
    internal static Decoder CreateEmpty(ModelConfig config, WorkerPool pool) => new(config, pool);

    /// <summary>
    /// A model with this one's weights and a scalar head of <paramref name="scalars"/> outputs in place of the vocabulary projection
    /// (a head of the same size is copied, else new: N(0, 1/√(D + 1))); 0 gives a language model.
    /// </summary>
    public Decoder CloneWithHead(int scalars, ulong seed)
    {
        var clone = Create(Config with { NumScalars = scalars }, seed, pool);
        clone.Parameters.CopyFrom(Parameters);
        return clone;
    }

    public ModelConfig Config { get; }
    public ParameterSet Parameters { get; }

    public void Dispose()
    {
        Parameters.Dispose();
        foreach (var block in saved) block.Dispose();
        foreach (var buffer in (ReadOnlySpan<GrowingBuffer>)[embedded, finalRows, finalNorm, finalMean, finalInverseDeviation, logits,
                     logSumExp, logProbs, entropies, scalars, gradient, branchGradient, wideGradient, normGradient, rowGradient, rowNormGradient])
            buffer.Dispose();
    }

    private float* Weight(long offset) => Parameters.ValuePointer + offset;
    private float* Gradient(long offset) => Parameters.GradientPointer + offset;
    private Matrix WeightMatrix(long offset, int rows, int columns) => new(Weight(offset), rows, columns);
    private Matrix GradientMatrix(long offset, int rows, int columns) => new(Gradient(offset), rows, columns);
    private long OffsetOf(string name) => Parameters[name].Offset;
}

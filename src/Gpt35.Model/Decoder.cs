using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>
/// A pre-norm decoder on the <c>cpu</c> backend: GPT-3's (Brown et al. 2020, section 2.1; learned positions, LayerNorm, GELU, output tied to the
/// embedding), Llama's (Touvron et al. 2023; rotary positions, RMSNorm, SwiGLU, grouped queries) or any mix that <see cref="ModelConfig"/> can
/// say, with the vocabulary projection or a scalar head in its place.
/// Forward and backward are written out by hand: Decoder.Forward.cs, Decoder.Backward.cs, Decoder.Vocabulary.cs; the cached pass for generation: Decoder.Extend.cs;
/// a frozen base with an adapter: Decoder.Lora.cs;
/// scalar heads: Decoder.Scalars.cs; matrices in reduced precision: Decoder.Reduced.cs; several users: Decoder.Use.cs.
/// Passes of generation (<see cref="Extend(KvCache, ExtendBatch, Span{float}, Span{float})"/>) may come from any thread and take turns; <see cref="Forward"/> and <see cref="Backward"/>, which return
/// their numbers in the model's memory, are for one thread at a time, and a second one is refused.
/// </summary>
public sealed unsafe partial class Decoder : ITrainableModel
{
    private readonly WorkerPool pool;
    private readonly ParameterSet weights;
    private readonly ReducedWeights? reduced;               // has the matrices where weights has not: inference only
    private readonly DecoderLayout.Block[] blocks;
    private readonly AttentionShape[] shapes;
    private readonly RotaryTable? rotary;
    private readonly Nonlinearity nonlinearity;
    private volatile bool disposed;

    /// <summary>The threads it computes with.</summary>
    public WorkerPool Pool => pool;

    /// <param name="config">Shape of the model.</param>
    /// <param name="weights">Of the layout of that shape; with an adapter, of any scalar head. Owned from now on.</param>
    /// <param name="adapter">What is trained in place of the weights, owned from now on; null: the weights.</param>
    /// <param name="pool">Threads.</param>
    /// <param name="reduced">The matrices that <paramref name="weights"/> leaves out, owned from now on; null: it has all.</param>
    private Decoder(ModelConfig config, ParameterSet weights, LoraAdapter? adapter, WorkerPool pool, ReducedWeights? reduced = null)
    {
        Config = config.Resolved();
        this.pool = pool;
        this.weights = weights;
        this.adapter = adapter;
        this.reduced = reduced;
        blocks = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(layer => DecoderLayout.BlockOf(weights, layer))];
        shapes = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(layer =>
            new AttentionShape(config.NumAttentionHeads, config.NumKeyValueHeads, config.HeadDim, config.WindowOf(layer)))];
        rotary = config.PositionEncoding == PositionEncoding.Rotary ? new RotaryTable(config) : null;
        nonlinearity = config.HiddenAct switch
        {
            Activation.GeluTanh => Nonlinearity.GeluTanh,
            Activation.Gelu => Nonlinearity.GeluErf,
            _ => Nonlinearity.Silu,
        };
        saved = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(_ => new BlockActivations())];
        inputs = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(_ => new GrowingBuffer())];
    }

    /// <summary>A new model with GPT-2's initialisation (see <see cref="DecoderLayout.Initialize"/>).</summary>
    /// <exception cref="InvalidDataException">The configuration contradicts itself.</exception>
    public static Decoder Create(ModelConfig config, ulong seed, WorkerPool pool)
    {
        var model = CreateEmpty(config, pool);
        DecoderLayout.Initialize(model.weights, config, seed);
        return model;
    }

    /// <summary>A model whose weights the caller fills in; all zeros until then.</summary>
    internal static Decoder CreateEmpty(ModelConfig config, WorkerPool pool)
    {
        config.Validate();
        return new Decoder(config, new ParameterSet(DecoderLayout.Parameters(config)), null, pool);
    }

    /// <summary>A model of another shape on the same threads; all zeros.</summary>
    internal Decoder CloneEmpty(ModelConfig config) => CreateEmpty(config, pool);

    /// <summary>
    /// A model with this one's weights and a scalar head of <paramref name="scalars"/> outputs in place of the vocabulary projection
    /// (a head of the same size is copied, else new, as <see cref="DecoderLayout.Initialize"/> says); 0 gives a language model. Of an adapted model the
    /// adapter is cloned, the base shared.
    /// </summary>
    /// <param name="scalars">S.</param>
    /// <param name="seed">Key of what is new.</param>
    /// <param name="head">What the head reads; adapters bring heads that read states.</param>
    /// <exception cref="InvalidDataException">An adapted model with a head that reads tokens.</exception>
    public Decoder CloneWithHead(int scalars, ulong seed, ScalarHead head = ScalarHead.State)
    {
        RequireAllWeights();
        var config = Config with { NumScalars = scalars, ScalarHead = head };
        if (adapter is not null) return WithAdapter(adapter.Clone(config, seed));
        var clone = Create(config, seed, pool);
        clone.Parameters.CopyFrom(Parameters);
        return clone;
    }

    public ModelConfig Config { get; }

    /// <summary>What is trained: all weights, or with an adapter its own parameters only.</summary>
    public ParameterSet Parameters => adapter?.Parameters ?? weights;

    /// <summary>
    /// Keep only what enters each block and compute its activations again on the way back (Chen et al. 2016): about 8 + 2·F/D times less (16 in GPT-3)
    /// memory for them, most of one more forward pass of time, the same bits. Not to be changed between a forward pass and its backward pass.
    /// </summary>
    public bool ActivationCheckpointing { get; set; }

    /// <summary>
    /// What <see cref="Forward"/> and <see cref="Backward"/> multiply in. With <see cref="Dtype.Bf16"/> both factors of the products with the weight matrices, forward and back, are
    /// rounded to bfloat16 and summed up in fp32; everything else, adapters and scalar heads too, stays fp32, and so does generation (<see cref="Extend(KvCache, ExtendBatch, Span{float}, Span{float})"/>).
    /// Not to be changed between a forward pass and its backward pass.
    /// </summary>
    public Dtype Dtype { get; set; }

    /// <summary>Floats allocated for passes so far; <see cref="ActivationMemory"/> says beforehand how many they will be.</summary>
    internal long ActivationFloats => Buffers.Sum(buffer => buffer.Length);

    public void Dispose()
    {
        using var turn = passes.Take();                     // a pass under way ends first
        if (disposed) return;                               // the weights may be shared, and are released once
        disposed = true;
        weights.Dispose();
        reduced?.Dispose();
        adapter?.Dispose();
        rotary?.Dispose();
        foreach (var buffer in Buffers) buffer.Dispose();
    }

    private IEnumerable<GrowingBuffer> Buffers =>
    [
        .. saved.SelectMany(block => block.Buffers), .. inputs, rowKeys, embedded, activated, finalRows, finalNorm, finalMean, finalInverseDeviation, logits, logSumExp, logProbs, entropies,
        scalars, gradient, branchGradient, wideGradient, activatedGradient, normGradient, attendedGradient, qkvGradient, rowGradient, rowNormGradient, frozenNorm, lowRank, lowRankGradient,
    ];

    /// <summary>A product with a weight matrix, or of its gradient.</summary>
    private void Multiply(Dtype format, Matrix a, Matrix b, Matrix c, bool accumulate = false, float* bias = null, Epilogue then = default)
    {
        if (format == Dtype.Bf16) BFloat16Gemm.Multiply(pool, a, b, c, accumulate, bias, then);
        else Gemm.Multiply(pool, a, b, c, accumulate, bias, then);
    }

    /// <summary>The values at an offset; null where the model has no such parameter.</summary>
    private float* Weight(long offset) => offset == DecoderLayout.Absent ? null : weights.ValuePointer + offset;
    private float* Gradient(long offset) => offset == DecoderLayout.Absent ? null : weights.GradientPointer + offset;
    private Matrix WeightMatrix(long offset, int rows, int columns) => new(Weight(offset), rows, columns);
    private Matrix GradientMatrix(long offset, int rows, int columns) => new(Gradient(offset), rows, columns);
    private long OffsetOf(string name) => weights.Contains(name) ? weights[name].Offset : DecoderLayout.Absent;

    /// <summary>The vocabulary projection, (V, D): the embedding where the two are tied.</summary>
    private long OutputHead => OffsetOf(Config.TieWordEmbeddings ? DecoderLayout.TokenEmbedding : DecoderLayout.OutputHead);
    /// <summary>(H + 2G)·K.</summary>
    private int QkvWidth => shapes[0].QkvWidth;
    /// <summary>Columns of the feed-forward layer's first projection: F, or 2F when gated.</summary>
    private int UpWidth => Config.GatedMlp ? 2 * Config.IntermediateSize : Config.IntermediateSize;
}

using Gpt35.Kernels;

namespace Gpt35.Model;

public sealed unsafe partial class Decoder
{
    private readonly LoraAdapter? adapter;
    private readonly GrowingBuffer frozenNorm = new();   // (D) receives the gradients of frozen norms, which nobody reads
    private readonly GrowingBuffer lowRank = new(), lowRankGradient = new();    // (T, r) x·Aᵀ of an adapter, and its gradient

    /// <summary>The adapter over a frozen base; null: every weight is trained.</summary>
    public LoraAdapter? Adapter => adapter;

    /// <summary>
    /// This model frozen, with a new adapter that changes nothing yet; the weights are shared, not copied. An adapter that is there already is
    /// cloned and goes on, over the same base.
    /// </summary>
    /// <param name="lora">Rank, scale and targets.</param>
    /// <param name="scalars">Outputs of the scalar head, which the adapter brings (a copy where there is one of that size); 0: a language model.</param>
    /// <param name="seed">Key of the initial values.</param>
    /// <param name="basePath">Folder of this model, which the adapter's folder will name.</param>
    /// <param name="residDropout">Dropout while training; this model's when null.</param>
    /// <exception cref="InvalidDataException">The adapter contradicts the model, or is another one than the one that is there.</exception>
    public Decoder Adapt(LoraConfig lora, int scalars, ulong seed, string? basePath = null, float? residDropout = null)
    {
        RequireAllWeights();
        var config = Config with { NumScalars = scalars, ScalarHead = ScalarHead.State, ResidDropout = residDropout ?? Config.ResidDropout };
        if (adapter is not null)
        {
            if (!adapter.Lora.IsSameAs(lora))
                throw new InvalidDataException($"{basePath ?? "the model"}: it already has an adapter ({adapter.Lora}), and the recipe asks for another one ({lora}). "
                    + "Give the recipe the same rank, alpha, targets and rslora to go on training it, or make a whole model of it first with 'gpt35 merge-lora'.");
            return WithAdapter(adapter.Clone(config, seed));
        }
        var created = LoraAdapter.Create(config, lora, seed, basePath);
        if (scalars > 0 && scalars == Config.NumScalars) weights.ValuesOf(weights[DecoderLayout.Score]).CopyTo(created.Parameters.ValuesOf(created.Parameters[LoraLayout.Head]));
        return WithAdapter(created);
    }

    /// <summary>
    /// This model's weights, shared and frozen, under another adapter, which the new model owns. Over weights in reduced precision it is for inference: the
    /// adapter's product is computed in F32 beside theirs.
    /// </summary>
    /// <exception cref="InvalidDataException">The adapter was made for another shape.</exception>
    public Decoder WithAdapter(LoraAdapter other)
    {
        if (other.MisfitOf(BaseShape) is { } misfit) throw new InvalidDataException(misfit);
        if (other.Config is { NumScalars: 0, TieWordEmbeddings: false } && !(reduced?.HasOutputHead ?? weights.Contains(DecoderLayout.OutputHead)))
            throw new InvalidDataException("the adapter is of a language model, and this base has a scalar head and no vocabulary projection.");
        return new Decoder(other.Config, weights.Share(), other, pool, reduced?.Share()) { Precision = Precision };
    }

    /// <summary>What the adapters of a step add, each to the rows of its sequences.</summary>
    private void AddAdapters(int layer, LinearSite site, ExtendBatch batch, Matrix x, Matrix y)
    {
        for (int b = 0, end; b < batch.SequenceCount; b = end)
        {
            var shared = batch.Adapters[b];
            for (end = b + 1; end < batch.SequenceCount && batch.Adapters[end] == shared;) end++;
            if (shared is null) continue;
            int first = batch.Starts[b], rows = batch.Starts[end] - first;
            shared.Forward(pool, layer, site, x.Rows(first, rows), y.Rows(first, rows), lowRank);
        }
    }

    /// <summary>Makes sure that sequences of this model can have that adapter: what <see cref="Extend(KvCache, ExtendBatch, Span{float}, Span{float})"/> asks of each.</summary>
    /// <exception cref="ArgumentException">It was made for another shape, gives scores, or would come on top of the model's own.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public void RequireAdapter(LoraAdapter other)
    {
        RequireFit(other);
        ObjectDisposedException.ThrowIf(other.IsDisposed, other);
    }

    private void RequireFit(LoraAdapter other)
    {
        if (adapter is not null)
            throw new ArgumentException("A sequence brings an adapter, and the model is adapted itself. Extend the base, or make a whole model of it with Merge.");
        if (other.Config.NumScalars > 0)
            throw new ArgumentException($"The adapter{other.OverBase} has a scalar head: it gives scores, not text. Sequences take adapters of language models.");
        if (other.MisfitOf(BaseShape) is { } misfit) throw new ArgumentException(misfit);
    }

    private void RequireAdapters(ReadOnlySpan<LoraAdapter?> adapters)
    {
        LoraAdapter? last = null;
        foreach (var other in adapters)
        {
            if (other is not null && other != last) RequireFit(other);
            last = other;
        }
    }

    /// <summary>A whole model with the adapter worked into its weights, W + s·Aᵀ·Bᵀ; a copy of the weights where there is none.</summary>
    public Decoder Merge()
    {
        RequireAllWeights();
        var merged = CreateEmpty(Config, pool);
        merged.weights.CopyFrom(weights);
        if (adapter is null) return merged;
        adapter.AddTo(merged.weights, pool);
        if (Config.NumScalars > 0) adapter.Parameters.ValuesOf(adapter.Parameters[LoraLayout.Head]).CopyTo(merged.weights.ValuesOf(merged.weights[DecoderLayout.Score]));
        return merged;
    }

    /// <summary>Parameters that are not trained: all weights of the base under an adapter.</summary>
    public long FrozenCount => adapter is null ? 0 : weights.Count;

    /// <summary>The weights under the adapter, or all there are.</summary>
    internal ParameterSet Weights => weights;

    /// <summary>What an adapter must have been made for; kept, so that asking for it at every step allocates nothing.</summary>
    private ModelConfig BaseShape => field ??= LoraLayout.BaseShapeOf(Config);

    private Matrix HeadMatrix => adapter is null
        ? WeightMatrix(OffsetOf(DecoderLayout.Score), Config.NumScalars, Config.HiddenSize)
        : new Matrix(adapter.Head, Config.NumScalars, Config.HiddenSize);

    private Matrix HeadGradientMatrix => adapter is null
        ? GradientMatrix(OffsetOf(DecoderLayout.Score), Config.NumScalars, Config.HiddenSize)
        : new Matrix(adapter.HeadGradient, Config.NumScalars, Config.HiddenSize);

    private float* NormGradient(long offset) => adapter is null ? Gradient(offset) : frozenNorm.Reserve(Config.HiddenSize);
}

using Gpt35.Kernels;

namespace Gpt35.Model;

public sealed unsafe partial class Decoder
{
    private readonly LoraAdapter? adapter;
    private readonly GrowingBuffer frozenNorm = new();   // (D) receives the gradients of frozen norms, which nobody reads

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

    /// <summary>This model's weights, shared and frozen, under another adapter, which the new model owns.</summary>
    /// <exception cref="InvalidDataException">The adapter was made for another shape.</exception>
    public Decoder WithAdapter(LoraAdapter other)
    {
        RequireAllWeights();
        if (Shape(other.Config) != Shape(Config))
            throw new InvalidDataException($"the adapter{(other.BasePath is { } path ? $" of {path}" : "")} was made for another shape than this base has.");
        if (other.Config is { NumScalars: 0, TieWordEmbeddings: false } && !weights.Contains(DecoderLayout.OutputHead))
            throw new InvalidDataException("the adapter is of a language model, and this base has a scalar head and no vocabulary projection.");
        return new Decoder(other.Config, weights.Share(), other, pool);

        static ModelConfig Shape(ModelConfig config) => config.Resolved() with { NumScalars = 0, ScalarHead = ScalarHead.State, ResidDropout = 0, InitializerRange = 1 };
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

    private Matrix HeadMatrix => adapter is null
        ? WeightMatrix(OffsetOf(DecoderLayout.Score), Config.NumScalars, Config.HiddenSize)
        : new Matrix(adapter.Head, Config.NumScalars, Config.HiddenSize);

    private Matrix HeadGradientMatrix => adapter is null
        ? GradientMatrix(OffsetOf(DecoderLayout.Score), Config.NumScalars, Config.HiddenSize)
        : new Matrix(adapter.HeadGradient, Config.NumScalars, Config.HiddenSize);

    private float* NormGradient(long offset) => adapter is null ? Gradient(offset) : frozenNorm.Reserve(Config.HiddenSize);
}

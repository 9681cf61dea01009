using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>Bytes that a model takes, by part.</summary>
public sealed record MemoryUse
{
    public long Weights { get; init; }
    /// <summary>One fp32 number per trained parameter.</summary>
    public long Gradients { get; init; }
    /// <summary>AdamW's two moments per trained parameter, fp32.</summary>
    public long Optimizer { get; init; }
    /// <summary>What a pass leaves behind for the way back, and its working memory.</summary>
    public long Activations { get; init; }
    /// <summary>Keys and values of the sequences that are generated at once.</summary>
    public long KvCache { get; init; }

    public long Total => Weights + Gradients + Optimizer + Activations + KvCache;

    public static MemoryUse operator +(MemoryUse a, MemoryUse b) => new()
    {
        Weights = a.Weights + b.Weights,
        Gradients = a.Gradients + b.Gradients,
        Optimizer = a.Optimizer + b.Optimizer,
        Activations = a.Activations + b.Activations,
        KvCache = a.KvCache + b.KvCache,
    };

    /// <summary>A model that is trained: all of it, or an adapter and its head over a frozen base.</summary>
    /// <param name="config">Shape.</param>
    /// <param name="pass">The largest pass through it.</param>
    /// <param name="format">What is multiplied in; weights, gradients and moments are fp32 in any case, and bf16 adds a copy of the weights.</param>
    /// <param name="lora">The adapter; null: every parameter is trained.</param>
    /// <param name="sharesWeights">Whether another model already holds the base.</param>
    public static MemoryUse OfTraining(ModelConfig config, Pass pass, Dtype format = Dtype.Fp32, LoraConfig? lora = null, bool sharesWeights = false)
    {
        var all = Count(DecoderLayout.Parameters(config));
        // The head of an adapted model is the adapter's.
        var adapter = lora is null ? 0 : Count(LoraLayout.Parameters(config, lora));
        var trained = lora is null ? all : adapter;
        return new MemoryUse
        {
            Weights = ((sharesWeights ? 0 : lora is null ? all : Count(DecoderLayout.Parameters(config with { NumScalars = 0, ScalarHead = ScalarHead.State }))) + adapter) * (format == Dtype.Fp32 ? 4 : 6),
            Gradients = trained * 4,
            Optimizer = trained * 8,
            Activations = ActivationMemory.Floats(config, pass with { Backward = true }, lora) * Bytes(format),
        };
    }

    /// <summary>A model that is only read, in passes over whole sequences.</summary>
    public static MemoryUse OfScoring(ModelConfig config, Pass pass, Dtype format = Dtype.Fp32, bool sharesWeights = false) => new()
    {
        Weights = sharesWeights ? 0 : Count(DecoderLayout.Parameters(config)) * (format == Dtype.Fp32 ? 4 : 6),
        Activations = ActivationMemory.Floats(config, pass with { Backward = false }, null) * Bytes(format),
    };

    /// <summary>A model that generates: only its weights, in the type they are kept in.</summary>
    public static MemoryUse OfWeights(ModelConfig config, Dtype format = Dtype.Fp32) => new() { Weights = Count(DecoderLayout.Parameters(config)) * Bytes(format) };

    /// <summary>Keys and values of <paramref name="slots"/> sequences of up to <paramref name="capacity"/> tokens, in whole blocks, their scales included.</summary>
    public static long OfCache(ModelConfig config, int slots, int capacity, KvPrecision precision = KvPrecision.F32) =>
        2L * config.NumHiddenLayers * slots * Gpt35.Model.KvCache.BlocksOf(capacity) * Gpt35.Model.KvCache.LayoutOf(config, precision).BlockBytes;

    /// <summary>
    /// What generation adds: the logits of <paramref name="slots"/> sequences, and the working memory of a step that takes up
    /// <paramref name="promptTokens"/> tokens, as far as it exceeds the pass of <paramref name="passTokens"/> tokens whose buffers it reuses.
    /// </summary>
    public static long OfGeneration(ModelConfig config, int slots, int promptTokens, int passTokens, Dtype format = Dtype.Fp32)
    {
        long step = slots + promptTokens, more = Math.Max(0, step - passTokens), moreActivated = Math.Max(0, step - Math.Min(passTokens, Decoder.BlockRows));
        var blocks = more * (config.HiddenSize + Math.Min(2, config.NumHiddenLayers) * ActivationMemory.PerTokenAndBlock(config));
        return ((long)slots * config.VocabSize + blocks + moreActivated * config.IntermediateSize) * Bytes(format);
    }

    /// <summary>Number of parameters, nothing allocated.</summary>
    public static long CountOf(ModelConfig config) => Count(DecoderLayout.Parameters(config));

    /// <summary>Number of trained parameters of an adapter, its head included.</summary>
    public static long CountOf(ModelConfig config, LoraConfig lora) => Count(LoraLayout.Parameters(config, lora));

    private static long Count(IReadOnlyList<Parameter> parameters) => parameters.Sum(parameter => parameter.Count);

    private static int Bytes(Dtype format) => format == Dtype.Fp32 ? 4 : 2;
}

/// <summary>One call of <see cref="ITrainableModel.Forward"/>, as far as memory depends on it.</summary>
/// <param name="Tokens">T.</param>
/// <param name="Scored">N.</param>
/// <param name="Backward">Whether a backward pass follows.</param>
/// <param name="Entropy">Whether the entropy is asked for.</param>
/// <param name="Dropout">Whether dropout is on.</param>
/// <param name="Checkpointing">Whether <see cref="Decoder.ActivationCheckpointing"/> is on.</param>
/// <param name="GradientKnown">Whether <see cref="ForwardRequest.LogProbGradient"/> is.</param>
public readonly record struct Pass(int Tokens, int Scored, bool Backward = false, bool Entropy = false, bool Dropout = false, bool Checkpointing = false, bool GradientKnown = false);

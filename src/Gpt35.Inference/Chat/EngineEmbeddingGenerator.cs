using Gpt35.Model;
using Gpt35.Tokenization;
using Microsoft.Extensions.AI;

namespace Gpt35.Inference;

/// <summary>
/// An engine's <see cref="InferenceEngine.Embed"/> behind the interface that .NET programs get vectors of texts through (Microsoft.Extensions.AI). A text is read
/// as a document of its own, after the token with which documents begin; its vector has length 1. <c>AdditionalProperties["adapter"]</c> may hold a <see cref="LoraAdapter"/>. For any number of threads.
/// </summary>
/// <param name="engine">Made with the model's tokenizer; stays its owner's to dispose of.</param>
/// <param name="pooling">How the tokens' vectors become one.</param>
/// <param name="modelId">What the model is called; requests for another one are refused. Null: it has no name.</param>
public sealed class EngineEmbeddingGenerator(InferenceEngine engine, Pooling pooling = Pooling.Mean, string? modelId = null) : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly Tokenizer tokenizer = engine.Tokenizer ?? throw new ArgumentException("The engine was made without a tokenizer; expected the model's.", nameof(engine));
    private readonly EmbeddingGeneratorMetadata metadata = new("gpt35", defaultModelId: modelId, defaultModelDimensions: engine.Config.HiddenSize);

    /// <inheritdoc />
    /// <exception cref="ArgumentException">A text is longer than the context, another model is asked for, or the adapter is none or does not fit the model.</exception>
    /// <exception cref="ObjectDisposedException">The adapter was disposed of.</exception>
    /// <exception cref="NotSupportedException">Vectors of another length are asked for.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        var width = engine.Config.HiddenSize;
        if (options?.Dimensions is { } asked && asked != width)
            throw new NotSupportedException($"Vectors of {asked} numbers are asked for; the model's have {width} and cannot be shortened.");
        if (options?.ModelId is { } model && modelId is not null && model != modelId)
            throw new ArgumentException($"The model \"{model}\" is asked for; this generator has \"{modelId}\".", nameof(options));
        var adapter = new ExtraProperties(options?.AdditionalProperties).Of<LoraAdapter>("adapter", "a LoraAdapter");
        var texts = values.Select(text => (int[])[tokenizer.StartOfText, .. tokenizer.Encode(text)]).ToList();
        var vectors = await Task.Run(() => engine.Embed(texts, pooling, adapter: adapter, cancel: cancellationToken), cancellationToken).ConfigureAwait(false);
        var (tokens, created) = (texts.Sum(text => (long)text.Length), DateTimeOffset.UtcNow);
        return new(vectors.Select(vector => new Embedding<float>(vector) { ModelId = modelId, CreatedAt = created }))
        {
            Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens },
        };
    }

    /// <inheritdoc />
    /// <remarks>Knows itself, its <see cref="EmbeddingGeneratorMetadata"/> and its <see cref="InferenceEngine"/>.</remarks>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is not null ? null
        : serviceType == typeof(EmbeddingGeneratorMetadata) ? metadata
        : serviceType == typeof(InferenceEngine) ? engine
        : serviceType.IsInstanceOfType(this) ? this
        : null;

    /// <summary>Nothing: the engine belongs to whoever made it.</summary>
    public void Dispose()
    {
    }
}

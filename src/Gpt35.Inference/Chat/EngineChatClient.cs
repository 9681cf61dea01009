using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace Gpt35.Inference;

/// <summary>
/// An engine behind the interface that .NET programs talk to chat models through (Microsoft.Extensions.AI). Keeps no conversation: a caller sends all turns
/// every time, and the engine's prefix cache knows what it has read before. docs/inference.md has the table of options. For any number of threads.
/// </summary>
/// <param name="engine">Made with the model's tokenizer; stays its owner's to dispose of.</param>
/// <param name="render">Writes conversations in the model's chat format.</param>
/// <param name="modelId">What the model is called; requests for another one are refused. Null: it has no name.</param>
public sealed class EngineChatClient(InferenceEngine engine, ChatPromptRenderer render, string? modelId = null) : IChatClient
{
    private readonly ChatRequests requests = new(engine.Tokenizer ?? throw new ArgumentException("The engine was made without a tokenizer; expected the model's.", nameof(engine)));
    private readonly ChatClientMetadata metadata = new("gpt35", defaultModelId: modelId);

    /// <inheritdoc />
    /// <remarks>Its <see cref="ChatResponse.RawRepresentation"/> is a <see cref="Completion"/>.</remarks>
    /// <exception cref="ArgumentException">The conversation leaves no room in the context, or a value is out of range.</exception>
    /// <exception cref="InvalidDataException">The chat format cannot write these turns down, or a schema or regular expression cannot be followed.</exception>
    /// <exception cref="NotSupportedException">Something is asked for that the engine does not do: images, tools, conversations that it remembers.</exception>
    /// <exception cref="QueueFullException">As many requests wait as may.</exception>
    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in GetStreamingResponseAsync(messages, options, cancellationToken).ConfigureAwait(false)) updates.Add(update);
        var response = updates.ToChatResponse();
        response.RawRepresentation = updates[^1].RawRepresentation;
        return response;
    }

    /// <inheritdoc />
    /// <remarks>Every enumeration is a request of its own. The last update has the reason for the end, the usage and, as its raw representation, the <see cref="Completion"/>.</remarks>
    /// <exception cref="ArgumentException">As <see cref="GetResponseAsync"/>; so are the others.</exception>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var prompt = render(ChatConversation.Require(messages, options, modelId), options);
        return Updates(requests.Read(prompt, options, ChatConversation.BasisOf(options, this), engine.ContextLength), prompt, cancellationToken);
    }

    /// <inheritdoc />
    /// <remarks>Knows itself, its <see cref="ChatClientMetadata"/> and its <see cref="InferenceEngine"/>.</remarks>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is not null ? null
        : serviceType == typeof(ChatClientMetadata) ? metadata
        : serviceType == typeof(InferenceEngine) ? engine
        : serviceType.IsInstanceOfType(this) ? this
        : null;

    /// <summary>Nothing: the engine belongs to whoever made it.</summary>
    public void Dispose()
    {
    }

    private async IAsyncEnumerable<ChatResponseUpdate> Updates(GenerationRequest request, ChatPrompt prompt, [EnumeratorCancellation] CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var generation = engine.Submit(request);
        var (id, created) = (Guid.NewGuid().ToString("N"), DateTimeOffset.UtcNow);
        // Under a constraint the text is the document, all of it.
        var shown = request.Options.Constraint is null ? new AnswerText(prompt.Lead, prompt.Tail) : new AnswerText("");
        try
        {
            await foreach (var token in generation.TokensAsync(cancel).ConfigureAwait(false))
                if (shown.Push(token.Text) is { Length: > 0 } piece) yield return Update([new TextContent(piece)]);
            var completion = (await generation.Completions.ConfigureAwait(false))[0];
            var last = Update([.. shown.Flush() is { Length: > 0 } rest ? [new TextContent(rest)] : Array.Empty<AIContent>(), new UsageContent(UsageOf(generation, completion))]);
            last.FinishReason = completion.Finish == FinishReason.Stop ? ChatFinishReason.Stop : ChatFinishReason.Length;
            last.RawRepresentation = completion;
            yield return last;
        }
        finally
        {
            generation.Cancel();
        }

        ChatResponseUpdate Update(IList<AIContent> contents) => new(ChatRole.Assistant, contents) { ResponseId = id, MessageId = id, CreatedAt = created, ModelId = modelId };
    }

    private static UsageDetails UsageOf(Generation generation, Completion completion) => new()
    {
        InputTokenCount = generation.Request.Prompt.Length,
        CachedInputTokenCount = generation.CachedTokens,
        OutputTokenCount = completion.Tokens.Length,
        TotalTokenCount = generation.Request.Prompt.Length + completion.Tokens.Length,
    };
}

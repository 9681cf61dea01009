using Microsoft.Extensions.AI;

namespace Gpt35.Inference;

/// <summary>What a chat client can be asked for.</summary>
internal static class ChatConversation
{
    /// <summary>OpenAI's newer name of the system role.</summary>
    private static readonly ChatRole Developer = new("developer");

    /// <summary>The turns, instructions first.</summary>
    /// <exception cref="ArgumentException">There are none, or they are for another model.</exception>
    /// <exception cref="NotSupportedException">They hold something that is not text, or the options ask for what the engine does not do.</exception>
    public static IReadOnlyList<ChatMessage> Require(IEnumerable<ChatMessage> messages, ChatOptions? options, string? modelId)
    {
        var turns = messages.ToList();
        if (turns.Count == 0) throw new ArgumentException("The conversation has no messages; expected at least one.", nameof(messages));
        for (var i = 0; i < turns.Count; i++)
        {
            if (turns[i].Role == Developer) turns[i] = new ChatMessage(ChatRole.System, turns[i].Contents);
            if (turns[i].Role != ChatRole.System && turns[i].Role != ChatRole.User && turns[i].Role != ChatRole.Assistant)
                throw new NotSupportedException($"Message {i} has the role \"{turns[i].Role}\"; expected system, developer, user or assistant. The model calls no tools.");
            if (turns[i].Contents.FirstOrDefault(content => content is not TextContent) is { } other)
                throw new NotSupportedException($"Message {i} holds {other.GetType().Name}; the model reads text only. Leave it out, or put what it says into words.");
        }
        if (options is null) return turns;
        if (options.Tools is { Count: > 0 } tools && options.ToolMode is not NoneChatToolMode)
            throw new NotSupportedException($"The model calls no tools, and {tools.Count} {(tools.Count == 1 ? "is" : "are")} offered. Leave them out, or set ToolMode to None.");
        if (options.ConversationId is { } conversation)
            throw new NotSupportedException($"The client keeps no conversations, and \"{conversation}\" is to be continued. Send all its messages; those read before are found in the prefix cache.");
        if (options.ModelId is { } asked && modelId is not null && asked != modelId)
            throw new ArgumentException($"The model \"{asked}\" is asked for; this client has \"{modelId}\".", nameof(options));
        if (options.Instructions is { Length: > 0 } instructions) turns.Insert(0, new ChatMessage(ChatRole.System, instructions));
        return turns;
    }

    /// <summary>Options of our own that the caller starts from.</summary>
    public static SamplingOptions? BasisOf(ChatOptions? options, IChatClient client) => options?.RawRepresentationFactory?.Invoke(client) switch
    {
        null => null,
        SamplingOptions own => own,
        var other => throw new ArgumentException($"RawRepresentationFactory made a {other.GetType().Name}; expected {nameof(SamplingOptions)}.", nameof(options)),
    };
}

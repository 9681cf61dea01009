using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Tokenization;
using Microsoft.Extensions.AI;

namespace Gpt35.Evaluation;

/// <summary>Lets an <see cref="EngineChatClient"/> speak the format that a model was trained with.</summary>
public static class ChatPrompts
{
    /// <summary>Writes the turns of a client in a chat format.</summary>
    /// <param name="format">The format.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="mostTokens">Where a conversation is longer, its oldest exchanges are left out; null: it is written whole, however long.</param>
    public static ChatPromptRenderer Of(ChatFormat format, Tokenizer tokenizer, int? mostTokens = null)
    {
        var stops = format.StopTokens(tokenizer);
        return (messages, _) =>
        {
            Message[] turns = [.. messages.Select(message => new Message(RoleOf(message), message.Text))];
            return new ChatPrompt(mostTokens is { } most ? format.RenderPrompt(turns, tokenizer, most) : format.RenderPrompt(turns, tokenizer), stops) { Lead = format.Lead, Tail = format.Tail };
        };
    }

    private static Role RoleOf(ChatMessage message) =>
        message.Role == ChatRole.System ? Role.System : message.Role == ChatRole.Assistant ? Role.Assistant : Role.User;
}

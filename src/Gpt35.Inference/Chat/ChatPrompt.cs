using Microsoft.Extensions.AI;

namespace Gpt35.Inference;

/// <summary>A conversation as a chat model reads it.</summary>
/// <param name="Ids">Ids of the turns and of the opening of an answer.</param>
/// <param name="StopTokens">Any of these ends the answer.</param>
public sealed record ChatPrompt(int[] Ids, IReadOnlyList<int> StopTokens)
{
    /// <summary>Ordinary text that the model writes before an answer and that is no part of it.</summary>
    public string Lead { get; init; } = "";

    /// <summary>The same behind an answer, before the token that ends it.</summary>
    public string Tail { get; init; } = "";
}

/// <summary>Writes a conversation down in the format that the model was trained with.</summary>
/// <param name="messages">Turns whose contents are text and whose roles are system, user and assistant.</param>
/// <param name="options">What the caller of the client gave; null: nothing.</param>
/// <exception cref="InvalidDataException">The format cannot write these turns down.</exception>
public delegate ChatPrompt ChatPromptRenderer(IReadOnlyList<ChatMessage> messages, ChatOptions? options);

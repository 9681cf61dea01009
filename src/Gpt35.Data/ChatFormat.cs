using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>Turns a conversation into ids and a mask, from its role structure; content can never become a special token.</summary>
public abstract class ChatFormat
{
    /// <summary>The format of gpt-3.5-turbo: <c>&lt;|im_start|&gt;role\ncontent&lt;|im_end|&gt;\n</c>.</summary>
    public static ChatFormat ChatMl { get; } = new ChatMlFormat();

    private static readonly ChatFormat[] Known = [ChatMl];

    /// <summary>The name under which a model folder remembers the format.</summary>
    public abstract string Name { get; }

    /// <summary>Ids of the whole conversation; the mask is true on the content of every assistant turn and the token that ends it.</summary>
    public abstract TokenSequence Render(IReadOnlyList<Message> messages, Tokenizer tokenizer);

    /// <summary>Ids of the conversation followed by the opening of an assistant turn, ready for a completion.</summary>
    public abstract int[] RenderPrompt(IReadOnlyList<Message> messages, Tokenizer tokenizer);

    /// <summary>
    /// Ids of a completion: its content and the token that ends the turn. RenderPrompt followed by RenderCompletion is, id for id,
    /// the beginning of Render of the conversation with that answer; only what separates turns comes after it.
    /// </summary>
    public abstract int[] RenderCompletion(string content, Tokenizer tokenizer);

    /// <summary>The token that ends an assistant turn.</summary>
    public abstract int EndOfTurn(Tokenizer tokenizer);

    /// <summary>
    /// <see cref="RenderPrompt(IReadOnlyList{Message}, Tokenizer)"/> with as many of the oldest exchanges left out as it takes to stay
    /// within <paramref name="maxTokens"/>. System messages at the start and the last turn always stay; what is dropped ends before a
    /// user turn, so that no answer is left without its question.
    /// </summary>
    /// <exception cref="InvalidDataException">The system message and the last turn alone are too long.</exception>
    public int[] RenderPrompt(IReadOnlyList<Message> messages, Tokenizer tokenizer, int maxTokens)
    {
        var kept = messages.ToList();
        var system = kept.TakeWhile(message => message.Role == Role.System).Count();
        for (; ; )
        {
            var ids = RenderPrompt(kept, tokenizer);
            if (ids.Length <= maxTokens) return ids;
            if (kept.Count <= system + 1)
                throw new InvalidDataException(
                    $"The last message{(system > 0 ? " and the system message need" : " needs")} {ids.Length} tokens and the model has room for {Math.Max(maxTokens, 0)}. Shorten it.");
            do kept.RemoveAt(system);
            while (kept.Count > system + 1 && kept[system].Role != Role.User);
        }
    }

    /// <exception cref="InvalidDataException">There is no format of that name.</exception>
    public static ChatFormat ByName(string name) =>
        Known.FirstOrDefault(format => format.Name == name)
        ?? throw new InvalidDataException($"\"{name}\" is not a chat format; known: {string.Join(", ", Known.Select(format => format.Name))}.");
}

using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>Turns a conversation into ids and a mask, from its role structure; content can never become a special token.</summary>
public abstract class ChatFormat
{
    /// <summary>The format of gpt-3.5-turbo: <c>&lt;|im_start|&gt;role\ncontent&lt;|im_end|&gt;\n</c>.</summary>
    public static ChatFormat ChatMl => throw new NotImplementedException();

    public abstract string Name { get; }

    /// <summary>Ids of the whole conversation; the mask is true on the content of every assistant turn and the token that ends it.</summary>
    public abstract TokenSequence Render(IReadOnlyList<Message> messages, Tokenizer tokenizer);

    /// <summary>Ids of the conversation followed by the opening of an assistant turn, ready for a completion.</summary>
    public abstract int[] RenderPrompt(IReadOnlyList<Message> messages, Tokenizer tokenizer);

    /// <summary>Ids of a completion: its content and the token that ends the turn. RenderPrompt + RenderCompletion = Render.</summary>
    public abstract int[] RenderCompletion(string content, Tokenizer tokenizer);

    /// <summary>The token that ends an assistant turn.</summary>
    public abstract int EndOfTurn(Tokenizer tokenizer);

    public static ChatFormat ByName(string name) => throw new NotImplementedException();
}

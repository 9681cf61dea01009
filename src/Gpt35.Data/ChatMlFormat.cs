using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>
/// ChatML, the format of gpt-3.5-turbo. Every turn is <c>&lt;|im_start|&gt;role\ncontent&lt;|im_end|&gt;\n</c>. Header, content and
/// separator are encoded apart from each other, so no merge crosses their borders and a prompt is always a prefix of its conversation.
/// </summary>
internal sealed class ChatMlFormat : ChatFormat
{
    public override string Name => "chatml";

    public override TokenSequence Render(IReadOnlyList<Message> messages, Tokenizer tokenizer)
    {
        var ids = new List<int>();
        var trained = new List<bool>();
        foreach (var message in messages)
        {
            Open(message.Role, tokenizer, ids);
            trained.AddRange(Enumerable.Repeat(false, ids.Count - trained.Count));
            ids.AddRange(RenderCompletion(message.Content, tokenizer));
            trained.AddRange(Enumerable.Repeat(message.Role == Role.Assistant, ids.Count - trained.Count));
            ids.AddRange(tokenizer.Encode("\n"));
            trained.AddRange(Enumerable.Repeat(false, ids.Count - trained.Count));
        }
        return new TokenSequence([.. ids], [.. trained]);
    }

    public override int[] RenderPrompt(IReadOnlyList<Message> messages, Tokenizer tokenizer)
    {
        var ids = new List<int>(Render(messages, tokenizer).Ids);
        Open(Role.Assistant, tokenizer, ids);
        return [.. ids];
    }

    public override int[] RenderCompletion(string content, Tokenizer tokenizer) => [.. tokenizer.Encode(content), EndOfTurn(tokenizer)];

    public override int EndOfTurn(Tokenizer tokenizer) => Special(SpecialTokens.ImEnd, tokenizer);

    private static void Open(Role role, Tokenizer tokenizer, List<int> ids)
    {
        ids.Add(Special(SpecialTokens.ImStart, tokenizer));
        ids.AddRange(tokenizer.Encode(role switch
        {
            Role.System => "system\n",
            Role.User => "user\n",
            Role.Assistant => "assistant\n",
            _ => throw new ArgumentOutOfRangeException(nameof(role), role, "Not a role of ChatML."),
        }));
    }

    private static int Special(string name, Tokenizer tokenizer) =>
        tokenizer.SpecialTokens.TryGetValue(name, out var id)
            ? id
            : throw new InvalidDataException(
                $"The tokenizer has no special token {name}, which chat format \"chatml\" needs. Train the tokenizer with {SpecialTokens.ImStart} and {SpecialTokens.ImEnd}, or use another model.");
}

namespace Gpt35.Data;

/// <summary>Whether a chat format can write a sequence of turns down.</summary>
internal static class ConversationShape
{
    /// <exception cref="InvalidDataException">It cannot; the message says which turn is in the way.</exception>
    public static void Require(IReadOnlyList<Message> messages, ChatTemplate template, bool asPrompt)
    {
        if (Problem(messages, template, asPrompt) is { } problem)
            throw new InvalidDataException($"Chat format \"{template.Name}\" {problem}");
    }

    private static string? Problem(IReadOnlyList<Message> messages, ChatTemplate template, bool asPrompt)
    {
        if (template.System is null && messages.Any(message => message.Role == Role.System))
            return "has no place for a system message. Leave it out, or use a format that has one, such as chatml.";
        if (template.Turns == TurnOrder.Any) return null;
        var expected = Role.User;
        for (var i = messages is [{ Role: Role.System }, ..] ? 1 : 0; i < messages.Count; i++)
        {
            if (messages[i].Role != expected)
                return $"takes at most one system message and then user and assistant in turn; found {Name(messages[i].Role)} where {Name(expected)} was expected (message {i + 1} of {messages.Count}). "
                    + "Correct the conversation, or use a format that takes any order, such as chatml.";
            expected = expected == Role.User ? Role.Assistant : Role.User;
        }
        if (template.Turns == TurnOrder.Single && messages.Count(message => message.Role == Role.User) > 1)
            return $"holds one question and one answer; found {messages.Count(message => message.Role == Role.User)} questions. Split the conversation, or use a format with several turns, such as chatml.";
        if (asPrompt && expected != Role.Assistant)
            return $"answers a user; found {(messages.Count == 0 ? "no messages" : $"{Name(messages[^1].Role)} at the end")}. End the prompt with a user turn.";
        return null;
    }

    private static string Name(Role role) => role.ToString().ToLowerInvariant();
}

/// <summary>Whether a template makes sense.</summary>
internal static class ChatTemplateCheck
{
    /// <param name="template">The template.</param>
    /// <param name="used">Special tokens that occur in its texts.</param>
    /// <exception cref="InvalidDataException">It does not; the message names the key.</exception>
    public static void Require(ChatTemplate template, IReadOnlyList<string> used)
    {
        if (Problem(template, used) is { } problem) throw new InvalidDataException(problem);
    }

    private static string? Problem(ChatTemplate template, IReadOnlyList<string> used)
    {
        if (template.Name.Length == 0 || template.Name.Any(letter => !char.IsAsciiLetterOrDigit(letter) && letter is not ('-' or '_' or '.')))
            return $"name is \"{template.Name}\"; expected letters, digits, '-', '_' and '.'.";
        if (template.Assistant.End.Length == 0) return "assistant.end is empty; expected the special token that ends an answer, such as <|im_end|>.";
        if (template.SpecialTokens.Contains("")) return "special_tokens holds an empty name; expected names such as <|im_start|>.";
        if (template.SpecialTokens.Except(used).FirstOrDefault() is { } idle && idle != template.Assistant.End && idle != template.Bos)
            return $"special_tokens names {idle}, which occurs in no prefix, separator or suffix. Is one of the two misspelled? Otherwise leave it out.";
        if (template.System?.Place == SystemPlace.FirstUserTurn && template.Turns == TurnOrder.Any)
            return "system.place is first_user_turn while turns is any; expected turns alternating or single, or system.place own_turn.";
        foreach (var (key, text) in ((string, string)[])[("assistant.lead", template.Assistant.Lead), ("assistant.tail", template.Assistant.Tail)])
            if (template.SpecialTokens.Append(template.Assistant.End).Any(special => text.Contains(special, StringComparison.Ordinal)))
                return $"{key} is \"{text}\", which names a special token; expected ordinary text. Put the token into assistant.prefix or assistant.end.";
        return null;
    }
}

using System.Text.Json;
using System.Text.Json.Serialization;
using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>
/// Turns a conversation into ids and a mask, from its role structure; content can never become a special token. One object for training,
/// evaluation, chat and serving, kept in the model folder.
/// </summary>
public sealed class ChatFormat
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
    };

    private readonly ChatTemplate template;
    private readonly bool isBuiltIn;
    private readonly TemplateText systemPrefix, systemSuffix, userPrefix, userSuffix, inputPrefix, inputSeparator, inputSuffix, assistantPrefix, assistantSuffix;

    private ChatFormat(ChatTemplate template, bool isBuiltIn)
    {
        (this.template, this.isBuiltIn) = (template, isBuiltIn);
        string[] special = [.. template.SpecialTokens, template.Assistant.End, .. template.Bos is { } bos ? [bos] : Array.Empty<string>()];
        var texts = new List<TemplateText>();
        (systemPrefix, systemSuffix) = (Cut(template.System?.Prefix), Cut(template.System?.Suffix));
        (userPrefix, userSuffix) = (Cut(template.User.Prefix), Cut(template.User.Suffix));
        (inputPrefix, inputSeparator, inputSuffix) = (Cut(template.UserWithInput?.Prefix), Cut(template.UserWithInput?.Separator), Cut(template.UserWithInput?.Suffix));
        (assistantPrefix, assistantSuffix) = (Cut(template.Assistant.Prefix), Cut(template.Assistant.Suffix));
        ChatTemplateCheck.Require(template, [.. texts.SelectMany(text => text.SpecialTokens)]);

        TemplateText Cut(string? text)
        {
            texts.Add(new TemplateText(text ?? "", special));
            return texts[^1];
        }
    }

    /// <summary>The format of gpt-3.5-turbo: <c>&lt;|im_start|&gt;role\ncontent&lt;|im_end|&gt;\n</c>.</summary>
    public static ChatFormat ChatMl { get; } = new(BuiltInTemplates.ChatMl, isBuiltIn: true);

    /// <summary>The formats known by name.</summary>
    public static IReadOnlyList<ChatFormat> BuiltIn { get; } =
    [
        ChatMl,
        new(BuiltInTemplates.Instruct, true), new(BuiltInTemplates.Llama2, true), new(BuiltInTemplates.Vicuna, true),
        new(BuiltInTemplates.Alpaca, true), new(BuiltInTemplates.Zephyr, true),
    ];

    /// <summary>The name under which a model folder remembers the format.</summary>
    public string Name => template.Name;

    /// <summary>Name of the special token that ends an assistant turn.</summary>
    public string End => template.Assistant.End;

    /// <summary>Ordinary text that the model writes before an answer; <see cref="ReadCompletion(string)"/> takes it off.</summary>
    public string Lead => template.Assistant.Lead;

    /// <summary>Ordinary text that the model writes behind an answer, before it ends the turn; taken off likewise.</summary>
    public string Tail => template.Assistant.Tail;

    /// <summary>What a model folder keeps besides the name: all of a format that is not built in; null for one that is.</summary>
    public JsonElement? Definition => isBuiltIn ? null : JsonSerializer.SerializeToElement(template, Json);

    /// <summary>The format for other programs: a Jinja template, as Hugging Face folders and GGUF files hold one.</summary>
    public string ToJinja() => JinjaTemplate.Of(template);

    /// <summary>Whether both write every conversation alike.</summary>
    public bool IsSameAs(ChatFormat other) => Name == other.Name && Definition?.GetRawText() == other.Definition?.GetRawText();

    /// <summary>Ids of the whole conversation; the mask is true on what the format trains: the content of every assistant turn and the token that ends it, unless its template says otherwise.</summary>
    /// <exception cref="InvalidDataException">The format cannot write these turns down, or the tokenizer lacks a special token of the format.</exception>
    public TokenSequence Render(IReadOnlyList<Message> messages, Tokenizer tokenizer) => Write(messages, tokenizer, asPrompt: false).ToSequence();

    /// <summary><see cref="Render"/> and, beside each id, the role of the turn in which it begins; null before the first turn.</summary>
    public (TokenSequence Sequence, Role?[] Roles) RenderWithRoles(IReadOnlyList<Message> messages, Tokenizer tokenizer) => WithRoles(Write(messages, tokenizer, asPrompt: false));

    /// <summary><see cref="RenderPrompt(IReadOnlyList{Message}, Tokenizer)"/> likewise; the opening of the answer belongs to the assistant.</summary>
    public (TokenSequence Sequence, Role?[] Roles) RenderPromptWithRoles(IReadOnlyList<Message> messages, Tokenizer tokenizer) => WithRoles(Write(messages, tokenizer, asPrompt: true));

    private static (TokenSequence, Role?[]) WithRoles(ChatWriter writer) => (writer.ToSequence(), writer.ToRoles());

    /// <summary>Ids of the conversation followed by the opening of an assistant turn, ready for a completion.</summary>
    /// <exception cref="InvalidDataException">As <see cref="Render"/>; or the format needs a user turn at the end and there is none.</exception>
    public int[] RenderPrompt(IReadOnlyList<Message> messages, Tokenizer tokenizer) => Write(messages, tokenizer, asPrompt: true).ToSequence().Ids;

    /// <summary>
    /// Ids of a completion: its content and the token that ends the turn. RenderPrompt followed by RenderCompletion is, id for id,
    /// the beginning of Render of the conversation with that answer; only what separates turns comes after it.
    /// </summary>
    public int[] RenderCompletion(string content, Tokenizer tokenizer)
    {
        var writer = new ChatWriter(tokenizer, Name);
        WriteAnswer(writer, content, isTrained: true);
        return writer.ToSequence().Ids;
    }

    /// <summary>The answer in the ids of a completion: the inverse of <see cref="RenderCompletion"/>, with or without the token that ends the turn.</summary>
    public string ReadCompletion(ReadOnlySpan<int> completion, Tokenizer tokenizer) => ReadCompletion(tokenizer.Decode(completion));

    /// <summary>The answer in the text of a completion.</summary>
    public string ReadCompletion(string text)
    {
        if (text.StartsWith(Lead, StringComparison.Ordinal)) text = text[Lead.Length..];
        if (text.EndsWith(template.Assistant.Tail, StringComparison.Ordinal)) text = text[..^template.Assistant.Tail.Length];
        return Trimmed(text);
    }

    /// <summary>The token that ends an assistant turn.</summary>
    public int EndOfTurn(Tokenizer tokenizer) => ChatWriter.IdOf(End, tokenizer, Name);

    /// <summary>Tokens that end an answer: the end of the turn, and that of a document where the tokenizer has one.</summary>
    public int[] StopTokens(Tokenizer tokenizer) =>
        tokenizer.SpecialTokens.TryGetValue(SpecialTokens.EndOfText, out var end) && end != EndOfTurn(tokenizer) ? [EndOfTurn(tokenizer), end] : [EndOfTurn(tokenizer)];

    /// <summary>
    /// <see cref="RenderPrompt(IReadOnlyList{Message}, Tokenizer)"/> with as many of the oldest exchanges left out as it takes to stay
    /// within <paramref name="maxTokens"/> and within what the format can hold. System messages at the start and the last turn always stay;
    /// what is dropped ends before a user turn, so that no answer is left without its question.
    /// </summary>
    /// <exception cref="InvalidDataException">The system message and the last turn alone are too long.</exception>
    public int[] RenderPrompt(IReadOnlyList<Message> messages, Tokenizer tokenizer, int maxTokens)
    {
        var kept = messages.ToList();
        var system = kept.TakeWhile(message => message.Role == Role.System).Count();
        while (template.Turns == TurnOrder.Single && kept.Count(message => message.Role == Role.User) > 1) DropOldest();
        for (; ; )
        {
            var ids = RenderPrompt(kept, tokenizer);
            if (ids.Length <= maxTokens) return ids;
            if (kept.Count <= system + 1)
                throw new InvalidDataException(
                    $"The last message{(system > 0 ? " and the system message need" : " needs")} {ids.Length} tokens and the model has room for {Math.Max(maxTokens, 0)}. Shorten it.");
            DropOldest();
        }

        void DropOldest()
        {
            do kept.RemoveAt(system);
            while (kept.Count > system + 1 && kept[system].Role != Role.User);
        }
    }

    /// <exception cref="InvalidDataException">There is no format of that name.</exception>
    public static ChatFormat ByName(string name) =>
        BuiltIn.FirstOrDefault(format => format.Name == name)
        ?? throw new InvalidDataException($"\"{name}\" is not a chat format. Known: {string.Join(", ", BuiltIn.Select(format => format.Name))}; a format of your own is given as the path of a YAML file, for example my-format.yaml.");

    /// <summary>A format that is not built in.</summary>
    /// <exception cref="InvalidDataException">The template contradicts itself; the message says where.</exception>
    public static ChatFormat Define(ChatTemplate template) =>
        BuiltIn.Any(format => format.Name == template.Name)
            ? throw new InvalidDataException($"name is \"{template.Name}\", which is a built-in chat format; expected a name of its own.")
            : new ChatFormat(template, isBuiltIn: false);

    /// <summary>The format that a model folder names, and defines where it is not built in; null for a base model.</summary>
    /// <exception cref="InvalidDataException">The name is unknown and there is no definition, or the definition is wrong.</exception>
    public static ChatFormat? Stored(string? name, JsonElement? definition)
    {
        if (name is null) return null;
        if (definition is not { ValueKind: JsonValueKind.Object } stored) return ByName(name);
        try
        {
            return Define(stored.Deserialize<ChatTemplate>(Json)!);
        }
        catch (Exception e) when (e is JsonException or InvalidDataException)
        {
            throw new InvalidDataException($"gpt35.json: the definition of chat format \"{name}\" cannot be used: {e.Message}", e);
        }
    }

    private ChatWriter Write(IReadOnlyList<Message> messages, Tokenizer tokenizer, bool asPrompt)
    {
        ConversationShape.Require(messages, template, asPrompt);
        if (template.System?.Default is { } system && messages.All(message => message.Role != Role.System)) messages = [Message.System(system), .. messages];
        var all = template.Trained == TrainedPart.Everything;
        var last = messages.ToList().FindLastIndex(message => message.Role == Role.Assistant);
        var writer = new ChatWriter(tokenizer, Name);
        if (template.Bos is { } bos && tokenizer.SpecialTokens.ContainsKey(bos)) writer.Special(bos, all);
        Message? folded = null;
        foreach (var (i, message) in messages.Index())
        {
            writer.Turn(message.Role);
            if (message.Role == Role.System && template.System!.Place == SystemPlace.FirstUserTurn) folded = message;
            else if (message.Role == Role.System) WriteSystem(writer, message, all);
            else if (message.Role == Role.User)
            {
                WriteUser(writer, message, folded, all);
                folded = null;
            }
            else
            {
                assistantPrefix.WriteTo(writer, all);
                WriteAnswer(writer, message.Content, all || template.Trained == TrainedPart.Answers || i == last);
                assistantSuffix.WriteTo(writer, all);
            }
        }
        if (asPrompt) writer.Turn(Role.Assistant);
        if (asPrompt) assistantPrefix.WriteTo(writer, all);
        return writer;
    }

    private void WriteSystem(ChatWriter writer, Message message, bool isTrained)
    {
        systemPrefix.WriteTo(writer, isTrained);
        writer.Text(message.Content, isTrained);
        systemSuffix.WriteTo(writer, isTrained);
    }

    private void WriteUser(ChatWriter writer, Message message, Message? system, bool isTrained)
    {
        var apart = message.Input is not null && template.UserWithInput is not null;
        (apart ? inputPrefix : userPrefix).WriteTo(writer, isTrained);
        if (system is not null)
        {
            writer.Turn(Role.System);
            WriteSystem(writer, system, isTrained);
            writer.Turn(Role.User);
        }
        writer.Text(Trimmed(apart ? message.Instruction : message.Content), isTrained);
        if (apart)
        {
            inputSeparator.WriteTo(writer, isTrained);
            writer.Text(Trimmed(message.Input!), isTrained);
        }
        (apart ? inputSuffix : userSuffix).WriteTo(writer, isTrained);
    }

    private void WriteAnswer(ChatWriter writer, string content, bool isTrained)
    {
        writer.Border();
        writer.Text(Lead + Trimmed(content) + template.Assistant.Tail, isTrained);
        writer.Special(End, isTrained);
    }

    private string Trimmed(string content) => template.OuterSpace == OuterSpace.Trim ? content.Trim() : content;
}

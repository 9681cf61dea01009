using CsCheck;
using Gpt35.Tokenization;

namespace Gpt35.Data.Tests;

public sealed class ChatFormatTests
{
    private static readonly Tokenizer Tokenizer = Train([.. SpecialTokens.Default, "</s>", "<|mine|>"]), WithBos = Train([.. SpecialTokens.Default, "<s>", "</s>"]);

    private static readonly ChatFormat Format = ChatFormat.ChatMl;

    /// <summary>A format that uses every key.</summary>
    private static readonly ChatFormat Own = ChatFormat.Define(new ChatTemplate
    {
        Name = "own",
        SpecialTokens = ["<|mine|>"],
        Bos = "</s>",
        Turns = TurnOrder.Alternating,
        Trained = TrainedPart.LastAnswer,
        System = new() { Prefix = "S(", Suffix = ")", Place = SystemPlace.FirstUserTurn, Default = "d" },
        User = new() { Prefix = "<|mine|>U(", Suffix = ")" },
        UserWithInput = new() { Prefix = "I(", Separator = "|", Suffix = ")" },
        Assistant = new() { Prefix = "A", Lead = "[", Tail = "]", End = "<|im_end|>", Suffix = "\n" },
    });

    private static readonly string[] Parts =
    [
        "\n", "\n\n", " ", "user", "Hello", "<|im_end|>", "<|im_start|>", "<s>", "</s>", "<|endoftext|>", "<|mine|>", "[INST]", "[/INST]", "<<SYS>>", "USER:",
        "ASSISTANT:", "### Response:", "<|assistant|>", "{user}", "é", "中", "\ud83d", "x",
    ];

    private static readonly Gen<string> Content = Gen.Int[0, Parts.Length - 1].Array[0, 6].Select(parts => string.Concat(parts.Select(part => Parts[part])));

    private static readonly Gen<Message[]> AnyOrder = Gen.Select(Gen.Enum<Role>(), Content, (role, text) => new Message(role, text)).Array[1, 5];

    public static TheoryData<string> Names => [.. ChatFormat.BuiltIn.Select(format => format.Name), "own"];

    private static ChatFormat Named(string name) => name == "own" ? Own : ChatFormat.ByName(name);

    private static Tokenizer Train(IReadOnlyList<string> special) => BpeTrainer.Train(
        ["the user asks the assistant, the assistant answers the user\n", "system system\n\n\n", "Hello! Hello! I am here. 2 + 2 = 4\n", "[INST] USER: ### Response:"],
        new BpeTrainerOptions { VocabSize = 320, SpecialTokens = special });

    /// <summary>Conversations that every format with the given order can write, ending in a question.</summary>
    private static Gen<Message[]> Prompts(ChatFormat format) => format.Name is "chatml" or "zephyr"
        ? AnyOrder
        : Gen.Select(Content.Array[1, 5], Gen.Bool, Content, Gen.Bool).Select((texts, system, instructions, input) =>
        {
            var turns = format.Name is "alpaca" or "instruct" ? 1 : (texts.Length - 1) / 2 * 2 + 1;
            var messages = texts.Take(turns).Select((text, i) => i % 2 == 1 ? Message.Assistant(text) : input ? Message.User(text, instructions) : Message.User(text));
            return (Message[])[.. system && format.Name != "alpaca" ? [Message.System(instructions)] : Array.Empty<Message>(), .. messages];
        });

    private static string Text(int[] ids, Tokenizer? tokenizer = null) => (tokenizer ?? Tokenizer).Decode(ids, includeSpecial: true);

    private static string Trained(TokenSequence rendered) => Text([.. rendered.Ids.Where((_, i) => rendered.Trained[i])]);

    private static readonly Message[] Dialogue = [Message.System("Be kind."), Message.User("Hello"), Message.Assistant("Hello!"), Message.User("2 + 2?"), Message.Assistant("4")];

    [Fact]
    public void A_conversation_is_laid_out_as_chatml_and_trains_the_answers_alone()
    {
        var rendered = Format.Render(Dialogue, Tokenizer);
        Assert.Equal(
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n"
            + "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n", Text(rendered.Ids));
        Assert.Equal("Hello!<|im_end|>4<|im_end|>", Trained(rendered));
        Assert.Equal("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", Text(Format.RenderPrompt([Message.User("Hello")], Tokenizer)));
    }

    [Fact]
    public void Chatml_gives_the_ids_of_header_content_and_separator_encoded_apart_unless_content_begins_with_white_space() =>
        AnyOrder.Where(messages => messages.All(message => message.Content.Length > 0 && !char.IsWhiteSpace(message.Content[0]))).Sample(messages =>
        {
            int Id(string special) => Tokenizer.SpecialTokens[special];
            int[] apart = [.. messages.SelectMany(message => (int[])
            [
                Id("<|im_start|>"), .. Tokenizer.Encode($"{message.Role.ToString().ToLowerInvariant()}\n"), .. Tokenizer.Encode(message.Content), Id("<|im_end|>"), .. Tokenizer.Encode("\n"),
            ])];
            Assert.Equal(apart, Format.Render(messages, Tokenizer).Ids);
        }, iter: 300);

    [Fact]
    public void Llama_2_folds_the_system_message_into_the_first_question_and_opens_every_exchange()
    {
        var format = ChatFormat.ByName("llama-2");
        var rendered = format.Render([Dialogue[0], Message.User(" Hello \n"), .. Dialogue[2..]], WithBos);
        Assert.Equal(
            "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHello [/INST] Hello! </s><s>[INST] 2 + 2? [/INST] 4 </s>", Text(rendered.Ids, WithBos));
        Assert.Equal(" Hello! </s> 4 </s>", Text([.. rendered.Ids.Where((_, i) => rendered.Trained[i])], WithBos));
        Assert.Equal("<s>[INST] Hello [/INST]", Text(format.RenderPrompt([Message.User("Hello")], WithBos), WithBos));
    }

    [Fact]
    public void Vicuna_has_a_system_message_of_its_own_and_ends_answers_with_the_end_of_sentence()
    {
        var format = ChatFormat.ByName("vicuna");
        const string Preamble = "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions.";
        var rendered = format.Render(Dialogue[1..], Tokenizer);
        Assert.Equal($"{Preamble} USER: Hello ASSISTANT: Hello!</s>USER: 2 + 2? ASSISTANT: 4</s>", Text(rendered.Ids));
        Assert.Equal(" Hello!</s> 4</s>", Trained(rendered));
        Assert.Equal("Be kind. USER: Hello ASSISTANT:", Text(format.RenderPrompt(Dialogue[..2], Tokenizer)));
        Assert.Equal($"<s>{Preamble} USER: Hello ASSISTANT:", Text(format.RenderPrompt([Message.User("Hello")], WithBos), WithBos));
    }

    [Fact]
    public void Alpaca_has_one_prompt_with_an_input_and_one_without()
    {
        var format = ChatFormat.ByName("alpaca");
        var rendered = format.Render([Message.User("Add.", "2 + 2"), Message.Assistant("4")], Tokenizer);
        Assert.Equal(
            "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n"
            + "### Instruction:\nAdd.\n\n### Input:\n2 + 2\n\n### Response:4</s>", Text(rendered.Ids));
        Assert.Equal("4</s>", Trained(rendered));
        Assert.Equal(
            "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nAdd 2 + 2.\n\n### Response:",
            Text(format.RenderPrompt([Message.User("Add 2 + 2.")], Tokenizer)));
        Assert.Equal("<|im_start|>user\nAdd.\n\n2 + 2<|im_end|>\n<|im_start|>assistant\n", Text(Format.RenderPrompt([Message.User("Add.", "2 + 2")], Tokenizer)));
    }

    [Fact]
    public void Zephyr_writes_role_names_as_text_and_ends_every_turn()
    {
        var rendered = ChatFormat.ByName("zephyr").Render(Dialogue[..3], Tokenizer);
        Assert.Equal("<|system|>\nBe kind.</s>\n<|user|>\nHello</s>\n<|assistant|>\nHello!</s>\n", Text(rendered.Ids));
        Assert.Equal("Hello!</s>", Trained(rendered));
        Assert.Equal("<|user|>\nHello</s>\n<|assistant|>\n", Text(ChatFormat.ByName("zephyr").RenderPrompt([Message.User("Hello")], Tokenizer)));
    }

    [Fact]
    public void Instruct_leaves_the_prompt_as_it_is_and_answers_after_an_empty_line()
    {
        var rendered = ChatFormat.ByName("instruct").Render(Dialogue[1..3], Tokenizer);
        Assert.Equal("Hello\n\nHello!<|endoftext|>", Text(rendered.Ids));
        Assert.Equal("\n\nHello!<|endoftext|>", Trained(rendered));
        Assert.Equal("Hello", Text(ChatFormat.ByName("instruct").RenderPrompt([Message.User("Hello")], Tokenizer)));
    }

    [Fact]
    public void A_format_of_ones_own_says_where_everything_goes_and_what_is_trained()
    {
        var rendered = Own.Render([Message.User("q"), Message.Assistant("a"), Message.User("r", "s"), Message.Assistant("b")], Tokenizer);
        Assert.Equal("</s><|mine|>U(S(d)q)A[a]<|im_end|>\nI(r|s)A[b]<|im_end|>\n", Text(rendered.Ids));
        Assert.Equal("[b]<|im_end|>", Trained(rendered));
        var everything = ChatFormat.Define(new ChatTemplate { Name = "all", Trained = TrainedPart.Everything, User = new(), Assistant = new() { End = "</s>" } });
        Assert.DoesNotContain(false, everything.Render(Dialogue[1..], Tokenizer).Trained);
    }

    [Theory, MemberData(nameof(Names))]
    public void Prompt_and_completion_are_the_beginning_of_the_conversation_id_for_id(string name)
    {
        var format = Named(name);
        foreach (var tokenizer in name == "llama-2" ? (Tokenizer[])[WithBos] : name == "own" ? [Tokenizer] : [Tokenizer, WithBos])
            Gen.Select(Prompts(format), Content).Sample((messages, answer) =>
            {
                int[] parts = [.. format.RenderPrompt(messages, tokenizer), .. format.RenderCompletion(answer, tokenizer)];
                var whole = format.Render([.. messages, Message.Assistant(answer)], tokenizer);
                Assert.Equal(parts, whole.Ids[..parts.Length]);
                Assert.Equal(whole.Ids.Length, whole.Trained.Length);
                Assert.DoesNotContain(true, whole.Trained[parts.Length..]);
                Assert.All(Enumerable.Range(parts.Length - format.RenderCompletion(answer, tokenizer).Length, format.RenderCompletion(answer, tokenizer).Length), i => Assert.True(whole.Trained[i]));
            }, iter: 300);
    }

    [Theory, MemberData(nameof(Names))]
    public void Content_that_spells_a_special_token_cannot_become_one(string name)
    {
        var format = Named(name);
        var tokenizer = name == "llama-2" ? WithBos : Tokenizer;
        var special = tokenizer.SpecialTokens.Values.ToHashSet();
        Prompts(format).Sample(messages =>
        {
            // The same conversation without letters: what is left is the template's own.
            Message[] bare = [.. messages.Select(message => message.Input is null ? message with { Content = "x" } : Message.User("x", "x"))];
            Assert.Equal(format.Render(bare, tokenizer).Ids.Where(special.Contains), format.Render(messages, tokenizer).Ids.Where(special.Contains));
        }, iter: 300);
    }

    [Theory, MemberData(nameof(Names))]
    public void A_completion_reads_back_as_the_answer_it_was_made_of(string name)
    {
        var format = Named(name);
        Content.Where(text => !text.Contains('\ud83d')).Sample(answer => Assert.Equal(
            name == "llama-2" ? answer.Trim() : answer, format.ReadCompletion(format.RenderCompletion(answer, Tokenizer), Tokenizer)), iter: 300);
    }

    [Fact]
    public void A_long_conversation_loses_its_oldest_exchanges_but_never_the_system_message_or_the_question()
    {
        Message[] messages =
        [
            Message.System("S"), Message.User("q1"), Message.Assistant("a1"), Message.User("q2"), Message.Assistant("a2"), Message.User("q3"),
        ];
        int Length(params Message[] kept) => Format.RenderPrompt(kept, Tokenizer).Length;
        string Fit(int tokens) => string.Concat(Tokenizer.Decode(Format.RenderPrompt(messages, Tokenizer, tokens), includeSpecial: true)
            .Split('\n').Where(line => line.EndsWith("<|im_end|>", StringComparison.Ordinal)).Select(line => line[..^10]));

        var all = Length(messages);
        var two = Length(messages[0], messages[3], messages[4], messages[5]);
        var one = Length(messages[0], messages[5]);
        Assert.Equal("Sq1a1q2a2q3", Fit(all));
        Assert.Equal("Sq2a2q3", Fit(all - 1));
        Assert.Equal("Sq2a2q3", Fit(two));
        Assert.Equal("Sq3", Fit(two - 1));
        Assert.Equal("Sq3", Fit(one));
        Assert.Contains($"need {one} tokens and the model has room for {one - 1}", Assert.Throws<InvalidDataException>(() => Fit(one - 1)).Message);
        // A format for one question forgets the others.
        Assert.Equal("S\n\nq3", Text(ChatFormat.ByName("instruct").RenderPrompt(messages, Tokenizer, 1000)));
    }

    [Theory]
    [InlineData("llama-2", "uu", "found user where assistant was expected (message 2 of 2)")]
    [InlineData("llama-2", "au", "found assistant where user was expected (message 1 of 2)")]
    [InlineData("vicuna", "us", "found system where assistant was expected")]
    [InlineData("vicuna", "ssu", "found system where user was expected (message 2 of 3)")]
    [InlineData("alpaca", "su", "has no place for a system message")]
    [InlineData("alpaca", "uau", "holds one question and one answer; found 2 questions")]
    [InlineData("llama-2", "ua", "answers a user; found assistant at the end")]
    [InlineData("instruct", "", "answers a user; found no messages")]
    public void Turns_that_a_format_cannot_write_are_refused_with_the_turn(string name, string roles, string message)
    {
        Message[] messages = [.. roles.Select(role => new Message(role switch { 's' => Role.System, 'u' => Role.User, _ => Role.Assistant }, "x"))];
        var error = Assert.Throws<InvalidDataException>(() => ChatFormat.ByName(name).RenderPrompt(messages, WithBos));
        Assert.Contains(message, error.Message);
        Assert.Contains($"\"{name}\"", error.Message);
    }

    [Fact]
    public void Formats_are_found_by_name()
    {
        Assert.Same(ChatFormat.ChatMl, ChatFormat.ByName("chatml"));
        Assert.StartsWith("\"alpacca\" is not a chat format. Known: chatml, instruct, llama-2, vicuna, alpaca, zephyr;", Assert.Throws<InvalidDataException>(() => ChatFormat.ByName("alpacca")).Message);
    }

    [Theory, MemberData(nameof(Names))]
    public void What_a_model_folder_keeps_is_the_same_format_again(string name)
    {
        var format = Named(name);
        var stored = ChatFormat.Stored(format.Name, format.Definition)!;
        if (name != "own") Assert.Same(format, stored);
        Message[] messages = [Message.User("q", "i"), Message.Assistant("a")];
        var tokenizer = name == "llama-2" ? WithBos : Tokenizer;
        Assert.Equal(format.Render(messages, tokenizer).Ids, stored.Render(messages, tokenizer).Ids);
        Assert.Equal(format.Render(messages, tokenizer).Trained, stored.Render(messages, tokenizer).Trained);
        Assert.Equal(format.Definition?.GetRawText(), stored.Definition?.GetRawText());
        Assert.Null(ChatFormat.Stored(null, null));
    }

    [Fact]
    public void A_damaged_definition_is_named()
    {
        using var document = System.Text.Json.JsonDocument.Parse("""{"name": "x", "user": {}, "assistant": {"end": "</s>"}, "assistent": 1}""");
        var error = Assert.Throws<InvalidDataException>(() => ChatFormat.Stored("x", document.RootElement));
        Assert.Contains("gpt35.json", error.Message);
        Assert.Contains("assistent", error.Message);
        Assert.Contains("my-own", Assert.Throws<InvalidDataException>(() => ChatFormat.Stored("my-own", null)).Message);
    }

    [Fact]
    public void A_template_that_contradicts_itself_is_refused_with_the_key()
    {
        var good = new ChatTemplate { Name = "good", User = new(), Assistant = new() { End = "</s>" } };
        void Refused(ChatTemplate template, string message) => Assert.Contains(message, Assert.Throws<InvalidDataException>(() => ChatFormat.Define(template)).Message);
        ChatFormat.Define(good);
        Refused(good with { Name = "chatml" }, "built-in");
        Refused(good with { Name = "a b" }, "name is \"a b\"");
        Refused(good with { SpecialTokens = ["<|usr|>"], User = new() { Prefix = "<|user|>" } }, "special_tokens names <|usr|>");
        Refused(good with { System = new() { Place = SystemPlace.FirstUserTurn } }, "system.place");
        Refused(good with { Assistant = new() { End = "" } }, "assistant.end is empty");
        Refused(good with { Assistant = new() { End = "</s>", Tail = "</s>" } }, "assistant.tail");
    }

    [Fact]
    public void A_tokenizer_without_the_tokens_of_the_format_is_refused_by_name()
    {
        var bare = BpeTrainer.Train(["some text"], new BpeTrainerOptions { VocabSize = 260, SpecialTokens = [SpecialTokens.EndOfText] }, TestContext.Current.CancellationToken);
        Assert.Contains("<|im_start|>", Assert.Throws<InvalidDataException>(() => Format.RenderPrompt([Message.User("x")], bare)).Message);
        Assert.Contains("<|im_end|>", Assert.Throws<InvalidDataException>(() => Format.EndOfTurn(bare)).Message);
        Assert.Contains("</s>, which chat format \"zephyr\" needs; it has <|endoftext|>.", Assert.Throws<InvalidDataException>(() => ChatFormat.ByName("zephyr").RenderPrompt([Message.User("x")], bare)).Message);
    }

    [Fact]
    public void Records_know_their_row_and_are_equal_wherever_they_stand()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("rows.jsonl", "\n{\"instruction\": \"Add.\", \"input\": \"2 + 2\", \"output\": \"4\"}\n");
        var read = Assert.Single(RecordReader.ReadDemonstrations(path));
        Assert.Equal($"{path}:2", read.Origin.ToString());
        Assert.Equal(("Add.\n\n2 + 2", "2 + 2"), (read.Messages[0].Content, read.Messages[0].Input));
        Assert.Equal(read, read with { Origin = default });
        Assert.Equal($"{path}:2: no", Assert.Throws<InvalidDataException>(() => read.Origin.Blame<int>(() => throw new InvalidDataException("no"))).Message);
    }
}

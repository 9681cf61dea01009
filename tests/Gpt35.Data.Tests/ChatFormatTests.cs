using CsCheck;
using Gpt35.Tokenization;

namespace Gpt35.Data.Tests;

public sealed class ChatFormatTests
{
    private static readonly Tokenizer Tokenizer = BpeTrainer.Train(
        ["the user asks the assistant, the assistant answers the user\n", "system system\n\n\n", "Hello! Hello! I am here. 2 + 2 = 4\n"],
        new BpeTrainerOptions { VocabSize = 300 });

    private static readonly ChatFormat Format = ChatFormat.ChatMl;

    private static readonly string[] Parts = ["\n", "\n\n", " ", "user", "Hello", "<|im_end|>", "<|im_start|>", "the assistant", "é", "中", "x"];

    private static readonly Gen<string> Content = Gen.Int[0, Parts.Length - 1].Array[0, 6].Select(parts => string.Concat(parts.Select(part => Parts[part])));

    private static readonly Gen<Message[]> Conversation = Gen.Select(Gen.Enum<Role>(), Content, (role, text) => new Message(role, text)).Array[1, 5];

    [Fact]
    public void A_conversation_is_laid_out_as_chatml_and_trains_the_answers_alone()
    {
        var rendered = Format.Render(
            [Message.System("Be kind."), Message.User("Hello"), Message.Assistant("Hello!"), Message.User("2 + 2?"), Message.Assistant("4")], Tokenizer);
        Assert.Equal(
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n"
            + "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n",
            Tokenizer.Decode(rendered.Ids, includeSpecial: true));
        var trained = rendered.Ids.Where((_, i) => rendered.Trained[i]).ToArray();
        Assert.Equal("Hello!<|im_end|>4<|im_end|>", Tokenizer.Decode(trained, includeSpecial: true));
    }

    [Fact]
    public void A_prompt_ends_where_the_answer_starts()
    {
        var prompt = Format.RenderPrompt([Message.User("Hello")], Tokenizer);
        Assert.Equal("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", Tokenizer.Decode(prompt, includeSpecial: true));
    }

    [Fact]
    public void Prompt_and_completion_are_the_beginning_of_the_conversation_id_for_id() =>
        Gen.Select(Conversation, Content).Sample((messages, answer) =>
        {
            int[] parts = [.. Format.RenderPrompt(messages, Tokenizer), .. Format.RenderCompletion(answer, Tokenizer)];
            var whole = Format.Render([.. messages, Message.Assistant(answer)], Tokenizer);
            Assert.Equal(parts, whole.Ids[..parts.Length]);
            Assert.Equal("\n", Tokenizer.Decode(whole.Ids.AsSpan(parts.Length)));
            Assert.Equal(whole.Ids.Length, whole.Trained.Length);
            Assert.DoesNotContain(true, whole.Trained[parts.Length..]);
        });

    [Fact]
    public void Content_that_spells_a_special_token_cannot_become_one() => Conversation.Sample(messages =>
    {
        var ids = Format.Render(messages, Tokenizer).Ids;
        Assert.Equal(messages.Length, ids.Count(id => id == Tokenizer.SpecialTokens[SpecialTokens.ImStart]));
        Assert.Equal(messages.Length, ids.Count(id => id == Format.EndOfTurn(Tokenizer)));
    });

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
    }

    [Fact]
    public void Formats_are_found_by_name()
    {
        Assert.Same(ChatFormat.ChatMl, ChatFormat.ByName("chatml"));
        Assert.Equal("\"alpaca\" is not a chat format; known: chatml.", Assert.Throws<InvalidDataException>(() => ChatFormat.ByName("alpaca")).Message);
    }

    [Fact]
    public void A_tokenizer_without_the_tokens_of_the_format_is_refused_by_name()
    {
        var bare = BpeTrainer.Train(["some text"], new BpeTrainerOptions { VocabSize = 260, SpecialTokens = [SpecialTokens.EndOfText] }, TestContext.Current.CancellationToken);
        Assert.Contains("<|im_start|>", Assert.Throws<InvalidDataException>(() => Format.RenderPrompt([Message.User("x")], bare)).Message);
        Assert.Contains("<|im_end|>", Assert.Throws<InvalidDataException>(() => Format.EndOfTurn(bare)).Message);
    }
}

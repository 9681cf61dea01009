using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;
using Microsoft.Extensions.AI;

namespace Gpt35.Evaluation.Tests;

public class ChatPromptsTests
{
    private static readonly ChatFormat Llama = ChatFormat.ByName("llama-2");
    private static readonly Tokenizer Tokenizer = BpeTrainer.Train(["some text"], new BpeTrainerOptions { VocabSize = 275, SpecialTokens = [SpecialTokens.EndOfText, "<s>", "</s>"] });
    private static readonly ChatMessage[] Messages = [new(ChatRole.System, "be kind"), new(ChatRole.User, "one"), new(ChatRole.Assistant, "two"), new(ChatRole.User, "three")];
    private static readonly Message[] Turns = [Message.System("be kind"), Message.User("one"), Message.Assistant("two"), Message.User("three")];

    [Fact]
    public void A_clients_prompt_is_the_chat_formats()
    {
        var prompt = ChatPrompts.Of(Llama, Tokenizer)(Messages, null);
        Assert.Equal(Llama.RenderPrompt(Turns, Tokenizer), prompt.Ids);
        Assert.Equal(Llama.StopTokens(Tokenizer), prompt.StopTokens);
        Assert.Equal((" ", " "), (prompt.Lead, prompt.Tail));
        Assert.Contains("\"llama-2\" answers a user", Assert.Throws<InvalidDataException>(() => ChatPrompts.Of(Llama, Tokenizer)(Messages[..3], null)).Message);
    }

    [Fact]
    public void A_long_conversation_loses_its_oldest_exchanges_only_where_that_was_said()
    {
        var whole = Llama.RenderPrompt(Turns, Tokenizer);
        Assert.Equal(Llama.RenderPrompt([Turns[0], Turns[3]], Tokenizer), ChatPrompts.Of(Llama, Tokenizer, whole.Length - 1)(Messages, null).Ids);
        Assert.Equal(whole, ChatPrompts.Of(Llama, Tokenizer, whole.Length)(Messages, null).Ids);
    }

    [Fact]
    public async Task A_conversation_through_the_client_is_the_one_that_the_format_reads()
    {
        var config = new ModelConfig { VocabSize = Tokenizer.VocabSize, HiddenSize = 8, NumHiddenLayers = 1, NumAttentionHeads = 1, MaxPositionEmbeddings = 160, IntermediateSize = 8, InitializerRange = 0.1f };
        using var model = Decoder.Create(config, 1, WorkerPool.Shared);
        using var engine = new InferenceEngine(model, new EngineOptions(), Tokenizer);
        using var client = new EngineChatClient(engine, ChatPrompts.Of(Llama, Tokenizer));
        var response = await client.GetResponseAsync(Messages, new ChatOptions { Temperature = 0, MaxOutputTokens = 12 }, TestContext.Current.CancellationToken);
        var options = new SamplingOptions { Temperature = 0, MaxTokens = 12, StopTokens = Llama.StopTokens(Tokenizer) };
        var completion = new InferenceEngine(model, 1, Tokenizer).Generate([Llama.RenderPrompt(Turns, Tokenizer)], options, TestContext.Current.CancellationToken)[0];
        Assert.Equal(Llama.ReadCompletion(completion.Tokens, Tokenizer), response.Text.Trim());
    }
}

using System.ComponentModel;
using System.Text.Json;
using Gpt35.Inference.Tests.Scheduling;
using Gpt35.Tokenization;
using Microsoft.Extensions.AI;

namespace Gpt35.Inference.Tests.Chat;

public sealed class EngineChatClientTests : IDisposable
{
    private static readonly Tokenizer Tokenizer = BpeTrainer.Train(
        ["hello there, how are you? I am well, thank you. hello hello there there\n"], new BpeTrainerOptions { VocabSize = 275, SpecialTokens = [SpecialTokens.EndOfText, "<|end|>"] });
    private static readonly int End = Tokenizer.SpecialTokens["<|end|>"];
    private static readonly ChatMessage[] Hello = [new(ChatRole.System, "be kind"), new(ChatRole.User, "hello there")];

    private readonly TinyModel tiny = new(Tokenizer.VocabSize, context: 256);
    private readonly InferenceEngine engine;
    private readonly EngineChatClient client;

    public EngineChatClientTests()
    {
        engine = new InferenceEngine(tiny.Decoder, new EngineOptions { MaxSequences = 4 }, Tokenizer);
        client = new EngineChatClient(engine, Render, "tiny");
    }

    public void Dispose()
    {
        client.Dispose();
        engine.Dispose();
        tiny.Dispose();
    }

    /// <summary>"role: text" and the end for every turn, then "assistant: ".</summary>
    private static ChatPrompt Render(IReadOnlyList<ChatMessage> messages, ChatOptions? options) =>
        new([.. messages.SelectMany(message => (int[])[.. Tokenizer.Encode($"{message.Role}: {message.Text}"), End]), .. Tokenizer.Encode("assistant: ")], [End]);

    private Completion Plain(IReadOnlyList<ChatMessage> messages, SamplingOptions options) =>
        new InferenceEngine(tiny.Decoder, 1, Tokenizer).Generate([Render(messages, null).Ids], options with { StopTokens = [End] })[0];

    private static string Texts(ChatResponse response) => Assert.Single(response.Messages).Text;

    [Fact]
    public async Task A_response_is_the_engines_completion_with_what_it_cost()
    {
        var options = new ChatOptions { Temperature = 0.7f, TopP = 0.9f, Seed = 4, MaxOutputTokens = 30, AdditionalProperties = new() { ["top_logprobs"] = 2 } };
        var expected = Plain(Hello, new SamplingOptions { Temperature = 0.7, TopP = 0.9, Seed = 4, MaxTokens = 30, TopLogProbs = 2 });
        var response = await client.GetResponseAsync(Hello, options);
        Assert.Equal(expected.Text, Texts(response));
        Assert.Equal(ChatRole.Assistant, response.Messages[0].Role);
        Assert.Equal(expected.Finish == FinishReason.Stop ? ChatFinishReason.Stop : ChatFinishReason.Length, response.FinishReason);
        Assert.Equal("tiny", response.ModelId);
        Assert.NotEmpty(response.ResponseId!);
        var raw = Assert.IsType<Completion>(response.RawRepresentation);
        Assert.Equal(expected.TokenLogProbs!.Chosen, raw.TokenLogProbs!.Chosen);
        var prompt = Render(Hello, null).Ids.Length;
        Assert.Equal((prompt, expected.Tokens.Length, prompt + expected.Tokens.Length, 0L), (response.Usage!.InputTokenCount, response.Usage.OutputTokenCount, response.Usage.TotalTokenCount, response.Usage.CachedInputTokenCount));

        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync(Hello, options)) updates.Add(update);
        Assert.True(updates.Count > 2);
        Assert.Equal(expected.Text, string.Concat(updates.Select(update => update.Text)));
        Assert.All(updates[..^1], update => Assert.True(update.Text.Length > 0 && update.FinishReason is null));
        Assert.Equal(response.FinishReason, updates[^1].FinishReason);
        Assert.Single(updates.Select(update => update.ResponseId).Distinct());
        Assert.Equal(prompt / 16 * 16, updates[^1].Contents.OfType<UsageContent>().Single().Details.CachedInputTokenCount);
    }

    [Fact]
    public async Task An_answer_that_the_model_ends_itself_has_no_stop_token_in_it_and_one_that_is_cut_says_so()
    {
        var free = Plain(Hello, new SamplingOptions { Temperature = 0, MaxTokens = 20 });
        var cut = await client.GetResponseAsync(Hello, new ChatOptions { Temperature = 0, MaxOutputTokens = 5 });
        Assert.Equal(ChatFinishReason.Length, cut.FinishReason);
        Assert.Equal(Tokenizer.Decode(free.Tokens[..5]), Texts(cut));
        var word = Enumerable.Range(2, free.Text!.Length - 4).Select(start => free.Text.Substring(start, 2)).First(text => !text.Contains('\uFFFD'));
        var stopped = await client.GetResponseAsync(Hello, new ChatOptions { Temperature = 0, MaxOutputTokens = 20, StopSequences = [word] });
        Assert.Equal(ChatFinishReason.Stop, stopped.FinishReason);
        Assert.Equal(free.Text[..free.Text.IndexOf(word, StringComparison.Ordinal)], Texts(stopped));
        var silent = await client.GetResponseAsync(Hello, new ChatOptions { AdditionalProperties = new() { ["logit_bias"] = new Dictionary<int, double> { [End] = 100 } } });
        Assert.Equal((ChatFinishReason.Stop, "", 1L), (silent.FinishReason, Texts(silent), silent.Usage!.OutputTokenCount));
    }

    [Fact]
    public async Task The_next_turn_finds_the_one_before_in_the_cache()
    {
        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 20, AdditionalProperties = new() { ["tenant"] = "me" } };
        var first = await client.GetResponseAsync(Hello, options);
        ChatMessage[] next = [.. Hello, .. first.Messages, new(ChatRole.User, "how are you?")];
        var second = await client.GetResponseAsync(next, options);
        Assert.Equal(Plain(next, new SamplingOptions { Temperature = 0, MaxTokens = 20 }).Text, Texts(second));
        Assert.True(second.Usage!.CachedInputTokenCount >= first.Usage!.InputTokenCount / 16 * 16);
        Assert.Equal(0, (await client.GetResponseAsync(next, new ChatOptions { Temperature = 0, MaxOutputTokens = 2, AdditionalProperties = new() { ["tenant"] = "you" } })).Usage!.CachedInputTokenCount);
    }

    [Fact]
    public async Task What_a_format_puts_around_an_answer_is_no_part_of_it_but_a_document_is_left_whole()
    {
        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 12 };
        var text = Texts(await client.GetResponseAsync(Hello, options));
        var trimming = new EngineChatClient(engine, (messages, given) => Render(messages, given) with { Lead = text[..2], Tail = text[^3..] });
        Assert.Equal(text[2..^3], Texts(await trimming.GetResponseAsync(Hello, options)));
        options.AdditionalProperties = new() { ["regex"] = "(yes|no)!{3}" };
        var document = Texts(await client.GetResponseAsync(Hello, options));
        Assert.Matches("^(yes|no)!!!$", document);
        trimming = new EngineChatClient(engine, (messages, given) => Render(messages, given) with { Lead = document[..1], Tail = "!" });
        Assert.Equal(document, Texts(await trimming.GetResponseAsync(Hello, options)));
    }

    [Fact]
    public async Task An_answer_of_which_nothing_is_said_fills_the_context_or_the_smaller_cache()
    {
        var options = new ChatOptions { AdditionalProperties = new() { ["logit_bias"] = new Dictionary<int, double> { [End] = -100 } } };
        Assert.Equal(256, (await client.GetResponseAsync(Hello, options)).Usage!.TotalTokenCount);
        using var small = new InferenceEngine(tiny.Decoder, new EngineOptions { CacheTokens = 100 }, Tokenizer);
        Assert.Equal(112, (await new EngineChatClient(small, Render).GetResponseAsync(Hello, options)).Usage!.TotalTokenCount);     // whole blocks
    }

    private sealed record Person([property: Description("given name")] string Name, int Age, string[] Friends, bool? Happy);

    [Fact]
    public async Task A_response_format_is_kept_whatever_the_model_wants()
    {
        for (var seed = 0; seed < 5; seed++)
        {
            var options = new ChatOptions { Seed = seed, MaxOutputTokens = 120, ResponseFormat = ChatResponseFormat.ForJsonSchema<Person>(JsonSerializerOptions.Web) };
            var person = JsonSerializer.Deserialize<Person>(Texts(await client.GetResponseAsync(Hello, options)), JsonSerializerOptions.Web);
            Assert.NotNull(person!.Friends);
            options.ResponseFormat = ChatResponseFormat.Json;
            using var any = JsonDocument.Parse(Texts(await client.GetResponseAsync(Hello, options)));
            Assert.Equal(JsonValueKind.Object, any.RootElement.ValueKind);
        }
    }

    [Fact]
    public async Task Whoever_leaves_an_answer_frees_its_memory()
    {
        var options = new ChatOptions { Seed = 1, AdditionalProperties = new() { ["min_tokens"] = 100 } };
        using (var steps = new StepByStep(engine))
        {
            await using (var updates = client.GetStreamingResponseAsync(Hello, options).GetAsyncEnumerator())
            {
                var first = updates.MoveNextAsync();
                while (engine.Status.GeneratedTokens < 5) steps.Step();      // one of them has a text
                Assert.True(await first);
                Assert.Equal(1, engine.Status.Running);
            }
            Assert.Equal((0, 0, 0), (engine.Status.Waiting, engine.Status.Running, engine.Status.BlocksInUse));
        }
        using var cancel = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in client.GetStreamingResponseAsync(Hello, options, cancel.Token)) await cancel.CancelAsync();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.GetResponseAsync(Hello, options, cancel.Token));
        await client.GetResponseAsync(Hello, new ChatOptions { MaxOutputTokens = 2 });
        Assert.Equal((0, 0, 0), (engine.Status.Waiting, engine.Status.Running, engine.Status.BlocksInUse));
    }

    [Fact]
    public void The_client_says_what_it_is()
    {
        Assert.Same(client, client.GetService<IChatClient>());
        Assert.Same(engine, client.GetService<InferenceEngine>());
        Assert.Equal(("gpt35", "tiny"), (client.GetService<ChatClientMetadata>()!.ProviderName, client.GetService<ChatClientMetadata>()!.DefaultModelId));
        Assert.Null(client.GetService(typeof(IChatClient), "key"));
        Assert.Null(client.GetService<string>());
        Assert.Throws<ArgumentException>(() => new EngineChatClient(tiny.Engine(), Render));
    }

    public static TheoryData<string, ChatMessage[], ChatOptions?> Unsupported => new()
    {
        { "Message 1 holds DataContent", [new(ChatRole.User, "look"), new(ChatRole.User, [new DataContent("data:image/png;base64,AA==")])], null },
        { "Message 0 holds UriContent", [new(ChatRole.User, [new TextContent("look"), new UriContent("https://example.org/a.png", "image/png")])], null },
        { "Message 0 has the role \"tool\"", [new(ChatRole.Tool, "42")], null },
        { "Message 0 holds FunctionCallContent", [new(ChatRole.Assistant, [new FunctionCallContent("1", "f")])], null },
        { "calls no tools, and 1 is offered", Hello, new() { Tools = [AIFunctionFactory.Create(() => 42, "answer")] } },
        { "keeps no conversations, and \"c1\"", Hello, new() { ConversationId = "c1" } },
        { "The model \"gpt-4\" is asked for; this client has \"tiny\"", Hello, new() { ModelId = "gpt-4" } },
        { "has no messages", [], null },
        { "AdditionalProperties[\"min_p\"] is much; expected a number", Hello, new() { AdditionalProperties = new() { ["min_p"] = "much" } } },
        { "AdditionalProperties[\"priority\"] is 0.5; expected a whole number", Hello, new() { AdditionalProperties = new() { ["priority"] = 0.5 } } },
        { "AdditionalProperties[\"logit_bias\"] is", Hello, new() { AdditionalProperties = new() { ["logit_bias"] = new Dictionary<string, double> { ["a"] = 1 } } } },
        { "AdditionalProperties[\"adapter\"] is mine; expected a LoraAdapter", Hello, new() { AdditionalProperties = new() { ["adapter"] = "mine" } } },
        { "both a JSON response format and", Hello, new() { ResponseFormat = ChatResponseFormat.Json, AdditionalProperties = new() { ["regex"] = "a" } } },
        { "RawRepresentationFactory made a String; expected SamplingOptions", Hello, new() { RawRepresentationFactory = _ => "x" } },
        { "The temperature is -1", Hello, new() { Temperature = -1 } },
        { "\"oneOf\" at #/oneOf", Hello, new() { ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse("""{"oneOf":[]}""")) } },
    };

    [Theory]
    [MemberData(nameof(Unsupported), DisableDiscoveryEnumeration = true)]
    public async Task What_cannot_be_followed_is_refused_and_named(string message, ChatMessage[] messages, ChatOptions? options)
    {
        var exception = await Assert.ThrowsAnyAsync<Exception>(() => client.GetResponseAsync(messages, options));
        Assert.True(exception is NotSupportedException or ArgumentException or InvalidDataException);
        Assert.Contains(message, exception.Message);
    }

    [Fact]
    public async Task Instructions_come_first_developers_are_the_system_and_tools_that_are_not_to_be_called_do_no_harm()
    {
        ChatMessage[] messages = [new(new ChatRole("developer"), "be kind"), new(ChatRole.User, "hello there")];
        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 8, Instructions = "answer", ToolMode = ChatToolMode.None, Tools = [AIFunctionFactory.Create(() => 42, "answer")] };
        Assert.Equal(Plain([new(ChatRole.System, "answer"), .. Hello], new SamplingOptions { Temperature = 0, MaxTokens = 8 }).Text, Texts(await client.GetResponseAsync(messages, options)));
    }
}

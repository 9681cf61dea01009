using System.Text.Json;
using Gpt35.Tokenization;
using Microsoft.Extensions.AI;

namespace Gpt35.Inference.Tests.Chat;

public sealed class ChatRequestsTests
{
    private static readonly Tokenizer Tokenizer = BpeTrainer.Train(["some text"], new BpeTrainerOptions { VocabSize = 270 });
    private static readonly ChatPrompt Prompt = new([1, 2, 3], [9]);

    private readonly ChatRequests requests = new(Tokenizer);

    private static string Show(GenerationRequest request)
    {
        var options = request.Options;
        return string.Join("; ", string.Join(' ', request.Prompt), request.Tenant, request.Priority, options.Temperature, options.TopP, options.TopK, options.MinP, options.FrequencyPenalty, options.PresencePenalty,
            string.Join(' ', options.LogitBias), options.MaxTokens, options.MinTokens, string.Join(' ', options.StopTokens), string.Join(' ', options.StopStrings), options.Seed, options.TopLogProbs, options.Constraint is null);
    }

    [Fact]
    public void Every_option_has_its_place_as_objects_and_as_json()
    {
        const string Expected = "1 2 3; me; 2; 0.7; 0.9; 40; 0.05; 0.3; -0.2; [5, -1.5] [6, 100]; 77; 3; 9; a b; 18446744073709551615; 4; False";
        var options = new ChatOptions
        {
            Temperature = 0.7f,
            TopP = 0.9f,
            TopK = 40,
            FrequencyPenalty = 0.3f,
            PresencePenalty = -0.2f,
            MaxOutputTokens = 77,
            StopSequences = ["a", "b"],
            Seed = -1,
            ResponseFormat = ChatResponseFormat.Json,
            AdditionalProperties = new()
            {
                ["min_p"] = 0.05f,
                ["min_tokens"] = 3L,
                ["logit_bias"] = new Dictionary<int, double> { [5] = -1.5, [6] = 100 },
                ["top_logprobs"] = 4,
                ["tenant"] = "me",
                ["priority"] = 2,
                ["unknown"] = new object(),
            },
        };
        Assert.Equal(Expected, Show(requests.Read(Prompt, options, null, 100)));
        options.AdditionalProperties = JsonSerializer.Deserialize<AdditionalPropertiesDictionary>(
            """{"min_p":0.05,"min_tokens":3,"logit_bias":{"5":-1.5,"6":100},"top_logprobs":4,"tenant":"me","priority":2,"regex":null}""")!;
        Assert.Equal(Expected, Show(requests.Read(Prompt, options, null, 100)));
    }

    [Fact]
    public void What_is_not_said_is_taken_from_the_callers_own_options_and_else_is_the_usual()
    {
        var own = new SamplingOptions { Temperature = 0.2, TopK = 7, MinP = 0.1, MaxTokens = 5, Seed = 3, StopTokens = [9, 11], StopStrings = ["x"], LogitBias = new Dictionary<int, double> { [1] = 1 } };
        Assert.Equal("1 2 3; ; 0; 0.2; 1; 7; 0.1; 0; 0; [1, 1]; 5; 0; 9 11; x; 3; ; True", Show(requests.Read(Prompt, new ChatOptions(), own, 100)));
        Assert.Equal("1 2 3; ; 0; 0.5; 1; 7; 0.1; 0; 0; [1, 1]; 5; 0; 9 11; ; 3; ; True", Show(requests.Read(Prompt, new ChatOptions { Temperature = 0.5f, StopSequences = [] }, own, 100)));
        var usual = requests.Read(Prompt, null, null, 100).Options;
        Assert.Equal((1, 1, 0, 97), (usual.Temperature, usual.TopP, usual.TopK, usual.MaxTokens));
        Assert.NotEqual(usual.Seed, requests.Read(Prompt, null, null, 100).Options.Seed);
    }

    [Fact]
    public void A_form_is_compiled_once()
    {
        var options = new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse("""{"type":"integer"}""")) };
        var first = requests.Read(Prompt, options, null, 100).Options.Constraint;
        Assert.Same(first, requests.Read(Prompt, options, null, 100).Options.Constraint);
        for (var i = 0; i < 40; i++) requests.Read(Prompt, new ChatOptions { AdditionalProperties = new() { ["regex"] = $"a{{{i}}}b" } }, null, 100);
        var again = requests.Read(Prompt, options, null, 100).Options.Constraint;
        Assert.NotSame(first, again);                                   // what many others asked for meanwhile is made anew
        Assert.True(again!.Accepts("12"));
    }
}

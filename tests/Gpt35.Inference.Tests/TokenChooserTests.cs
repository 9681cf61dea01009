namespace Gpt35.Inference.Tests;

/// <summary>What a completion's own history changes: penalties, bias, lengths, reports.</summary>
public sealed class TokenChooserTests
{
    private static readonly float[] Logits = [MathF.Log(0.3f), MathF.Log(0.5f), MathF.Log(0.2f)];

    private static TokenChooser Chooser(SamplingOptions options, int vocabSize = 3, int room = 20, int stream = 0) =>
        new(options, new SamplerMemories(vocabSize), stream, room, null);

    private static int[] Tokens(SamplingOptions options, int count, float[]? logits = null)
    {
        var chooser = Chooser(options, (logits ?? Logits).Length, count);
        return [.. Enumerable.Range(0, count).Select(_ => chooser.Next(logits ?? Logits, out var _))];
    }

    private static SamplingOptions Greedy => new() { Temperature = 0 };

    [Fact]
    public void A_presence_penalty_is_paid_once_and_a_frequency_penalty_every_time()
    {
        // ln 0.5 = −0.69, ln 0.3 = −1.20, ln 0.2 = −1.61: the second falls behind after one penalty of 0.6, the first then after one, too.
        Assert.Equal([1, 0, 1, 1, 1], Tokens(Greedy with { PresencePenalty = 0.6 }, 5));
        // With counts c the scores are −0.69 − 0.6 c1, −1.20 − 0.6 c0, −1.61 − 0.6 c2.
        Assert.Equal([1, 0, 1, 2, 0, 1], Tokens(Greedy with { FrequencyPenalty = 0.6 }, 6));
        Assert.Equal([1, 1, 1, 1, 1], Tokens(Greedy with { FrequencyPenalty = -1, PresencePenalty = -1 }, 5));
    }

    [Fact]
    public void A_bias_is_added_to_the_logits_and_leaves_log_probabilities_alone()
    {
        var chooser = Chooser(Greedy with { LogitBias = new Dictionary<int, double> { [2] = 100, [1] = -100 } });
        Assert.Equal(2, chooser.Next(Logits, out var logProb));
        Assert.Equal(Math.Log(0.2), logProb, 1e-6);
    }

    [Fact]
    public void Stop_tokens_wait_for_the_minimum_length()
    {
        var chooser = Chooser(Greedy with { StopTokens = [1], MinTokens = 2 });
        Assert.Equal(0, chooser.Next(Logits, out _));
        Assert.Equal(0, chooser.Next(Logits, out _));
        Assert.Null(chooser.Finish);
        Assert.Equal(1, chooser.Next(Logits, out _));
        Assert.Equal(FinishReason.Stop, chooser.Finish);
    }

    [Fact]
    public void Reports_are_of_the_models_own_distribution_with_the_same_bits_for_the_chosen_token()
    {
        var options = new SamplingOptions
        {
            Temperature = 0.3,
            TopK = 2,
            MinP = 0.2,
            PresencePenalty = 1,
            LogitBias = new Dictionary<int, double> { [0] = 3 },
            TopLogProbs = 2,
            MaxTokens = 8,
        };
        var chooser = Chooser(options, room: 8);
        int[] tokens = [.. Enumerable.Range(0, 8).Select(_ => chooser.Next(Logits, out var _))];
        var report = chooser.Report!;
        for (var place = 0; place < 8; place++)
        {
            Assert.Equal([1, 0], report.Top[place].Select(top => top.Token));
            Assert.Equal(Math.Log(0.5), report.Top[place][0].LogProb, 1e-6);
            Assert.Equal(Math.Log(0.3), report.Top[place][1].LogProb, 1e-6);
            foreach (var top in report.Top[place])
                if (top.Token == tokens[place]) Assert.Equal(top.LogProb, report.Chosen[place]);
        }
        Assert.Null(Chooser(new()).Report);
        var alone = Chooser(new() { TopLogProbs = 0 });
        alone.Next(Logits, out var logProb);
        Assert.Empty(alone.Report!.Top[0]);
        Assert.Equal(logProb, alone.Report.Chosen[0]);
    }

    [Fact]
    public void Min_p_keeps_what_is_likely_enough_beside_the_likeliest()
    {
        var sampler = new Sampler(new() { MinP = 0.5 }, 3);
        var drawn = Enumerable.Range(0, 800).Select(i => sampler.Next(Logits, (i + 0.5) / 800, out _)).ToList();
        Assert.Equal(300, drawn.Count(token => token == 0));   // 0.3 / 0.8
        Assert.Equal(500, drawn.Count(token => token == 1));
    }

    [Fact]
    public void A_token_with_everything_asked_for_allocates_nothing()
    {
        var logits = Enumerable.Range(0, 3000).Select(id => MathF.Sin(id) * 3).ToArray();
        var chooser = Chooser(new()
        {
            TopP = 0.99,
            MinP = 0.001,
            PresencePenalty = 0.5,
            FrequencyPenalty = 0.1,
            LogitBias = new Dictionary<int, double> { [3] = 1 },
            TopLogProbs = 5,
            StopTokens = [2999],
            MinTokens = 60,
            MaxTokens = 64,
        }, 3000, 64);
        for (var i = 0; i < 30; i++) chooser.Next(logits, out _);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 30; i++) chooser.Next(logits, out _);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Requests_with_options_of_their_own_give_the_same_together_and_alone()
    {
        using var tiny = new TinyModel();
        var prompts = tiny.Prompts(5, 1, 9, 3);
        GenerationRequest[] requests =
        [
            new(prompts[0], new() { Seed = 1, FrequencyPenalty = 1.5, TopP = 0.9, MaxTokens = 12 }),
            new(prompts[1], new() { Seed = 2, MinP = 0.05, TopLogProbs = 3, MaxTokens = 20 }, 4),
            new(prompts[2], new() { Temperature = 0, PresencePenalty = 2, MaxTokens = 7 }),
            new(prompts[3], new() { Seed = 1, LogitBias = new Dictionary<int, double> { [7] = 4 }, StopTokens = [7], MinTokens = 3, MaxTokens = 15 }),
        ];
        var together = tiny.Engine(3).Generate(requests);
        for (var i = 0; i < requests.Length; i++)
        {
            var alone = tiny.Engine().Generate([requests[i]])[0];
            Assert.Equal(alone.Tokens, together[i].Tokens);
            Assert.Equal(alone.LogProbs, together[i].LogProbs);
            Assert.Equal(alone.TokenLogProbs?.Chosen, together[i].TokenLogProbs?.Chosen);
        }
        Assert.Equal(20, together[1].TokenLogProbs!.Top.Length);
        Assert.Contains("names the id 50", Assert.Throws<ArgumentException>(() => tiny.Engine().Generate(prompts, new() { StopTokens = [50] })).Message);
        Assert.Contains("without a tokenizer", Assert.Throws<ArgumentException>(() => tiny.Engine().Generate(prompts, new() { StopStrings = ["x"] })).Message);
    }

    public static TheoryData<SamplingOptions, string> Invalid => new()
    {
        { new() { MinP = 1.1 }, "Min-p is 1.1" },
        { new() { PresencePenalty = 2.5 }, "The presence penalty is 2.5" },
        { new() { FrequencyPenalty = double.NaN }, "The frequency penalty is NaN" },
        { new() { LogitBias = new Dictionary<int, double> { [4] = 101 } }, "The logit bias of token 4 is 101" },
        { new() { LogitBias = new Dictionary<int, double> { [-1] = 1 } }, "The logit bias of token -1" },
        { new() { MinTokens = 65 }, "The fewest tokens to generate are 65" },
        { new() { StopStrings = ["a", ""] }, "A stop string is empty" },
        { new() { TopLogProbs = 21 }, "The most likely tokens to report are 21" },
    };

    [Theory, MemberData(nameof(Invalid), DisableDiscoveryEnumeration = true)]
    public void Options_out_of_range_are_named(SamplingOptions options, string message) =>
        Assert.StartsWith(message, Assert.Throws<InvalidDataException>(options.Validate).Message);
}

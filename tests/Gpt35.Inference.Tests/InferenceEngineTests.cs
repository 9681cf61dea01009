using Gpt35.Model;

namespace Gpt35.Inference.Tests;

public sealed class InferenceEngineTests : IDisposable
{
    private static readonly SamplingOptions Greedy = new() { Temperature = 0, MaxTokens = 12 };
    private static readonly SamplingOptions Sampled = new() { Temperature = 0.8, TopK = 20, TopP = 0.95, MaxTokens = 12, Seed = 5 };

    private readonly TinyModel tiny = new();

    public void Dispose() => tiny.Dispose();

    private static void AssertSame(Completion expected, Completion actual)
    {
        Assert.Equal(expected.Tokens, actual.Tokens);
        Assert.Equal(expected.LogProbs, actual.LogProbs);
        Assert.Equal(expected.Finish, actual.Finish);
    }

    [Fact]
    public void Seven_prompts_of_different_lengths_give_the_same_together_and_one_by_one()
    {
        var prompts = tiny.Prompts(5, 1, 9, 3, 17, 2, 12);
        var together = tiny.Engine().Generate(prompts, Greedy);
        Assert.Equal(7, together.Length);
        for (var i = 0; i < prompts.Length; i++) AssertSame(tiny.Engine().Generate([prompts[i]], Greedy)[0], together[i]);
        Assert.True(together.Select(completion => string.Join(' ', completion.Tokens)).Distinct().Count() > 1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(7)]
    public void The_number_of_slots_changes_nothing(int maxBatch)
    {
        var prompts = tiny.Prompts(5, 1, 9, 3, 30, 2, 12, 8, 8, 31);
        var options = Sampled with { StopTokens = [4, 11, 23] };
        var expected = tiny.Engine(64).Generate(prompts, options);
        var actual = tiny.Engine(maxBatch).Generate(prompts, options);
        for (var i = 0; i < prompts.Length; i++) AssertSame(expected[i], actual[i]);
    }

    [Fact]
    public void More_prompt_tokens_than_one_step_takes_up_are_spread_over_steps()
    {
        var prompts = tiny.Prompts([.. Enumerable.Range(0, 120).Select(i => 20 + i % 7)]);   // about 2,760 tokens
        var expected = tiny.Engine(3).Generate(prompts, Sampled with { MaxTokens = 3 });
        var actual = tiny.Engine(120).Generate(prompts, Sampled with { MaxTokens = 3 });
        for (var i = 0; i < prompts.Length; i++) AssertSame(expected[i], actual[i]);
    }

    [Fact]
    public void The_same_seed_gives_the_same_text_and_another_seed_another()
    {
        var prompts = tiny.Prompts(4, 4);
        var first = tiny.Engine().Generate(prompts, Sampled);
        AssertSame(first[0], tiny.Engine().Generate(prompts, Sampled)[0]);
        Assert.NotEqual(first[0].Tokens, tiny.Engine().Generate(prompts, Sampled with { Seed = 6 })[0].Tokens);
        Assert.NotEqual(first[0].Tokens, tiny.Engine().Generate([prompts[0], prompts[0]], Sampled)[1].Tokens);
    }

    [Fact]
    public void A_stop_token_ends_the_completion_and_is_its_last()
    {
        var prompts = tiny.Prompts(4, 6);
        var free = tiny.Engine().Generate(prompts, Greedy);
        var stop = free[0].Tokens[3];
        var length = Array.IndexOf(free[0].Tokens, stop) + 1;
        var stopped = tiny.Engine().Generate(prompts, Greedy with { StopTokens = [stop] })[0];
        Assert.Equal(free[0].Tokens[..length], stopped.Tokens);
        Assert.Equal(free[0].LogProbs[..length], stopped.LogProbs);
        Assert.Equal(FinishReason.Stop, stopped.Finish);
        Assert.Equal(FinishReason.Length, free[0].Finish);
    }

    [Fact]
    public void A_stop_token_in_the_last_place_counts_as_a_stop()
    {
        var prompts = tiny.Prompts(4);
        var first = tiny.Engine().Generate(prompts, Greedy with { MaxTokens = 1 })[0];
        Assert.Equal(FinishReason.Length, first.Finish);
        Assert.Equal(FinishReason.Stop, tiny.Engine().Generate(prompts, Greedy with { MaxTokens = 1, StopTokens = first.Tokens })[0].Finish);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void Never_more_tokens_than_asked_for(int maxTokens)
    {
        var completion = tiny.Engine().Generate(tiny.Prompts(4), Greedy with { MaxTokens = maxTokens })[0];
        Assert.Equal(maxTokens, completion.Tokens.Length);
        Assert.Equal(maxTokens, completion.LogProbs.Length);
        Assert.Equal(FinishReason.Length, completion.Finish);
    }

    [Fact]
    public void The_end_of_the_context_ends_the_completion()
    {
        var prompts = tiny.Prompts(TinyModel.Context - 5, TinyModel.Context - 1, 3);
        var completions = tiny.Engine().Generate(prompts, Greedy with { MaxTokens = 1000 });
        Assert.Equal([5, 1, TinyModel.Context - 3], completions.Select(completion => completion.Tokens.Length));
        Assert.All(completions, completion => Assert.Equal(FinishReason.Length, completion.Finish));
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.7)]
    [InlineData(1.3)]
    public void Log_probabilities_are_those_of_the_training_forward_pass(double temperature)
    {
        var prompts = tiny.Prompts(5, 1, 9);
        var completions = tiny.Engine().Generate(prompts, Sampled with { Temperature = temperature });
        var batch = new TokenBatchBuilder();
        for (var i = 0; i < prompts.Length; i++) batch.AddCompletion([.. prompts[i], .. completions[i].Tokens], prompts[i].Length);
        var scores = tiny.Decoder.Forward(batch.Build(), new ForwardRequest { LogProb = true, Temperature = temperature == 0 ? 1 : (float)temperature });
        var generated = completions.SelectMany(completion => completion.LogProbs).ToArray();
        Assert.Equal(generated.Length, scores.LogProb.Length);
        for (var i = 0; i < generated.Length; i++) Assert.Equal(scores.LogProb[i], generated[i], 1e-5f);
    }

    [Fact]
    public void Cancelling_stops_a_set_of_prompts() =>
        Assert.Throws<OperationCanceledException>(() => tiny.Engine().Generate(tiny.Prompts(3), Greedy, new CancellationToken(canceled: true)));

    [Fact]
    public void Prompts_the_model_cannot_take_are_refused_before_anything_runs()
    {
        Assert.Empty(tiny.Engine().Generate([], Greedy));
        var full = tiny.Prompts(TinyModel.Context)[0];
        Assert.Contains("Prompt 1 is empty", Assert.Throws<ArgumentException>(() => tiny.Engine().Generate([[1], []], Greedy)).Message);
        Assert.Contains("Prompt 0 has 32 tokens and the model's context 32", Assert.Throws<ArgumentException>(() => tiny.Engine().Generate([full], Greedy)).Message);
        Assert.Contains("holds the id 50", Assert.Throws<ArgumentException>(() => tiny.Engine().Generate([[1, 50]], Greedy)).Message);
        using var engine = tiny.Engine();
        Assert.Throws<ArgumentException>(() => { engine.Submit(new GenerationRequest(full, Greedy)); });
        Assert.Throws<ArgumentException>(() => engine.StreamAsync(new GenerationRequest([1], Greedy with { MaxTokens = 0 })));
        Assert.Throws<ArgumentOutOfRangeException>(() => tiny.Engine(0));
    }
}

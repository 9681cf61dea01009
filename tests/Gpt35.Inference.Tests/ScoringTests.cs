using Gpt35.Inference.Scheduling;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Tests;

public sealed class ScoringTests : IDisposable
{
    private readonly TinyModel tiny = new();

    public void Dispose() => tiny.Dispose();

    [Fact]
    public void Scores_are_the_log_probabilities_of_the_training_forward_pass()
    {
        ScoringRequest[] requests = [.. tiny.Prompts(5, 2, 32, 3, 17).Select((text, i) => new ScoringRequest(text, 1 + i % text.Length)), new([7]), new([7, 8], 2)];
        var batch = new TokenBatchBuilder();
        foreach (var request in requests[..5]) batch.AddCompletion(request.Text, request.First);
        var expected = tiny.Decoder.Forward(batch.Build(), new ForwardRequest { LogProb = true }).LogProb.ToArray();
        var found = tiny.Engine().Score(requests);
        Assert.Equal(requests.Select(request => request.Text.Length - request.First), found.Select(scores => scores.Chosen.Length));
        var together = found.SelectMany(scores => scores.Chosen).ToArray();
        Assert.Equal(expected, together);
    }

    [Fact]
    public void A_texts_scores_have_the_bits_of_its_generation_alone_and_in_company_read_at_once_and_in_pieces()
    {
        var prompts = tiny.Prompts(5, 1, 9, 20);
        var completions = tiny.Engine().Generate(prompts, new SamplingOptions { MaxTokens = 12, Seed = 3, TopLogProbs = 4 });
        ScoringRequest[] requests = [.. prompts.Zip(completions, (prompt, completion) => new ScoringRequest([.. prompt, .. completion.Tokens], prompt.Length) { TopLogProbs = 4 })];
        Assert.NotEqual(completions[3].TokenLogProbs!.Chosen, new InferenceEngine(tiny.Decoder, new EngineOptions { CachePrecision = KvPrecision.Int8 }).Score(requests)[3].Chosen);
        foreach (var options in (EngineOptions[])[new(), new() { MaxSequences = 3, TokensPerStep = 7 }, new() { MaxSequences = 1, TokensPerStep = 1 }])
            foreach (var (scores, completion) in new InferenceEngine(tiny.Decoder, options).Score(requests).Zip(completions))
            {
                Assert.Equal(completion.TokenLogProbs!.Chosen, scores.Chosen);
                Assert.Equal(completion.TokenLogProbs.Top, scores.Top);
            }
    }

    [Theory]
    [InlineData(KvPrecision.BF16)]
    [InlineData(KvPrecision.Int8)]
    public void Over_a_reduced_cache_too_scores_are_those_of_the_generation_alone_and_in_company(KvPrecision precision)
    {
        var prompts = tiny.Prompts(20, 1, 9);
        var sampling = new SamplingOptions { MaxTokens = 12, Seed = 3, TopLogProbs = 0 };
        var alone = prompts.Select((prompt, i) => new InferenceEngine(tiny.Decoder, new EngineOptions { CachePrecision = precision }).Generate([new GenerationRequest(prompt, sampling, i)])[0]).ToArray();
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions { CachePrecision = precision, MaxSequences = 3, TokensPerStep = 7 });
        Assert.Equal(alone.Select(completion => completion.Tokens), engine.Generate(prompts, sampling).Select(completion => completion.Tokens));
        var scores = engine.Score([.. prompts.Zip(alone, (prompt, completion) => new ScoringRequest([.. prompt, .. completion.Tokens], prompt.Length))]);
        Assert.Equal(alone.Select(completion => completion.TokenLogProbs!.Chosen), scores.Select(found => found.Chosen));
    }

    [Fact]
    public void A_text_is_scored_as_its_adapters_own_model_scores_it()
    {
        LoraAdapter Adapter(ModelConfig config)
        {
            var adapter = LoraAdapter.Create(config, new LoraConfig { Rank = 2, Alpha = 4, Targets = [LoraTarget.CAttn] }, seed: 1);
            for (var i = 0; i < adapter.Parameters.Values.Length; i++) adapter.Parameters.Values[i] += 0.3f * CounterRandom.Normal(1, (ulong)i);
            return adapter;
        }
        using var adapter = Adapter(tiny.Decoder.Config);
        using var adapted = tiny.Decoder.WithAdapter(Adapter(tiny.Decoder.Config));
        var text = tiny.Prompts(12)[0];
        var found = tiny.Engine().Score([new ScoringRequest(text) { Adapter = adapter }, new ScoringRequest(text)]);
        Assert.Equal(new InferenceEngine(adapted).Score([text])[0].Chosen, found[0].Chosen);
        Assert.Equal(tiny.Engine().Score([text])[0].Chosen, found[1].Chosen);
        Assert.NotEqual(found[0].Chosen, found[1].Chosen);
        using var wide = Adapter(tiny.Decoder.Config with { HiddenSize = 32 });
        Assert.Contains("hidden_size 32 instead of 16", Assert.Throws<ArgumentException>(() => tiny.Engine().Score([new ScoringRequest(text) { Adapter = wide }])).Message);
    }

    [Fact]
    public void What_cannot_be_scored_is_refused()
    {
        var engine = tiny.Engine();
        Assert.Empty(engine.Score(Array.Empty<int[]>()));
        Assert.Contains("from token 3 on; expected 1 to its length, 2", Assert.Throws<ArgumentException>(() => engine.Score([new ScoringRequest([1, 2], 3)])).Message);
        Assert.Contains("from token 0 on", Assert.Throws<ArgumentException>(() => engine.Score([new ScoringRequest([1, 2], 0)])).Message);
        Assert.Contains("are 21", Assert.Throws<ArgumentException>(() => engine.Score([new ScoringRequest([1, 2]) { TopLogProbs = 21 }])).Message);
        Assert.Contains("Text 1 has 33 tokens", Assert.Throws<ArgumentException>(() => engine.Score([[1], new int[33]])).Message);
        tiny.Decoder.Parameters.ValuesOf(tiny.Decoder.Parameters["ln_f.weight"])[0] = float.NaN;
        Assert.Contains("diverged", Assert.Throws<InvalidDataException>(() => engine.Score([[1, 2]])).Message);
    }

    [Fact]
    public void Those_who_wait_go_before_one_who_comes_again()
    {
        var turns = new Turns();
        List<int> order = [];
        var first = turns.Take();
        var waiting = new Thread(() => { using (turns.Take()) lock (order) order.Add(1); });
        waiting.Start();
        SpinWait.SpinUntil(() => turns.Count == 2);
        first.Dispose();
        using (turns.Take()) lock (order) order.Add(2);
        waiting.Join();
        Assert.Equal([1, 2], order);
    }
}

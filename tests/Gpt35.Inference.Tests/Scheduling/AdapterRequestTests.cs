using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Tests.Scheduling;

/// <summary>Requests for several adapters over one base.</summary>
public sealed class AdapterRequestTests : IDisposable
{
    private readonly TinyModel tiny = new(context: 96);

    public void Dispose() => tiny.Dispose();

    [Theory]
    [InlineData(WeightPrecision.F32)]
    [InlineData(WeightPrecision.Int8)]
    public void A_request_is_answered_as_its_adapters_own_model_answers_it_whoever_began_alike(WeightPrecision precision)
    {
        using var reduced = precision == WeightPrecision.F32 ? null : tiny.Decoder.Reduce(precision);
        var model = reduced ?? tiny.Decoder;
        using LoraAdapter first = Adapter(1), second = Adapter(2);
        using Decoder withFirst = model.WithAdapter(Adapter(1)), withSecond = model.WithAdapter(Adapter(2));
        (LoraAdapter? Adapter, Decoder Model)[] kinds = [(null, model), (first, withFirst), (second, withSecond)];
        int[] prompt = [.. Engines.Ids(new Random(1), model.Config, 40)];          // one prompt for all: whole blocks of it are remembered
        GenerationRequest[] requests =
        [
            .. Enumerable.Range(0, 12).Select(i => new GenerationRequest(prompt, new SamplingOptions { MaxTokens = 12, Seed = 3 }, i / 3) { Adapter = kinds[i % 3].Adapter, Samples = 1 + i % 2 }),
        ];
        var expected = requests.SelectMany((request, i) => Enumerable.Range(0, request.Samples).Select(sample => Engines.Alone(kinds[i % 3].Model, request, sample))).ToArray();
        Assert.True(expected.Select(tokens => string.Join(' ', tokens)).Distinct().Count() > 9);

        using var engine = new InferenceEngine(model, new EngineOptions { MaxSequences = 8, TokensPerStep = 24 });
        engine.Submit(new GenerationRequest(prompt, new SamplingOptions { MaxTokens = 1 })).Cancel();   // from now on beginnings are remembered from set to set
        for (var round = 0; round < 2; round++)
            Assert.Equal(expected, engine.Generate(requests, TestContext.Current.CancellationToken).Select(completion => completion.Tokens));
        Assert.True(engine.Status.CachedTokens > 0);
    }

    [Fact]
    public async Task An_adapter_that_does_not_fit_is_refused_before_it_can_end_the_requests_of_others()
    {
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions());
        var other = engine.CompleteAsync(new GenerationRequest([1, 2, 3], new SamplingOptions { MaxTokens = 60 }), TestContext.Current.CancellationToken);
        using var wide = Adapter(1, tiny.Decoder.Config with { HiddenSize = 32 });
        var request = new GenerationRequest([1, 2, 3], new SamplingOptions()) { Adapter = wide };
        Assert.Contains("hidden_size 32 instead of 16", Assert.Throws<ArgumentException>(() => engine.Submit(request)).Message);
        Assert.Throws<ArgumentException>(() => engine.Generate([request]));
        var gone = Adapter(1);
        gone.Dispose();
        Assert.Throws<ObjectDisposedException>(() => engine.Submit(request with { Adapter = gone }));
        Assert.Equal(60, (await other)[0].Tokens.Length);
    }

    [Fact]
    public async Task Requests_under_way_end_with_an_adapter_that_is_disposed_of_meanwhile_and_new_ones_are_refused()
    {
        var gone = Adapter(1);
        using var kept = Adapter(2);
        using Decoder withGone = tiny.Decoder.WithAdapter(Adapter(1)), withKept = tiny.Decoder.WithAdapter(Adapter(2));
        GenerationRequest Request(LoraAdapter? adapter, int stream) => new([1, 2, 3], new SamplingOptions { MaxTokens = 30, Seed = 9 }, stream) { Adapter = adapter };
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions { MaxSequences = 4, TokensPerStep = 8 });
        var generations = new List<Generation>();
        using (var hold = new StepByStep(engine))
        {
            generations = [.. new[] { gone, kept, null, gone, gone, gone }.Select((adapter, i) => engine.Submit(Request(adapter, i)))];
            hold.Step();
            hold.Step();
            generations[3].Cancel();
            gone.Dispose();
            gone.Dispose();
            Assert.Throws<ObjectDisposedException>(() => { engine.Submit(Request(gone, 0)); });
            Assert.Throws<ObjectDisposedException>(() => engine.Embed([[1]], adapter: gone));
            Assert.False(gone.Parameters.Values.IsEmpty);                                     // its memory is still there …
        }
        Decoder[] models = [withGone, withKept, tiny.Decoder, withGone, withGone, withGone];
        foreach (var (i, generation) in generations.Index().Where(one => one.Index != 3))
            Assert.Equal(Engines.Alone(models[i], Request(null, i)), (await generation.Completions)[0].Tokens);
        Assert.Throws<ObjectDisposedException>(() => gone.Parameters.Values.Clear());                 // … and gone with the last of them
        Assert.Throws<ObjectDisposedException>(() => engine.Generate([Request(gone, 0)], TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task An_adapter_is_not_changed_while_a_request_uses_it_and_its_new_numbers_are_used_afterwards()
    {
        using var adapter = Adapter(1);
        var request = new GenerationRequest([.. Enumerable.Range(1, 20)], new SamplingOptions { MaxTokens = 5 }) { Adapter = adapter };
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions());
        var before = (await engine.CompleteAsync(request, TestContext.Current.CancellationToken))[0].LogProbs;
        using (var hold = new StepByStep(engine))
        {
            var generation = engine.Submit(request);
            hold.Step();
            Assert.Throws<InvalidOperationException>(() => { adapter.Parameters.BeginChange(); });
            generation.Cancel();
        }
        using (adapter.Parameters.BeginChange())
            foreach (ref var value in adapter.Parameters.Values) value *= 2;
        var cached = engine.Status.CachedTokens;
        Assert.NotEqual(before, (await engine.CompleteAsync(request, TestContext.Current.CancellationToken))[0].LogProbs);
        Assert.Equal(cached, engine.Status.CachedTokens);
    }

    [Fact]
    public async Task Engines_over_two_models_share_an_adapter()
    {
        using var adapter = Adapter(1);
        using var copy = tiny.Decoder.Merge();
        GenerationRequest[] requests = [.. Enumerable.Range(0, 6).Select(i => new GenerationRequest([1, 2, 3], new SamplingOptions { MaxTokens = 40, Seed = 9 }, i) { Adapter = adapter })];
        using InferenceEngine first = new(tiny.Decoder, new EngineOptions()), second = new(copy, new EngineOptions());
        var expected = first.Generate(requests, TestContext.Current.CancellationToken).Select(completion => completion.Tokens).ToArray();
        var found = await Task.WhenAll(new[] { first, second }.Select(engine => Task.Run(() => engine.Generate(requests, TestContext.Current.CancellationToken), TestContext.Current.CancellationToken)));
        Assert.All(found, completions => Assert.Equal(expected, completions.Select(completion => completion.Tokens)));
    }

    private LoraAdapter Adapter(ulong seed, ModelConfig? config = null)
    {
        var adapter = LoraAdapter.Create(config ?? tiny.Decoder.Config, new LoraConfig { Rank = 2, Alpha = 4, Targets = [LoraTarget.CAttn, LoraTarget.Down] }, seed);
        var values = adapter.Parameters.Values;
        for (var i = 0; i < values.Length; i++) values[i] += 0.3f * CounterRandom.Normal(seed, (ulong)i);
        return adapter;
    }
}

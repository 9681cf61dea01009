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

    private LoraAdapter Adapter(ulong seed, ModelConfig? config = null)
    {
        var adapter = LoraAdapter.Create(config ?? tiny.Decoder.Config, new LoraConfig { Rank = 2, Alpha = 4, Targets = [LoraTarget.CAttn, LoraTarget.Down] }, seed);
        var values = adapter.Parameters.Values;
        for (var i = 0; i < values.Length; i++) values[i] += 0.3f * CounterRandom.Normal(seed, (ulong)i);
        return adapter;
    }
}

using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Tests;

public sealed class EmbeddingTests : IDisposable
{
    private readonly TinyModel tiny = new();

    public void Dispose() => tiny.Dispose();

    [Theory]
    [InlineData(WeightPrecision.F32, Pooling.Mean)]
    [InlineData(WeightPrecision.F32, Pooling.LastToken)]
    [InlineData(WeightPrecision.BF16, Pooling.Mean)]
    [InlineData(WeightPrecision.Int8, Pooling.Mean)]
    [InlineData(WeightPrecision.Int4, Pooling.LastToken)]
    public void A_text_has_the_same_vector_alone_and_in_company_read_at_once_and_in_pieces(WeightPrecision precision, Pooling pooling)
    {
        using var pool = new WorkerPool(2);
        using var model = Decoder.CreateRandom(tiny.Decoder.Config with { HiddenSize = 32, IntermediateSize = 128 }, precision, seed: 5, pool);
        var texts = tiny.Prompts(5, 1, 32, 3, 17, 2, 12, 31);
        var alone = texts.Select(text => new InferenceEngine(model).Embed([text], pooling)[0]).ToArray();
        foreach (var options in (EngineOptions[])[new(), new() { MaxSequences = 3, TokensPerStep = 7 }, new() { MaxSequences = 1, TokensPerStep = 1 }])
            Assert.Equal(alone, new InferenceEngine(model, options).Embed(texts, pooling));
        Assert.Equal(texts.Length, alone.Select(vector => string.Join(' ', vector)).Distinct().Count());
        Assert.All(alone, vector => Assert.Equal(1, vector.Sum(value => (double)value * value), 1e-6));
    }

    [Fact]
    public void The_last_state_is_what_the_vocabulary_projection_reads_and_the_mean_is_that_of_all_of_them()
    {
        var text = tiny.Prompts(9)[0];
        var engine = tiny.Engine();
        var beginnings = Enumerable.Range(1, text.Length).Select(length => text[..length]).ToArray();
        var states = engine.Embed(beginnings, Pooling.LastToken, normalize: false);
        var mean = engine.Embed([text], Pooling.Mean, normalize: false)[0];
        for (var i = 0; i < mean.Length; i++) Assert.Equal(states.Average(state => state[i]), mean[i], 1e-5f);

        var embedding = tiny.Decoder.Parameters.ValuesOf(tiny.Decoder.Parameters["wte.weight"]);        // tied to the output
        var scores = engine.Score([text])[0].Chosen;
        for (var place = 0; place < scores.Length; place++)
        {
            var logits = new double[tiny.Decoder.Config.VocabSize];
            for (var id = 0; id < logits.Length; id++)
                for (var i = 0; i < mean.Length; i++) logits[id] += states[place][i] * embedding[id * mean.Length + i];
            Assert.Equal(logits[text[place + 1]] - Math.Log(logits.Sum(Math.Exp)), scores[place], 1e-4);
        }
    }

    [Fact]
    public void With_an_adapter_a_text_has_the_vector_of_the_adapted_model()
    {
        var config = tiny.Decoder.Config;
        LoraAdapter Adapter()
        {
            var adapter = LoraAdapter.Create(config, new LoraConfig { Rank = 2, Alpha = 4, Targets = [LoraTarget.CAttn, LoraTarget.Down] }, 1);
            foreach (ref var value in adapter.Parameters.Values) value += 0.3f;
            return adapter;
        }
        using var adapter = Adapter();
        using var adapted = tiny.Decoder.WithAdapter(Adapter());
        var texts = tiny.Prompts(5, 1, 32);
        var found = tiny.Engine().Embed(texts, adapter: adapter);
        Assert.Equal(new InferenceEngine(adapted).Embed(texts), found);
        Assert.NotEqual(tiny.Engine().Embed(texts), found);
        Assert.Throws<ArgumentException>(() => new InferenceEngine(adapted).Embed(texts, adapter: adapter));
    }

    [Fact]
    public void Texts_that_cannot_be_read_are_refused_and_named()
    {
        var engine = tiny.Engine();
        Assert.Empty(engine.Embed([]));
        Assert.Contains("Text 1 is empty", Assert.Throws<ArgumentException>(() => engine.Embed([[1], []])).Message);
        Assert.Contains("Text 0 has 33 tokens and the model's context holds 32", Assert.Throws<ArgumentException>(() => engine.Embed([new int[33]])).Message);
        Assert.Contains("holds the id 50", Assert.Throws<ArgumentException>(() => engine.Embed([[1, 50]])).Message);
        Assert.Throws<OperationCanceledException>(() => engine.Embed([[1]], cancel: new CancellationToken(canceled: true)));
        tiny.Decoder.Parameters.ValuesOf(tiny.Decoder.Parameters["ln_f.weight"])[0] = float.NaN;
        Assert.Contains("diverged", Assert.Throws<InvalidDataException>(() => engine.Embed([[1, 2]], normalize: false)).Message);
    }

    [Fact]
    public void A_model_with_a_scalar_head_has_vectors_too_and_no_probabilities()
    {
        using var scorer = tiny.Decoder.CloneWithHead(1, 1);
        Assert.Equal(tiny.Engine().Embed([[1, 2, 3]]), new InferenceEngine(scorer).Embed([[1, 2, 3]]));
        Assert.Throws<InvalidOperationException>(() => new InferenceEngine(scorer).Score([[1, 2, 3]]));
    }
}

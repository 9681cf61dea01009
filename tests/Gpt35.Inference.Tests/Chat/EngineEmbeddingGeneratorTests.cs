using Gpt35.Model;
using Gpt35.Tokenization;
using Microsoft.Extensions.AI;

namespace Gpt35.Inference.Tests.Chat;

public sealed class EngineEmbeddingGeneratorTests : IDisposable
{
    private static readonly Tokenizer Tokenizer = BpeTrainer.Train(["some text to read"], new BpeTrainerOptions { VocabSize = 270 });

    private readonly TinyModel tiny = new(Tokenizer.VocabSize);
    private readonly InferenceEngine engine;
    private readonly EngineEmbeddingGenerator generator;

    public EngineEmbeddingGeneratorTests()
    {
        engine = new InferenceEngine(tiny.Decoder, 4, Tokenizer);
        generator = new EngineEmbeddingGenerator(engine, modelId: "tiny");
    }

    public void Dispose()
    {
        generator.Dispose();
        engine.Dispose();
        tiny.Dispose();
    }

    [Fact]
    public async Task Texts_are_read_as_documents_of_their_own()
    {
        string[] texts = ["some text", "", "to read"];
        var found = await generator.GenerateAsync(texts);
        var ids = texts.Select(text => (int[])[Tokenizer.EndOfText, .. Tokenizer.Encode(text)]).ToArray();
        Assert.Equal(engine.Embed(ids), found.Select(embedding => embedding.Vector.ToArray()));
        Assert.Equal(ids.Sum(text => text.Length), found.Usage!.InputTokenCount);
        Assert.All(found, embedding => Assert.Equal(("tiny", 16), (embedding.ModelId, embedding.Dimensions)));
        Assert.Equal(engine.Embed(ids, Pooling.LastToken)[2], (await new EngineEmbeddingGenerator(engine, Pooling.LastToken).GenerateVectorAsync("to read")).ToArray());
        Assert.Empty(await generator.GenerateAsync([]));
    }

    [Fact]
    public async Task An_adapter_comes_with_the_options()
    {
        using var adapter = LoraAdapter.Create(tiny.Decoder.Config, new LoraConfig { Rank = 2, Alpha = 4, Targets = [LoraTarget.CAttn] }, 1);
        foreach (ref var value in adapter.Parameters.Values) value += 0.3f;
        var found = await generator.GenerateVectorAsync("some text", new() { AdditionalProperties = new() { ["adapter"] = adapter } });
        int[] ids = [Tokenizer.EndOfText, .. Tokenizer.Encode("some text")];
        Assert.Equal(engine.Embed([ids], adapter: adapter)[0], found.ToArray());
        Assert.NotEqual(engine.Embed([ids])[0], found.ToArray());
        var wrong = await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync(["a"], new() { AdditionalProperties = new() { ["adapter"] = "polite" } }));
        Assert.Contains("polite; expected a LoraAdapter", wrong.Message);
    }

    [Fact]
    public async Task What_cannot_be_had_is_refused()
    {
        Assert.Contains("Vectors of 8 numbers", (await Assert.ThrowsAsync<NotSupportedException>(() => generator.GenerateAsync(["a"], new() { Dimensions = 8 }))).Message);
        Assert.Contains("\"other\" is asked for", (await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync(["a"], new() { ModelId = "other" }))).Message);
        Assert.Contains("Text 1 has", (await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync(["a", new string('q', 100)], new() { Dimensions = 16, ModelId = "tiny" }))).Message);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generator.GenerateAsync(["a"], cancellationToken: new CancellationToken(canceled: true)));
    }

    [Fact]
    public void The_generator_says_what_it_is()
    {
        Assert.Same(generator, generator.GetService<IEmbeddingGenerator<string, Embedding<float>>>());
        Assert.Same(engine, generator.GetService<InferenceEngine>());
        var metadata = generator.GetService<EmbeddingGeneratorMetadata>()!;
        Assert.Equal(("gpt35", "tiny", 16), (metadata.ProviderName, metadata.DefaultModelId, metadata.DefaultModelDimensions));
        Assert.Throws<ArgumentException>(() => new EngineEmbeddingGenerator(tiny.Engine()));
    }
}

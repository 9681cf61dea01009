using System.Runtime.CompilerServices;
using System.Text.Json;
using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;
using Microsoft.Extensions.AI;

namespace Gpt35.Evaluation.Tests;

/// <summary>The example of docs/inference.md.</summary>
public sealed class LibraryExampleTests : IDisposable
{
    private readonly string path = Path.Combine(Directory.CreateTempSubdirectory("gpt35-").FullName, "model");

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);

#pragma warning disable xUnit1051 // shown as readers would write it
    [Fact]
    public async Task It_compiles_and_does_what_it_says()
    {
        var tokenizer = BpeTrainer.Train(["some text"], new BpeTrainerOptions { VocabSize = 270, SpecialTokens = [SpecialTokens.EndOfText, "<|im_start|>", "<|im_end|>"] });
        var config = new ModelConfig { VocabSize = tokenizer.VocabSize, HiddenSize = 32, NumHiddenLayers = 1, NumAttentionHeads = 2, MaxPositionEmbeddings = 128 };
        using (var model = Decoder.Create(config, 1, WorkerPool.Shared))
            ModelFolder.Save(path, model, tokenizer, new ModelCard { Stage = "sft", ChatFormat = ChatFormat.ChatMl.Name, EndOfTurn = ChatFormat.ChatMl.End });
        var (output, cancel) = (new StringWriter(), TestContext.Current.CancellationToken);

        // ---- docs/inference.md ----
        using var pool = new WorkerPool();
        using var folder = ModelFolder.Load(path, pool, WeightPrecision.Int8);
        using var engine = new InferenceEngine(folder.Model, new EngineOptions { MaxSequences = 16 }, folder.Tokenizer);

        // A text while it is written. Leaving the loop stops it and frees its memory.
        int[] prompt = [folder.Tokenizer.StartOfText, .. folder.Tokenizer.Encode("Once upon a time")];
        await foreach (var token in engine.StreamAsync(new GenerationRequest(prompt, new SamplingOptions { MaxTokens = 50, Seed = 1 })))
            output.Write(token.Text);

        // Four continuations of one prompt, which is read once; the likeliest of them.
        var request = new GenerationRequest(prompt, new SamplingOptions { MaxTokens = 50 }) { Samples = 4, Tenant = "me", Priority = 1 };
        Completion[] four = await engine.CompleteAsync(request, cancel);
        output.WriteLine(Completion.Best(four, 1)[0].Text);

        // The vector of a text; how likely the model finds it.
        float[] vector = engine.Embed([prompt], Pooling.Mean)[0];
        TokenLogProbs scores = engine.Score([prompt])[0];
        output.WriteLine($"{vector.Length} numbers, perplexity {Math.Exp(-scores.Chosen.Average()):0.0}");

        // The same engine behind the interfaces of Microsoft.Extensions.AI.
        var format = ChatFormat.Stored(folder.Card.ChatFormat, folder.Card.ChatTemplate)!;
        using IChatClient client = new EngineChatClient(engine, ChatPrompts.Of(format, folder.Tokenizer), "my-model");
        var options = new ChatOptions { Temperature = 0.7f, MaxOutputTokens = 60, ResponseFormat = ChatResponseFormat.Json };
        ChatResponse answer = await client.GetResponseAsync("Who are you?", options, cancel);
        output.WriteLine($"{answer.Text} ({answer.Usage!.OutputTokenCount} tokens)");

        using IEmbeddingGenerator<string, Embedding<float>> generator = new EngineEmbeddingGenerator(engine);
        ReadOnlyMemory<float> same = await generator.GenerateVectorAsync("Once upon a time", cancellationToken: cancel);
        // ----

        Assert.Contains("32 numbers, perplexity 2", output.ToString());        // of an untrained model: about the size of the vocabulary
        JsonDocument.Parse(answer.Text).Dispose();
        Assert.Equal(vector, same.ToArray());
        Assert.Equal(4, four.Length);
    }
#pragma warning restore xUnit1051

    [Fact]
    public void It_is_the_code_on_the_page()
    {
        var code = Between(File.ReadAllLines(Source()), "// ---- docs/inference.md ----", "// ----");
        var page = Between(File.ReadAllLines(Path.Combine(Path.GetDirectoryName(Source())!, "../../docs/inference.md")), "```csharp", "```");
        Assert.Equal(code, page);
        Assert.True(code.Length > 20);
    }

    private static string[] Between(string[] lines, string first, string last) =>
        [.. lines.Select(line => line.Trim()).SkipWhile(line => line != first).Skip(1).TakeWhile(line => line != last).Where(line => line.Length > 0)];

    private static string Source([CallerFilePath] string path = "") => path;
}

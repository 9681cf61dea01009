using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Tests;

/// <summary>A small decoder with weights large enough that every token of the context matters to the next.</summary>
internal sealed class TinyModel : IDisposable
{
    public const int Context = 32;

    private readonly WorkerPool pool = new(2);

    public TinyModel(int vocabSize = 50, int context = Context, ulong seed = 3)
    {
        var config = new ModelConfig { VocabSize = vocabSize, HiddenSize = 16, NumHiddenLayers = 2, NumAttentionHeads = 2, MaxPositionEmbeddings = context };
        Decoder = Decoder.Create(config, seed, pool);
        foreach (var parameter in Decoder.Parameters.All.Where(parameter => parameter.Decays))
            foreach (ref var value in Decoder.Parameters.ValuesOf(parameter)) value *= 15;
    }

    public Decoder Decoder { get; }

    public InferenceEngine Engine(int maxBatch = 64) => new(Decoder, maxBatch);

    /// <summary>Prompts of the given lengths, no two alike.</summary>
    public int[][] Prompts(params int[] lengths) =>
        [.. lengths.Select((length, i) => Enumerable.Range(0, length).Select(j => (i * 31 + j * j * 7 + 3) % Decoder.Config.VocabSize).ToArray())];

    public void Dispose()
    {
        Decoder.Dispose();
        pool.Dispose();
    }
}

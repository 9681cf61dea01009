using Gpt35.Kernels;
using Gpt35.Tokenization;
using Gpt35.Tests;

namespace Gpt35.Model.Tests;

/// <summary>A folder that goes when the test ends, small models of every family and a tokenizer for them.</summary>
public abstract class FormatTests : IDisposable
{
    protected static readonly Tokenizer Words = BpeTrainer.Train(["the cat sat on the mat, the cat sat"], new BpeTrainerOptions { VocabSize = 270 });

    protected static readonly ModelConfig Gpt2 = new() { VocabSize = 272, HiddenSize = 32, NumHiddenLayers = 2, NumAttentionHeads = 4, MaxPositionEmbeddings = 12, IntermediateSize = 64, ResidDropout = 0.1f };

    protected static readonly ModelConfig Llama = Gpt2.AsLlama() with
    {
        NumKeyValueHeads = 2,
        RopeTheta = 500_000,
        ResidDropout = 0,
    };

    /// <summary>Every family, and within it what a file has to say differently.</summary>
    protected static readonly IReadOnlyDictionary<string, ModelConfig> Models = new Dictionary<string, ModelConfig>
    {
        ["gpt2"] = Gpt2,
        ["gpt2, exact gelu, untied"] = Gpt2 with { HiddenAct = Activation.Gelu, TieWordEmbeddings = false },
        ["gpt2 with a scalar head"] = Gpt2 with { NumScalars = 1 },
        ["gpt2 with a head that reads tokens"] = Gpt2 with { NumScalars = 1, ScalarHead = ScalarHead.Action },
        ["llama"] = Llama,
        ["llama, tied, biases"] = Llama with { TieWordEmbeddings = true, AttentionBias = true, MlpBias = true },
        ["llama, wide heads, linear"] = Llama with { HeadDim = 16, RopeScaling = new RopeScaling { RopeType = RopeType.Linear, Factor = 2 } },
        ["llama, yarn"] = Llama with { RopeScaling = new RopeScaling { RopeType = RopeType.Yarn, Factor = 4, OriginalMaxPositionEmbeddings = 3, BetaFast = 16, BetaSlow = 2 } },
        ["llama 3.1"] = Llama with { RopeScaling = new RopeScaling { RopeType = RopeType.Llama3, Factor = 8, OriginalMaxPositionEmbeddings = 4, LowFreqFactor = 1, HighFreqFactor = 4 } },
        ["llama with a scalar head"] = Llama with { NumScalars = 2 },
        ["mistral"] = Llama with { SlidingWindow = 5 },
        ["a mix"] = Gpt2 with { PositionEncoding = PositionEncoding.Rotary, MlpBias = false, SlidingWindow = 4, SlidingWindowPattern = 2 },
        ["another mix"] = Llama with { PositionEncoding = PositionEncoding.Learned, Normalization = Normalization.LayerNorm },
    };

    protected string Root { get; } = Directory.CreateTempSubdirectory("gpt35-formats-").FullName;

    public void Dispose()
    {
        Directory.Delete(Root, recursive: true);
        GC.SuppressFinalize(this);
    }

    protected string At(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>A model of random weights in a folder.</summary>
    protected string SaveFolder(ModelConfig config, string name = "model", ModelCard? card = null)
    {
        using var model = TestModels.Shaken(config);
        ModelFolder.Save(At(name), model, Words, card ?? new ModelCard { Stage = "pretrain" });
        return At(name);
    }

    protected static float[] Weights(string path)
    {
        using var loaded = ModelFolder.Load(path, WorkerPool.Shared);
        return loaded.Model.Parameters.Values.ToArray();
    }

    protected static void Convert(string from, string to, ModelFormat format, TensorType? type = null, string? tokenizer = null, int? context = null)
    {
        using var stored = StoredModel.Open(from, tokenizer);
        ModelExport.Write(stored, to, format, type ?? stored.Type, context);
    }

    /// <summary>The most likely tokens after a prompt.</summary>
    internal static int[] Greedy(Decoder model, int[] prompt, int count)
    {
        using var cache = new SlotCache(model.Config, 1, model.Config.MaxPositionEmbeddings);
        var logits = new float[model.Config.VocabSize];
        var found = new int[count];
        for (var i = 0; i < count; i++)
        {
            int[] next = i == 0 ? prompt : [found[i - 1]];
            model.Extend(cache, [0], [0, next.Length], next, logits);
            found[i] = Array.IndexOf(logits, logits.Max());
        }
        return found;
    }
}

using System.Globalization;
using System.Text.Json;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Benchmarks;

/// <summary>
/// Reading prompts and writing text beside llama.cpp, GPT-2 124M with random weights: the same GGUF file, all cores, each in a process of its own,
/// taking turns for several rounds; medians are compared. And how much of the machine's read bandwidth one sequence uses.
/// </summary>
internal static class GenerateBenchmarks
{
    private const string Peer = "llama.cpp (node-llama-cpp 3.22.1)", Script = "llama/generate.mjs";
    private const int PromptTokens = 512, AnswerTokens = 64, RoundsInside = 5, PiecesOfRound = 20, TokensOfPiece = 8;

    /// <summary>What a contestant's process prints.</summary>
    internal sealed record Result(double TokensPerSecond, string Kernel = "");

    private sealed record Task(string What, WeightPrecision Precision, string Kind, int Count);

    private static readonly Task[] Tasks =
    [
        new("decode, 1 sequence", WeightPrecision.Int8, "decode", 1),
        new("decode, 8 sequences", WeightPrecision.Int8, "decode", 8),
        new("decode, 32 sequences", WeightPrecision.Int8, "decode", 32),
        new("prefill, 512 tokens", WeightPrecision.Int8, "prefill", PromptTokens),
        new("prefill, 512 tokens", WeightPrecision.F32, "prefill", PromptTokens),
    ];

    public static int Run(Options options)
    {
        var rounds = options.Quick ? 1 : 3;
        var folder = Directory.CreateTempSubdirectory("gpt35-bench-").FullName;
        try
        {
            Console.Error.WriteLine($"{Environment.ProcessorCount} cores; medians of {rounds} round(s) of {RoundsInside} measurements; int8: {DotTiers.KernelName(WeightPrecision.Int8)}; f32: {DotTiers.KernelName(WeightPrecision.F32)}");
            var files = WriteModels(folder);
            if (!options.Json) Row.PrintHeader();
            foreach (var task in Tasks)
                Compare(task, files[task.Precision], rounds)?.Print(options.Json);
            foreach (var preset in (string[])["gpt2-124m", "gpt2-774m"]) WeightsRead(preset, rounds).Print(options.Json);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Our side of a task, in a process of its own.</summary>
    public static void MeasureOurs(string file, WeightPrecision precision, string kind, int count)
    {
        using var model = ModelFolder.Load(file, WorkerPool.Shared, precision);
        double Once() => kind == "decode" ? EngineSpeed.Decode(model.Model, count, AnswerTokens) : EngineSpeed.Prefill(model.Model, count);
        Once();
        Console.WriteLine(JsonSerializer.Serialize(new { tokensPerSecond = Median(Enumerable.Range(0, RoundsInside).Select(_ => Once())), kernel = DotTiers.KernelName(precision) }));
    }

    private static Row? Compare(Task task, string file, int rounds)
    {
        List<double> ours = [], peer = [];
        for (var round = 0; round < rounds; round++)
        {
            ours.Add(PeerProcesses.RunSelf<Result>("generate-ours", file, $"{task.Precision}", task.Kind, task.Count.ToString(CultureInfo.InvariantCulture)).TokensPerSecond);
            if (PeerProcesses.RunNode<Result>(Script, file, task.Kind, task.Count.ToString(CultureInfo.InvariantCulture)) is { } result) peer.Add(result.TokensPerSecond);
        }
        var what = $"{task.What}, {task.Precision.ToString().ToLowerInvariant()}";
        if (peer.Count > 0) return Row.MoreIsBetter(what, Median(ours), Median(peer), Peer, "tokens/s");
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: ours {Median(ours):F0} tokens/s; no peer"));
        return null;
    }

    /// <summary>
    /// How much of the machine's read bandwidth one sequence in int8 uses. A rented machine's bandwidth doubles and halves from one second to the next, so the two take
    /// turns in short pieces, and medians of many pieces are compared.
    /// </summary>
    public static Row WeightsRead(string preset, int rounds)
    {
        using var model = Decoder.CreateRandom(ModelPreset.Get(preset).Config, WeightPrecision.Int8, 1, WorkerPool.Shared);
        using var memory = new ReadBandwidth();
        EngineSpeed.Decode(model, 1, AnswerTokens);
        List<double> ours = [], read = [];
        for (var piece = 0; piece < rounds * PiecesOfRound; piece++)
        {
            ours.Add(model.WeightBytes * EngineSpeed.Decode(model, 1, TokensOfPiece) / 1e9);
            read.Add(memory.Pass());
        }
        return Row.MoreIsBetter($"weights read, 1 sequence, int8, {preset}", Median(ours), Median(read), "this machine's read bandwidth", "GB/s");
    }

    private static ModelConfig Config => ModelPreset.Get("gpt2-124m").Config;

    /// <summary>The model as GGUF in both precisions.</summary>
    private static Dictionary<WeightPrecision, string> WriteModels(string folder)
    {
        var whole = Path.Combine(folder, "model");
        using (var model = Decoder.CreateRandom(Config, WeightPrecision.F32, 1, WorkerPool.Shared))
            ModelFolder.Save(whole, model, Tokenizer.Load("r50k_base"), new ModelCard { Stage = "pretrain" });
        var files = new Dictionary<WeightPrecision, string>();
        using (var stored = StoredModel.Open(whole))
            foreach (var (precision, type) in ((WeightPrecision, TensorType)[])[(WeightPrecision.Int8, TensorType.Q8_0), (WeightPrecision.F32, TensorType.F32)])
            {
                files[precision] = Path.Combine(folder, $"{type}.gguf");
                ModelExport.Write(stored, files[precision], ModelFormat.Gguf, type);
            }
        Directory.Delete(whole, recursive: true);
        return files;
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}

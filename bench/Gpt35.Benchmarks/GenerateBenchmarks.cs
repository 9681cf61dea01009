using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Benchmarks;

/// <summary>What is generated: so many tokens read from one prompt, or so many sequences written side by side.</summary>
/// <param name="What">Name of the row.</param>
/// <param name="Precision">Of the weights.</param>
/// <param name="Kind">"decode" or "prefill".</param>
/// <param name="Count">Sequences or tokens.</param>
internal sealed record GenerationTask(string What, WeightPrecision Precision, string Kind, int Count)
{
    public bool Decodes => Kind == "decode";

    /// <summary>Measurements in a peer's round; with several sequences each is long.</summary>
    public int PeerRepeats => Decodes && Count > 1 ? 1 : GenerateBenchmarks.RoundsInside;

    public override string ToString() => $"{What}, {Precision.ToString().ToLowerInvariant()}";
}

/// <summary>
/// Reading prompts and writing text beside others, GPT-2 124M with the same random weights: all cores, each in a process of its own,
/// taking turns for several rounds; medians are compared. And how much of the machine's read bandwidth one sequence uses.
/// </summary>
internal static class GenerateBenchmarks
{
    /// <summary>Every decode task: tokens of each prompt, and tokens written behind it.</summary>
    public const int DecodePrompt = 16, AnswerTokens = 64;
    public const int RoundsInside = 5;
    private const int PromptTokens = 512, PiecesOfRound = 20, TokensOfPiece = 16;

    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(2);

    /// <summary>What a contestant's process prints.</summary>
    internal sealed record Result(double TokensPerSecond, string Kernel = "");

    /// <summary>The last are those of peers that have 16-bit weights; without one they are left out.</summary>
    private static readonly GenerationTask[] Tasks =
    [
        new("decode, 1 sequence", WeightPrecision.Int8, "decode", 1),
        new("decode, 8 sequences", WeightPrecision.Int8, "decode", 8),
        new("decode, 32 sequences", WeightPrecision.Int8, "decode", 32),
        new("prefill, 512 tokens", WeightPrecision.Int8, "prefill", PromptTokens),
        new("prefill, 512 tokens", WeightPrecision.F32, "prefill", PromptTokens),
        new("decode, 1 sequence", WeightPrecision.BF16, "decode", 1),
        new("decode, 8 sequences", WeightPrecision.BF16, "decode", 8),
        new("decode, 32 sequences", WeightPrecision.BF16, "decode", 32),
    ];

    public static int Run(Options options)
    {
        var rounds = options.Quick ? 1 : 3;
        var folder = Directory.CreateTempSubdirectory("gpt35-bench-").FullName;
        try
        {
            Console.Error.WriteLine($"{Environment.ProcessorCount} cores; medians of {rounds} round(s) of {RoundsInside} measurements; int8: {DotTiers.KernelName(WeightPrecision.Int8)}; f32: {DotTiers.KernelName(WeightPrecision.F32)}");
            var files = WriteModels(folder);
            var peers = GenerationPeers.All(options, files);
            if (!options.Json) Row.PrintHeader();
            foreach (var task in Tasks.Where(task => options.Only is not { } part || $"{task}".Contains(part, StringComparison.Ordinal)))
                foreach (var row in Rows(task, files, peers, rounds)) row.Print(options.Json);
            if (options.Only is null)
                foreach (var preset in (string[])["gpt2-124m", "gpt2-774m"]) WeightsRead(preset, WeightPrecision.Int8, rounds).Print(options.Json);
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
        // 16 bits a number of the cache with reduced weights, as llama.cpp has it unless told.
        var cache = precision == WeightPrecision.F32 ? KvPrecision.F32 : KvPrecision.BF16;
        double Once() => kind == "decode" ? EngineSpeed.Decode(model.Model, count, AnswerTokens, cache) : EngineSpeed.Prefill(model.Model, count);
        // The runtime compiles what is called often once more, in a thread of its own, during the first second.
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < s_warmUp;) Once();
        Console.WriteLine(JsonSerializer.Serialize(new { tokensPerSecond = Median(Enumerable.Range(0, RoundsInside).Select(_ => Once())), kernel = DotTiers.KernelName(precision) }));
    }

    private static IEnumerable<Row> Rows(GenerationTask task, IReadOnlyDictionary<WeightPrecision, string> files, IReadOnlyList<GenerationPeer> peers, int rounds)
    {
        var able = peers.Where(peer => peer.Can(task)).ToList();
        if (able.Count == 0 && task.Precision == WeightPrecision.BF16) yield break;
        List<double> ours = [];
        var theirs = able.ToDictionary(peer => peer, _ => new List<double>());
        using var memory = new ReadBandwidth();
        List<double> bandwidth = [Math.Max(memory.Pass(), memory.Pass())];
        for (var round = 0; round < rounds; round++)
        {
            ours.Add(PeerProcesses.RunSelf<Result>("generate-ours", files.GetValueOrDefault(task.Precision, files[WeightPrecision.F32]), $"{task.Precision}", task.Kind, task.Count.ToString(CultureInfo.InvariantCulture)).TokensPerSecond);
            bandwidth.Add(Math.Max(memory.Pass(), memory.Pass()));
            foreach (var (peer, found) in theirs)
            {
                if (peer.TokensPerSecond(task) is { } speed) found.Add(speed);
                bandwidth.Add(Math.Max(memory.Pass(), memory.Pass()));
            }
        }
        // Which of a rented machine's states this was.
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{task}: read bandwidth between the measurements {string.Join(' ', bandwidth.Select(x => $"{x:F0}"))} GB/s"));
        foreach (var (peer, found) in theirs)
            if (found.Count > 0) yield return Row.MoreIsBetter($"{task}", Median(ours), Median(found), peer.Name, "tokens/s");
        if (theirs.Values.All(found => found.Count == 0)) Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{task}: ours {Median(ours):F0} tokens/s; no peer"));
    }

    /// <summary>
    /// How much of the machine's read bandwidth one sequence uses. A rented machine's bandwidth doubles and halves from one second to the next, so the two take
    /// turns in short pieces, those between two readings that differ are left out, and the piece whose ratio is the median stands for all.
    /// </summary>
    public static Row WeightsRead(string preset, WeightPrecision precision, int rounds)
    {
        using var model = Decoder.CreateRandom(ModelPreset.Get(preset).Config, precision, 1, WorkerPool.Shared);
        using var memory = new ReadBandwidth();
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < s_warmUp;) EngineSpeed.Decode(model, 1, AnswerTokens);
        List<(double Ours, double Before, double After)> pieces = [];
        for (var piece = 0; piece < rounds * PiecesOfRound; piece++)
        {
            memory.Pass();                                  // our threads may sleep and the caches be full of weights
            var before = memory.Pass();
            var ours = model.WeightBytes * EngineSpeed.Decode(model, 1, TokensOfPiece, KvPrecision.BF16) / 1e9;
            pieces.Add((ours, before, memory.Pass()));
        }
        var steady = pieces.Where(piece => Math.Max(piece.Before, piece.After) < 1.1 * Math.Min(piece.Before, piece.After)).ToList();
        if (steady.Count == 0) steady = pieces;
        var typical = steady.OrderBy(piece => piece.Ours / (piece.Before + piece.After)).ElementAt(steady.Count / 2);
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{steady.Count} of {pieces.Count} pieces at a steady bandwidth of {steady.Min(piece => piece.Before):F0} to {steady.Max(piece => piece.Before):F0} GB/s"));
        return Row.MoreIsBetter($"weights read, 1 sequence, {precision.ToString().ToLowerInvariant()}, {preset}", typical.Ours, (typical.Before + typical.After) / 2, "this machine's read bandwidth", "GB/s");
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

    internal static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}

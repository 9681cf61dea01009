using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gpt35.Kernels;

namespace Gpt35.Benchmarks;

/// <summary>Someone whom generation is measured beside.</summary>
/// <param name="Name">Who.</param>
/// <param name="Can">Whether it has such a task.</param>
/// <param name="TokensPerSecond">One measurement; null, with the reason on standard error, where it fails.</param>
internal sealed record GenerationPeer(string Name, Func<GenerationTask, bool> Can, Func<GenerationTask, double?> TokensPerSecond);

/// <summary>
/// Peers of generation: llama.cpp from npm, and the programs that the user has: llama.cpp's own benchmark and ggml's GPT-2 examples. Those programs time their
/// calls of the model alone, with a sampler outside their clock or none; ours counts its scheduler and its sampling.
/// </summary>
internal static partial class GenerationPeers
{
    private const string NodeScript = "llama/generate.mjs";

    /// <param name="options">Which programs the user has.</param>
    /// <param name="files">The model as GGUF, in F32 and Q8_0.</param>
    public static IReadOnlyList<GenerationPeer> All(Options options, IReadOnlyDictionary<WeightPrecision, string> files)
    {
        var peers = new List<GenerationPeer> { new("llama.cpp (node-llama-cpp 3.22.1)", task => files.ContainsKey(task.Precision), task => Node(files[task.Precision], task)) };
        if (options.LlamaBatchedBench is { } bench && PeerProcesses.Find(bench, "--llama-batched-bench") is { } program)
            peers.Add(new("llama.cpp (llama-batched-bench)", task => files.ContainsKey(task.Precision), task => BatchedBench(program, files[task.Precision], task)));
        if (options.GgmlGpt2 is { } folder) peers.AddRange(Ggml(folder, files[WeightPrecision.F32]));
        return peers;
    }

    private static double? Node(string file, GenerationTask task) => PeerProcesses.RunNode<GenerateBenchmarks.Result>(NodeScript, file, task.Kind, Text(task.Count), Text(task.PeerRepeats))?.TokensPerSecond;

    /// <summary>A line of llama-batched-bench's JSONL.</summary>
    private sealed record BatchedBenchLine(double SpeedPp, double SpeedTg);

    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>The context has room for every sequence's share in whole blocks of 256 cells, of which llama.cpp makes its cache.</summary>
    private static double? BatchedBench(string program, string file, GenerationTask task)
    {
        const int Block = 256;
        var (sequences, prompt, written) = task.Decodes ? (task.Count, GenerateBenchmarks.DecodePrompt, GenerateBenchmarks.AnswerTokens) : (1, task.Count, 1);
        var context = sequences * ((prompt + written + Block - 1) / Block * Block);
        var repeated = string.Join(',', Enumerable.Repeat(Text(sequences), task.PeerRepeats));
        var output = PeerProcesses.Run(program, "-m", file, "-c", Text(context), "-b", "2048", "-ub", "512", "-t", Text(Environment.ProcessorCount),
            "-npp", Text(prompt), "-ntg", Text(written), "-npl", repeated, "--output-format", "jsonl");
        if (output is null) return null;
        var lines = output.Split('\n').Where(line => line.StartsWith('{')).Select(line => JsonSerializer.Deserialize<BatchedBenchLine>(line, SnakeCase)!).ToList();
        return lines.Count > 0 ? GenerateBenchmarks.Median(lines.Select(line => task.Decodes ? line.SpeedTg : line.SpeedPp)) : Unread(program, output);
    }

    /// <summary>Q8_0 beside our int8, and F16 beside our bf16.</summary>
    private static IEnumerable<GenerationPeer> Ggml(string folder, string gguf)
    {
        var files = new Dictionary<WeightPrecision, string>();
        foreach (var (precision, type) in ((WeightPrecision, Model.TensorType)[])[(WeightPrecision.Int8, Model.TensorType.Q8_0), (WeightPrecision.BF16, Model.TensorType.F16)])
        {
            files[precision] = Path.ChangeExtension(gguf, $"ggml-{type}.bin");
            GgmlGpt2File.Write(gguf, files[precision], type);
        }
        if (PeerProcesses.Find(Path.Combine(folder, "gpt-2-backend"), "--ggml-gpt2") is { } backend)
            yield return new("ggml gpt-2-backend", task => task is { Decodes: true, Count: 1 } && files.ContainsKey(task.Precision), task => Backend(backend, files[task.Precision], task));
        if (PeerProcesses.Find(Path.Combine(folder, "gpt-2-batched"), "--ggml-gpt2") is { } batched)
            yield return new("ggml gpt-2-batched", task => task.Decodes && files.ContainsKey(task.Precision), task => Batched(batched, files[task.Precision], task));
    }

    /// <summary>It counts the prompt's tokens and its time in, so the prompt has only one.</summary>
    private static double? Backend(string program, string file, GenerationTask task) => Repeat(task.PeerRepeats, () =>
    {
        const int Tokens = GenerateBenchmarks.DecodePrompt + GenerateBenchmarks.AnswerTokens;
        var output = PeerProcesses.Run(program, GgmlArguments(file, prompt: 1, predict: Tokens, context: Tokens + 8));
        if (output is null) return null;
        return MillisecondsPerToken().Match(output) is { Success: true } found ? 1000 / Number(found.Groups[1]) : Unread(program, output);
    });

    /// <summary>All sequences have the prompt in common, and one cache of all their tokens, through which it masks its way. Its last pass only ends the sequences.</summary>
    private static double? Batched(string program, string file, GenerationTask task) => Repeat(task.PeerRepeats, () =>
    {
        var context = GenerateBenchmarks.DecodePrompt + task.Count * GenerateBenchmarks.AnswerTokens + 8;
        var output = PeerProcesses.Run(program, [.. GgmlArguments(file, GenerateBenchmarks.DecodePrompt, GenerateBenchmarks.AnswerTokens + 1, context), "-np", Text(task.Count)]);
        if (output is null) return null;
        return Decoded().Match(output) is { Success: true } decoded && PredictTime().Match(output) is { Success: true } time
            ? Number(decoded.Groups[1]) / Number(time.Groups[1]) * 1000
            : Unread(program, output);
    });

    private static string[] GgmlArguments(string file, int prompt, int predict, int context) =>
        ["-m", file, "-t", Text(Environment.ProcessorCount), "-s", "1", "-p", string.Join(' ', Enumerable.Repeat("the", prompt)), "-n", Text(predict), "-c", Text(context), "--ignore-eos"];

    private static double? Repeat(int times, Func<double?> once)
    {
        var found = new List<double>();
        for (var i = 0; i < times; i++)
        {
            if (once() is not { } speed) return null;
            found.Add(speed);
        }
        return GenerateBenchmarks.Median(found);
    }

    private static double? Unread(string program, string output)
    {
        Console.Error.WriteLine($"Left out {Path.GetFileName(program)}: its times were not found in what it printed; it ended with: {output.Trim().Split('\n')[^1]}");
        return null;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static double Number(Group digits) => double.Parse(digits.Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"predict time = +[\d.]+ ms / ([\d.]+) ms per token")]
    private static partial Regex MillisecondsPerToken();

    [GeneratedRegex(@"n_decoded = +(\d+)")]
    private static partial Regex Decoded();

    [GeneratedRegex(@"predict time = +([\d.]+) ms")]
    private static partial Regex PredictTime();
}

using System.Globalization;
using Gpt35.Model;

namespace Gpt35.Benchmarks;

/// <summary>A decoder and a batch: GPT-2's architecture, every sequence as long as the context, every token scored.</summary>
internal sealed record TrainingShape(int Layers, int Width, int Heads, int Context, int Sequences, int Vocabulary)
{
    public static IReadOnlyList<TrainingShape> All { get; } = [new(4, 128, 4, 128, 32, 1024), new(6, 384, 6, 256, 16, 4096), new(12, 768, 12, 256, 4, 50257)];

    public int Tokens => Sequences * Context;

    public ModelConfig Config => new() { VocabSize = Vocabulary, HiddenSize = Width, NumHiddenLayers = Layers, NumAttentionHeads = Heads, MaxPositionEmbeddings = Context };

    public static TrainingShape Parse(string text) => All.Append(LlmcBenchmark.Shape).Single(shape => shape.ToString() == text);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"L{Layers} D{Width} H{Heads} T{Context} B{Sequences} V{Vocabulary}");
}

/// <summary>Who trains.</summary>
internal enum Contestant
{
    /// <summary>The cpu backend and our optimizer.</summary>
    Ours,
    /// <summary>The same with dtype bf16: products in bfloat16, everything else fp32.</summary>
    OursBf16,
    /// <summary>TorchSharp's modules, functions and AdamW, fp32.</summary>
    TorchFp32,
    /// <summary>The same with all weights in bfloat16.</summary>
    TorchBf16,
}

/// <summary>
/// Training steps beside TorchSharp's eager mode, at three shapes. Each run is a process of its own, so that its peak memory is; the contestants take
/// turns for several rounds, and medians are compared.
/// </summary>
internal static class TrainingBenchmarks
{
    private const string Eager = "TorchSharp eager";

    public static int Run(Options options)
    {
        var (shapes, rounds, seconds) = options.Quick ? (TrainingShape.All.Take(1), 1, 2.0) : (TrainingShape.All, 3, 10.0);
        if (options.Profile) return TrainingProfile.Run(shapes, seconds);
        Console.Error.WriteLine($"{Environment.ProcessorCount} cores; medians of {rounds} round(s), {seconds:F0} s or three steps each");
        if (!options.Json) Row.PrintHeader();
        foreach (var row in shapes.SelectMany(shape => Rows(shape, rounds, seconds)).Concat(options.Quick ? [] : ProductBenchmarks.Rows(TrainingShape.All.Skip(1))).Concat(LlmcBenchmark.Rows(options)))
            row.Print(options.Json);
        return 0;
    }

    private static IEnumerable<Row> Rows(TrainingShape shape, int rounds, double seconds)
    {
        var found = Enum.GetValues<Contestant>().ToDictionary(who => who, _ => new List<TrainingSteps.Result>());
        for (var round = 0; round < rounds; round++)
            foreach (var (who, results) in found)
            {
                var result = PeerProcesses.RunSelf<TrainingSteps.Result>("train-steps", $"{who}", $"{shape}", seconds.ToString(CultureInfo.InvariantCulture));
                results.Add(result);
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{shape}, round {round + 1}, {who}: {result.TokensPerSecond:N0} tokens/s, {result.Megabytes:N0} MB; loss {result.FirstLoss:F3} → {result.LastLoss:F3} in {result.Steps} steps"));
            }
        double Speed(Contestant who) => Median(found[who].Select(result => result.TokensPerSecond));
        double Memory(Contestant who) => Median(found[who].Select(result => result.Megabytes));
        yield return Row.MoreIsBetter($"train {shape}, fp32", Speed(Contestant.Ours), Speed(Contestant.TorchFp32), $"{Eager}, fp32", "tokens/s");
        yield return Row.MoreIsBetter($"train {shape}, bf16", Speed(Contestant.OursBf16), Speed(Contestant.TorchBf16), $"{Eager}, bf16", "tokens/s");
        yield return Row.LessIsBetter("the same, most memory", Memory(Contestant.Ours), Memory(Contestant.TorchFp32), $"{Eager}, fp32", "MB");
        yield return Row.LessIsBetter("the same, most memory", Memory(Contestant.OursBf16), Memory(Contestant.TorchBf16), $"{Eager}, bf16", "MB");
    }

    internal static double Median(IEnumerable<double> numbers)
    {
        var sorted = numbers.Order().ToList();
        return sorted.Count % 2 == 1 ? sorted[sorted.Count / 2] : (sorted[sorted.Count / 2 - 1] + sorted[sorted.Count / 2]) / 2;
    }
}

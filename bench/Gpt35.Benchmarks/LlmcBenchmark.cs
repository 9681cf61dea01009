using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Gpt35.Kernels;

namespace Gpt35.Benchmarks;

/// <summary>
/// Training steps beside llm.c's train_gpt2 (karpathy/llm.c, the one in C), which the user has. Four sequences of 64 tokens are written into that program, so the
/// shape is GPT-2 124M with them. It reads a checkpoint and tokens, which are written here, and is ended after enough steps. Turns and medians are those of
/// <see cref="TrainingBenchmarks"/>. Its step does not clip and decays no weights: a little less work than ours.
/// </summary>
internal static partial class LlmcBenchmark
{
    private const string Name = "llm.c, fp32";
    private const int WarmUp = 2, FewestSteps = 3, HeaderNumbers = 256, CheckpointMagic = 20240326, TokensMagic = 20240520, Positions = 1024, VocabularyMultiple = 128;

    public static TrainingShape Shape { get; } = new(12, 768, 12, 64, 4, 50257);

    /// <summary>This comparison alone.</summary>
    public static int Run(Options options)
    {
        if (!options.Json) Row.PrintHeader();
        foreach (var row in Rows(options)) row.Print(options.Json);
        return 0;
    }

    public static IEnumerable<Row> Rows(Options options)
    {
        if (options.Llmc is not { } path || PeerProcesses.Find(path, "--llmc") is not { } program) yield break;
        var (rounds, seconds) = options.Quick ? (1, 2.0) : (3, 10.0);
        var folder = Directory.CreateTempSubdirectory("gpt35-llmc-").FullName;
        List<TrainingSteps.Result> ours = [], peer = [];
        try
        {
            WriteInputs(folder);
            for (var round = 0; round < rounds; round++)
            {
                ours.Add(PeerProcesses.RunSelf<TrainingSteps.Result>("train-steps", $"{Contestant.Ours}", $"{Shape}", seconds.ToString(CultureInfo.InvariantCulture)));
                if (Measure(program, folder, seconds) is not { } result) yield break;
                peer.Add(result);
                foreach (var (who, found) in ((string, TrainingSteps.Result)[])[("ours", ours[^1]), (Name, result)])
                    Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"{Shape}, round {round + 1}, {who}: {found.TokensPerSecond:N0} tokens/s, {found.Megabytes:N0} MB; loss {found.FirstLoss:F3} → {found.LastLoss:F3} in {found.Steps} steps"));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        yield return Row.MoreIsBetter($"train {Shape}", Median(ours, result => result.TokensPerSecond), Median(peer, result => result.TokensPerSecond), Name, "tokens/s");
        yield return Row.LessIsBetter("the same, most memory", Median(ours, result => result.Megabytes), Median(peer, result => result.Megabytes), Name, "MB");
    }

    /// <summary>Its steps until there are enough. It writes into a buffer when nobody looks, hence stdbuf.</summary>
    private static TrainingSteps.Result? Measure(string program, string folder, double seconds)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("stdbuf", ["-oL", program]) { WorkingDirectory = folder, RedirectStandardOutput = true })!;
            List<double> losses = [], times = [];
            var last = "";
            while ((times.Count < WarmUp + FewestSteps || times.Skip(WarmUp).Sum() < seconds) && process.StandardOutput.ReadLine() is { } line)
            {
                last = line;
                if (StepLine().Match(line) is not { Success: true } step) continue;
                losses.Add(double.Parse(step.Groups[1].Value, CultureInfo.InvariantCulture));
                times.Add(double.Parse(step.Groups[2].Value, CultureInfo.InvariantCulture) / 1000);
            }
            process.Refresh();
            var megabytes = process.HasExited ? 0 : process.PeakWorkingSet64 / 1048576.0;
            process.Kill();
            process.WaitForExit();
            if (times.Count >= WarmUp + FewestSteps)
                return new TrainingSteps.Result(Shape.Tokens / TrainingBenchmarks.Median(times.Skip(WarmUp)), megabytes, losses[0], losses[^1], times.Count);
            Console.Error.WriteLine($"Left out {program}: it printed {times.Count} lines like \"step 0: train loss 10.9 (took 900 ms)\" and ended with \"{last}\"; expected {WarmUp + FewestSteps}.");
        }
        catch (Win32Exception)
        {
            Console.Error.WriteLine($"Left out {program}: there is no stdbuf (GNU coreutils) on the PATH, or the program does not start.");
        }
        return null;
    }

    /// <summary>
    /// A checkpoint, version 3 (llm.c, train_gpt2.py write_model): sixteen tensors in F32, each of all layers, the vocabulary padded; normal weights of σ 0.02, norms
    /// of 1. And the tokens of one batch (llmc/dataloader.h), which every step sees again as ours does.
    /// </summary>
    private static void WriteInputs(string folder)
    {
        int width = Shape.Width, layers = Shape.Layers, padded = (Shape.Vocabulary + VocabularyMultiple - 1) / VocabularyMultiple * VocabularyMultiple;
        using (var checkpoint = File.Create(Path.Combine(folder, "gpt2_124M.bin")))
        {
            Header(checkpoint, CheckpointMagic, 3, Positions, Shape.Vocabulary, layers, Shape.Heads, width, padded);
            ulong counter = 0;
            void Normal(long count) => Values(checkpoint, count, () => 0.02f * CounterRandom.Normal(1, counter++));
            void Norm(long count) { Values(checkpoint, count, () => 1); Values(checkpoint, count, () => 0); }
            void Linear(int inputs, int outputs) { Normal((long)layers * inputs * outputs); Values(checkpoint, layers * outputs, () => 0); }
            Normal((long)padded * width);
            Normal((long)Positions * width);
            Norm(layers * width);
            Linear(width, 3 * width);
            Linear(width, width);
            Norm(layers * width);
            Linear(width, 4 * width);
            Linear(4 * width, width);
            Norm(width);
        }
        var ids = TrainingSteps.Ids(Shape);
        ushort[] tokens = [.. Enumerable.Range(0, Shape.Tokens).Select(i => (ushort)ids[i / Shape.Context * (Shape.Context + 1) + i % Shape.Context]), (ushort)ids[^1]];
        var data = Directory.CreateDirectory(Path.Combine(folder, "dev", "data", "tinyshakespeare")).FullName;
        foreach (var name in (string[])["tiny_shakespeare_train.bin", "tiny_shakespeare_val.bin"])
        {
            using var stream = File.Create(Path.Combine(data, name));
            Header(stream, TokensMagic, 1, tokens.Length);
            stream.Write(MemoryMarshal.AsBytes<ushort>(tokens));
        }
    }

    private static void Header(Stream stream, params ReadOnlySpan<int> numbers)
    {
        Span<int> header = stackalloc int[HeaderNumbers];
        header.Clear();
        numbers.CopyTo(header);
        stream.Write(MemoryMarshal.AsBytes(header));
    }

    private static void Values(Stream stream, long count, Func<float> next)
    {
        var values = new float[1 << 16];
        for (; count > 0; count -= values.Length)
        {
            var some = values.AsSpan(0, (int)Math.Min(values.Length, count));
            foreach (ref var value in some) value = next();
            stream.Write(MemoryMarshal.AsBytes(some));
        }
    }

    private static double Median(IEnumerable<TrainingSteps.Result> results, Func<TrainingSteps.Result, double> figure) => TrainingBenchmarks.Median(results.Select(figure));

    [GeneratedRegex(@"^step \d+: train loss ([-\d.naif]+) \(took ([\d.]+) ms\)")]
    private static partial Regex StepLine();
}

using System.Diagnostics;
using System.Globalization;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Benchmarks;

/// <summary>Where the time of a step of generation goes, by kernel: `decode-profile`. The clock is read for every part, which costs small models some percent.</summary>
internal static class GenerationProfile
{
    private const int Rounds = 5;
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(2);

    /// <param name="config">Shape of the model; its weights are random.</param>
    /// <param name="precision">Of the weights.</param>
    /// <param name="sequences">How many at once.</param>
    public static void Run(ModelConfig config, WeightPrecision precision, int sequences)
    {
        using var model = Decoder.CreateRandom(config, precision, 1, WorkerPool.Shared);
        var cache = precision == WeightPrecision.F32 ? KvPrecision.F32 : KvPrecision.BF16;
        double Once(Action? started = null) => EngineSpeed.Decode(model, sequences, GenerateBenchmarks.AnswerTokens, cache, started);
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < s_warmUp;) Once();
        var unobserved = GenerateBenchmarks.Median(Enumerable.Range(0, Rounds).Select(_ => Once()));
        var profile = new PoolProfile();
        double ticks = 0;
        for (var round = 0; round < Rounds; round++)
        {
            long start = 0;
            Once(() =>
            {
                profile.Phase = "";
                WorkerPool.Shared.Profile = profile;
                start = Stopwatch.GetTimestamp();
            });
            ticks += Stopwatch.GetTimestamp() - start;
            WorkerPool.Shared.Profile = null;
        }
        var steps = Rounds * (GenerateBenchmarks.AnswerTokens - 1);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{precision}, {sequences} sequence(s): {unobserved:N0} tokens/s; observed {ticks * 1e3 / Stopwatch.Frequency / steps:F3} ms a step; weights {model.WeightBytes / 1e6:N0} MB"));
        ProfileTable.Print(profile, steps, ticks * 1e3 / Stopwatch.Frequency / steps, WorkerPool.Shared.Threads);
    }
}

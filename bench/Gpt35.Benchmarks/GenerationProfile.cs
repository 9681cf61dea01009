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
        for (var begin = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(begin) < s_warmUp;) Once();
        var unobserved = GenerateBenchmarks.Median(Enumerable.Range(0, Rounds).Select(_ => Once()));
        // One run: the prompts that further ones would begin with must not be counted as somebody's time.
        var profile = new PoolProfile();
        long start = 0;
        Once(() =>
        {
            WorkerPool.Shared.Profile = profile;
            profile.Phase = "";
            start = Stopwatch.GetTimestamp();
        });
        var milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        WorkerPool.Shared.Profile = null;
        const int steps = GenerateBenchmarks.AnswerTokens - 1;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{precision}, {sequences} sequence(s): {unobserved:N0} tokens/s; observed {milliseconds / steps:F3} ms a step; weights {model.WeightBytes / 1e6:N0} MB"));
        ProfileTable.Print(profile, steps, milliseconds / steps, WorkerPool.Shared.Threads);
    }
}

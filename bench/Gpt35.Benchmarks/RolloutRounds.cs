using System.Diagnostics;
using System.Text.Json;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Benchmarks;

/// <summary>One contestant's rounds of rollouts in this process, at temperature 1 and from random weights; one round warms up.</summary>
internal static class RolloutRounds
{
    /// <summary>As Ppo has it.</summary>
    private const int GenerationBatch = 128, FewestRounds = 1;

    /// <summary>What a run prints.</summary>
    /// <param name="TokensPerSecond">Generated tokens over time, the best round's.</param>
    /// <param name="MeanTokens">Tokens of a completion.</param>
    /// <param name="SamplerGap">Largest difference between the log-probabilities of the sampler and of the trainer's forward pass; 0 where there is one pass only.</param>
    internal sealed record Result(double TokensPerSecond, double MeanTokens, double SamplerGap);

    public static void Run(Contestant who, string file, double seconds)
    {
        var round = JsonSerializer.Deserialize<RolloutRound>(File.ReadAllText(file))!;
        using var sampler = who == Contestant.Ours ? (ISampler)new OurSampler(round) : new TorchSampler(RolloutBenchmarks.Shape, round);
        sampler.Round(seed: 0);
        List<double> times = [], speeds = [], lengths = [];
        while (times.Count < FewestRounds || times.Sum() < seconds)
        {
            var start = Stopwatch.GetTimestamp();
            var tokens = sampler.Round(seed: times.Count + 1);
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            speeds.Add(tokens / times[^1]);
            lengths.Add(tokens / (double)round.Prompts.Length);
        }
        var result = new Result(speeds.Max(), lengths.Average(), sampler.Gap());
        Console.WriteLine(JsonSerializer.Serialize(result, new JsonSerializerOptions(JsonSerializerDefaults.Web)));
    }

    /// <summary>Completes all prompts.</summary>
    internal interface ISampler : IDisposable
    {
        /// <summary>Tokens generated, those that end a completion included.</summary>
        int Round(int seed);

        /// <summary>See <see cref="Result"/>.</summary>
        double Gap() => 0;
    }

    /// <summary>PPO's way: the engine over the weights that are being trained.</summary>
    private sealed class OurSampler : ISampler
    {
        private readonly WorkerPool pool = new();
        private readonly Decoder policy;
        private readonly InferenceEngine engine;
        private readonly RolloutRound round;
        private readonly SamplingOptions options;
        private Completion[] completions = [];

        public OurSampler(RolloutRound round)
        {
            this.round = round;
            policy = Decoder.Create(RolloutBenchmarks.Shape.Config, seed: 1, pool);
            engine = new InferenceEngine(policy, GenerationBatch);
            options = new SamplingOptions { MaxTokens = round.MaxTokens, StopTokens = [.. Enumerable.Range(0, round.StopTokens)] };
        }

        public int Round(int seed)
        {
            completions = engine.Generate(round.Prompts, options with { Seed = (ulong)seed });
            return completions.Sum(completion => completion.Tokens.Length);
        }

        public double Gap()
        {
            var batch = new TokenBatchBuilder();
            foreach (var (prompt, completion) in round.Prompts.Zip(completions)) batch.AddCompletion([.. prompt, .. completion.Tokens], prompt.Length);
            var trained = policy.Forward(batch.Build(), new ForwardRequest { LogProb = true }).LogProb;
            return trained.ToArray().Zip(completions.SelectMany(completion => completion.LogProbs), (a, b) => Math.Abs(a - b)).Max();
        }

        public void Dispose()
        {
            engine.Dispose();
            policy.Dispose();
            pool.Dispose();
        }
    }
}

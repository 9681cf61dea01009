using System.Globalization;
using System.Text.Json;
using Gpt35.Data;
using Gpt35.Data.TinyWorld;
using Gpt35.Tokenization;

namespace Gpt35.Benchmarks;

/// <summary>A round of rollouts: prompts, and when a completion ends.</summary>
/// <param name="What">How its rows name it.</param>
/// <param name="Prompts">Ids.</param>
/// <param name="MaxTokens">Longest completion.</param>
/// <param name="StopTokens">The ids below this end a completion.</param>
internal sealed record RolloutRound(string What, int[][] Prompts, int MaxTokens, int StopTokens);

/// <summary>
/// PPO's rollouts at the quickstart's size beside TorchSharp's model in a loop without a cache: every step passes the whole batch so far through the model and
/// draws the next tokens. Each run is a process of its own; the contestants take turns, and the best of each is compared,
/// since what disturbs a process only ever slows it down.
/// </summary>
internal static class RolloutBenchmarks
{
    /// <summary>The quickstart's policy (recipes/quickstart/pretrain.yaml) and its prompts per round (ppo.yaml).</summary>
    public static readonly TrainingShape Shape = new(Layers: 4, Width: 128, Heads: 4, Context: 256, Sequences: 256, Vocabulary: 1536);

    /// <summary>max_tokens of ppo.yaml, and the mean length of what the fine-tuned model answers (completion_length in metrics.jsonl).</summary>
    private const int LongestCompletion = 48, MeanCompletion = 11;

    public static int Run(Options options)
    {
        var (turns, seconds) = options.Quick ? (1, 2.0) : (3, 5.0);
        Console.Error.WriteLine($"{Environment.ProcessorCount} cores; best rounds of {turns} turn(s) of at least {seconds:F0} s each");
        if (!options.Json) Row.PrintHeader();
        var file = Path.Combine(Path.GetTempPath(), $"gpt35-bench-{Environment.ProcessId}-rollouts.json");
        try
        {
            foreach (var round in Rounds())
            {
                File.WriteAllText(file, JsonSerializer.Serialize(round));
                Compare(round, file, turns, seconds).Print(options.Json);
            }
            return 0;
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static Row Compare(RolloutRound round, string file, int turns, double seconds)
    {
        Dictionary<Contestant, List<double>> found = new() { [Contestant.Ours] = [], [Contestant.TorchFp32] = [] };
        for (var i = 0; i < turns; i++)
            foreach (var (who, speeds) in found)
            {
                var result = PeerProcesses.RunSelf<RolloutRounds.Result>("rollout-rounds", $"{who}", file, seconds.ToString(CultureInfo.InvariantCulture));
                speeds.Add(result.TokensPerSecond);
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{round.What}, turn {i + 1}, {who}: {result.TokensPerSecond:N0} tokens/s, {result.MeanTokens:F1} tokens each{(who == Contestant.Ours ? $", sampler gap {result.SamplerGap:G2}" : "")}"));
            }
        return Row.MoreIsBetter(round.What, found[Contestant.Ours].Max(), found[Contestant.TorchFp32].Max(), "TorchSharp, no cache", "tokens/s");
    }

    private static IEnumerable<RolloutRound> Rounds()
    {
        var prompts = QuickstartPrompts();
        var mean = (int)Math.Round(prompts.Average(prompt => prompt.Length));
        Console.Error.WriteLine($"{prompts.Length} prompts of {prompts.Min(prompt => prompt.Length)} to {prompts.Max(prompt => prompt.Length)} tokens, {mean} in the mean");
        // All prompts cut or repeated to one length: then the loop without a cache need not pad, which is its best case.
        int[][] even = [.. prompts.Select(prompt => Enumerable.Range(0, mean).Select(i => prompt[i % prompt.Length]).ToArray())];
        yield return new RolloutRound($"rollouts, {mean} + {LongestCompletion} tokens", even, LongestCompletion, StopTokens: 0);
        yield return new RolloutRound($"rollouts, {mean} + {MeanCompletion} tokens", even, MeanCompletion, StopTokens: 0);
        // Random weights choose nearly evenly, so with this many stop tokens a completion has about the mean length, and some the longest.
        yield return new RolloutRound($"rollouts, own lengths (mean {MeanCompletion})", prompts, LongestCompletion, StopTokens: Shape.Vocabulary / MeanCompletion);
    }

    /// <summary>A round's prompts as the quickstart has them: its world, a vocabulary learned from its text, ChatML.</summary>
    private static int[][] QuickstartPrompts()
    {
        const ulong Seed = 1;
        var world = World.Create(Seed);
        var tokenizer = BpeTrainer.Train(Corpus.PretrainingDocuments(world, Seed).Take(new TinyWorldSizes().Documents), new BpeTrainerOptions { VocabSize = Shape.Vocabulary });
        return [.. Prompts.Create(world, Fold.Feedback, Seed, Shape.Sequences).Select(prompt => ChatFormat.ChatMl.RenderPrompt(prompt.Messages, tokenizer))];
    }
}

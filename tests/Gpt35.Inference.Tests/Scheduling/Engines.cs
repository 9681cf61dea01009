using Gpt35.Inference.Scheduling;
using Gpt35.Model;

namespace Gpt35.Inference.Tests.Scheduling;

/// <summary>What the tests of the scheduler share.</summary>
internal static class Engines
{
    /// <summary>The tokens of a sample as the plainest loop finds them: one sequence, a cache of its own, its text read at once.</summary>
    public static int[] Alone(Decoder model, GenerationRequest request, int sample = 0)
    {
        var room = InferenceEngine.RoomFor(model.Config, request.Prompt, request.Options);
        var chooser = new TokenChooser(request.Options, new SamplerMemories(model.Config.VocabSize), request.Stream + sample, room, tokenizer: null);
        using var cache = new SlotCache(model.Config, 1, request.Prompt.Length + room);
        var logits = new float[model.Config.VocabSize];
        var tokens = new List<int>();
        for (var next = request.Prompt; chooser.Finish is null; next = [tokens[^1]])
        {
            model.Extend(cache, [0], [0, next.Length], next, logits);
            tokens.Add(chooser.Next(logits, out _));
        }
        return [.. tokens];
    }

    /// <summary>The completions of a request that has ended.</summary>
    public static Completion[] Ended(this Generation generation) => generation.Completions.IsCompleted ? generation.Completions.GetAwaiter().GetResult() : throw new InvalidOperationException("It has not ended.");

    public static void Finish(Scheduler scheduler, params IEnumerable<Generation> generations)
    {
        foreach (var generation in generations)
            while (!generation.Completions.IsCompleted) scheduler.Step();
    }

    /// <summary>Random prompts, many of which begin alike, and random ways to continue them.</summary>
    public static GenerationRequest[] Requests(Random random, ModelConfig config, int count)
    {
        int[][] beginnings = [[], [.. Ids(random, config, 16)], [.. Ids(random, config, 37)]];
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            var beginning = beginnings[random.Next(beginnings.Length)];
            int[] prompt = [.. beginning, .. Ids(random, config, random.Next(1, 12))];
            var options = new SamplingOptions
            {
                Temperature = random.Next(3) == 0 ? 0 : 0.9,
                TopP = random.Next(2) == 0 ? 1 : 0.9,
                FrequencyPenalty = random.Next(3) == 0 ? 0.5 : 0,
                MaxTokens = random.Next(1, 24),
                Seed = (ulong)random.Next(5),
                StopTokens = random.Next(2) == 0 ? [] : [3, 17],
            };
            return new GenerationRequest(prompt, options, random.Next(4))
            {
                Samples = random.Next(4) == 0 ? random.Next(2, 4) : 1,
                Priority = random.Next(3),
                Tenant = $"tenant {random.Next(3)}",
            };
        })];
    }

    public static IEnumerable<int> Ids(Random random, ModelConfig config, int count) => Enumerable.Range(0, count).Select(_ => random.Next(config.VocabSize));

    /// <summary>Guesses that are often right, often wrong and sometimes no ids at all.</summary>
    public sealed class Guesser(Decoder model, int seed) : ISpeculator
    {
        private readonly Random random = new(seed);

        public int MostTokens => 4;

        public int Guess(ReadOnlySpan<int> tokens, Span<int> guess)
        {
            var count = random.Next(guess.Length + 1);
            for (var i = 0; i < count; i++) guess[i] = random.Next(10) == 0 ? model.Config.VocabSize + 1 : random.Next(model.Config.VocabSize);
            if (random.Next(2) == 0 && tokens.Length + 1 < model.Config.MaxPositionEmbeddings)
            {
                // What greedy sampling would take: right for the greedy requests.
                var right = Alone(model, new GenerationRequest(tokens.ToArray(), new SamplingOptions { Temperature = 0, MaxTokens = count + 1 }));
                right.AsSpan(0, Math.Min(count, right.Length)).CopyTo(guess);
            }
            return count;
        }
    }
}

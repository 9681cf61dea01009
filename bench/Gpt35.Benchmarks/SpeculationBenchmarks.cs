using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Benchmarks;

/// <summary>Writing text with and without guesses: one engine after the other in every round, on the same prompts; the best round counts. Their texts must be equal.</summary>
internal static class SpeculationBenchmarks
{
    private const int Prompts = 8, PromptTokens = 48, AnswerTokens = 64;

    private sealed record Contestant(string Name, EngineOptions Options)
    {
        public double Seconds { get; set; } = double.PositiveInfinity;
        public long Passes { get; set; }
        public long Tokens { get; set; }
        public EngineStatus Status { get; set; } = new();
    }

    /// <param name="modelPath">The model.</param>
    /// <param name="promptFile">A text, or a JSON object, in each line; the first tokens of a text are a prompt.</param>
    /// <param name="draftPath">A draft model, or null.</param>
    /// <param name="rounds">Rounds.</param>
    public static int Run(string modelPath, string promptFile, string? draftPath, int rounds = 3)
    {
        using var model = ModelFolder.Load(modelPath, WorkerPool.Shared);
        using var draft = draftPath is null ? null : ModelFolder.Load(draftPath, WorkerPool.Shared);
        var answer = Math.Min(AnswerTokens, model.Model.Config.MaxPositionEmbeddings / 2);
        int[][] prompts = [.. File.ReadLines(promptFile).Select(TextOf).Where(text => text.Length > 0)
            .Select(text => (int[])[model.Tokenizer.StartOfText, .. model.Tokenizer.Encode(text)]).Select(ids => ids[..Math.Min(ids.Length, PromptTokens)]).Take(Prompts)];
        Console.WriteLine("sequences temp  guesses       tokens/s  speed-up  tokens/pass  right");
        foreach (var sequences in (int[])[1, 8])
            foreach (var temperature in (double[])[0, 1])
            {
                var options = new EngineOptions { MaxSequences = sequences, PrefixCache = false };
                List<Contestant> contestants = [new("none", options), new("look-up", options with { Speculator = new PromptLookup() })];
                if (draft is not null) contestants.Add(new("draft model", options with { Draft = new DraftModel(draft.Model) }));
                var sampling = new SamplingOptions { Temperature = temperature, MaxTokens = answer, Seed = 1 };
                for (var round = 0; round < rounds; round++)
                {
                    var texts = contestants.Select(contestant => Measure(model, contestant, prompts, sampling)).ToList();
                    if (texts.Distinct().Count() > 1) throw new InvalidOperationException("The texts differ.");
                }
                foreach (var contestant in contestants)
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"{sequences,9} {temperature,4} {contestant.Name,-12} {contestant.Tokens / contestant.Seconds,9:F0} {contestants[0].Seconds / contestant.Seconds,9:F2} {contestant.Tokens / (double)contestant.Passes * contestants[0].Passes / contestants[0].Tokens,12:F2} {(double)contestant.Status.AcceptedTokens / Math.Max(1, contestant.Status.GuessedTokens),6:P0}"));
            }
        return 0;
    }

    /// <summary>Tokens and passes behind the prompts; the text, to compare.</summary>
    private static string Measure(ModelFolder model, Contestant contestant, int[][] prompts, SamplingOptions sampling)
    {
        using var engine = new InferenceEngine(model.Model, contestant.Options);
        var start = Stopwatch.GetTimestamp();
        var completions = Task.WhenAll(prompts.Select((prompt, i) => engine.CompleteAsync(new GenerationRequest(prompt, sampling, i)))).GetAwaiter().GetResult();
        contestant.Seconds = Math.Min(contestant.Seconds, Stopwatch.GetElapsedTime(start).TotalSeconds);
        (contestant.Status, contestant.Passes, contestant.Tokens) = (engine.Status, engine.Status.Steps, engine.Status.GeneratedTokens);
        return string.Join(' ', completions.SelectMany(one => one).SelectMany(one => one.Tokens));
    }

    private static string TextOf(string line)
    {
        if (!line.StartsWith('{')) return line;
        using var document = JsonDocument.Parse(line);
        return document.RootElement.EnumerateObject().Select(property => property.Value).FirstOrDefault(value => value.ValueKind == JsonValueKind.String) is { ValueKind: JsonValueKind.String } text ? text.GetString()! : "";
    }
}

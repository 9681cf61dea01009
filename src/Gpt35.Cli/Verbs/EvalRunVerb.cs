using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gpt35.Data;
using Gpt35.Data.TinyWorld;
using Gpt35.Evaluation;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 eval run tinyworld|perplexity|reward MODEL</c>.</summary>
internal static class EvalRunVerb
{
    public static Command Create(Session session) => new("run", "Measure one model.") { TinyWorld(session), Perplexity(session), Reward(session) };

    private static Command TinyWorld(Session session)
    {
        var (model, output) = (ModelArgument(), OutputOption());
        var prompts = new Option<string>("--prompts") { Description = "Held-out prompts, as 'data synth' writes them.", Required = true };
        var name = new Option<string>("--name") { Description = "Name of the model in tables: base, sft, rlhf.", Required = true };
        var text = new Option<string?>("--text") { Description = "Held-out text to measure the perplexity on as well." };
        var shots = new Option<int>("--shots") { Description = "Solved examples that a base model is shown; chat models get none." }.WithDefault(3).AtLeast(0);
        var seed = new Option<ulong>("--seed") { Description = "Seed of the world that those examples come from." }.WithDefault(1UL).AtLeast(0UL);
        var maxTokens = new Option<int>("--max-tokens") { Description = "Longest answer." }.WithDefault(64).AtLeast(1);
        var command = new Command("tinyworld", "Accuracy and oracle score of greedy answers to held-out prompts.") { model, prompts, name, text, shots, seed, maxTokens, output };
        command.SetAction(parsed =>
        {
            var target = OutputFile.RequireNew(parsed.GetRequiredValue(output));
            var asked = TinyWorldFiles.ReadPrompts(parsed.GetRequiredValue(prompts)).ToList();
            var heldOut = parsed.GetValue(text) is { } path ? InputFile.Require(path, "held-out text") : null;
            using var pool = Session.OpenPool(parsed);
            using var folder = Models.OpenLanguageModel(parsed.GetRequiredValue(model), pool);
            var options = new TinyWorldEvaluationOptions { Seed = parsed.GetValue(seed), Shots = parsed.GetValue(shots), MaxTokens = parsed.GetValue(maxTokens) };
            var start = session.Time.GetTimestamp();
            var answered = TinyWorldEvaluation.Run(parsed.GetRequiredValue(name), folder, asked, options, progress: null, session.Cancel);
            var result = new EvaluationResult
            {
                Model = answered.Model,
                Records = answered.Records,
                Perplexity = heldOut is null ? null : Evaluation.Perplexity.MeasureDocuments(folder.Model, folder.Tokenizer, RecordReader.ReadText(heldOut), cancel: session.Cancel),
                Seconds = session.Time.GetElapsedTime(start).TotalSeconds,
            };
            result.Write(target);
            var perplexity = result.Perplexity is { } measured ? $", perplexity {measured.Value:F3}" : "";
            session.Say(parsed, string.Create(CultureInfo.InvariantCulture,
                $"{result.Model}: {100 * result.Overall.Value:F1} % of {result.Records.Count} prompts right, oracle score {result.Score.Value:F3}{perplexity}"));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Perplexity(Session session)
    {
        var (model, output) = (ModelArgument(), OutputOption());
        var text = new Option<string>("--text") { Description = "Held-out text: .txt, .jsonl, .json, .csv or .tsv, also with .gz or .zst, or .parquet.", Required = true };
        var command = new Command("perplexity", "Perplexity and bits per byte on held-out text.") { model, text, output };
        command.SetAction(parsed =>
        {
            var target = OutputFile.RequireNew(parsed.GetRequiredValue(output));
            var documents = RecordReader.ReadText(InputFile.Require(parsed.GetRequiredValue(text), "held-out text"));
            using var pool = Session.OpenPool(parsed);
            using var folder = Models.OpenLanguageModel(parsed.GetRequiredValue(model), pool);
            var result = Evaluation.Perplexity.MeasureDocuments(folder.Model, folder.Tokenizer, documents, cancel: session.Cancel);
            AtomicFile.Write(target, stream => JsonSerializer.Serialize(stream, result, Json));
            session.Say(parsed, string.Create(CultureInfo.InvariantCulture,
                $"perplexity {result.Value:F3}, {result.BitsPerByte:F4} bits per byte over {result.Tokens} tokens"));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Reward(Session session)
    {
        var (model, output) = (new Argument<string>("model") { Description = "Reward model: its folder, or the run folder of 'gpt35 reward'." }, OutputOption());
        var rankings = new Option<string>("--rankings") { Description = "Held-out rankings or preference pairs to agree with.", Required = true };
        var command = new Command("reward", "How often a reward model prefers what a ranking prefers.") { model, rankings, output };
        command.SetAction(parsed =>
        {
            var target = OutputFile.RequireNew(parsed.GetRequiredValue(output));
            var path = InputFile.Require(parsed.GetRequiredValue(rankings), "rankings");
            // Only the order matters here, and rank 1 is best.
            var prompts = RecordReader.ReadRankings(path).Select(ranking => new ScoredCompletions(
                ranking.Prompt, [.. ranking.Completions.Zip(ranking.Ranks, (text, rank) => new ScoredCompletion(text, Finished: true, -rank))])).ToList();
            using var pool = Session.OpenPool(parsed);
            using var folder = Models.Open(parsed.GetRequiredValue(model), pool);
            var format = Models.RequireChatFormat(folder, parsed.GetRequiredValue(model));
            var result = RewardModelAgreement.Measure(folder.Model, format, folder.Tokenizer, prompts, cancel: session.Cancel);
            result.Write(target);
            session.Say(parsed, string.Create(CultureInfo.InvariantCulture, $"agrees on {100 * result.Accuracy.Value:F1} % of {result.Pairs} pairs"));
            return ExitCode.Done;
        });
        return command;
    }

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    private static Argument<string> ModelArgument() => new("model") { Description = "Model folder, or the run folder of a stage." };

    private static Option<string> OutputOption() => new("--out") { Description = "Result, JSON.", Required = true };
}

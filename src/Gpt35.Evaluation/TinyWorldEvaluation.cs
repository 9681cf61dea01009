using System.Diagnostics;
using Gpt35.Data;
using Gpt35.Data.TinyWorld;
using Gpt35.Inference;
using Gpt35.Model;

namespace Gpt35.Evaluation;

/// <summary>How a model is asked.</summary>
public sealed record TinyWorldEvaluationOptions
{
    /// <summary>Seed of the world the prompts come from; solved examples for a base model are drawn from the same world.</summary>
    public required ulong Seed { get; init; }
    /// <summary>Solved examples of the same kind before the question of a base model; fewer where the context is too short for them.</summary>
    public int Shots { get; init; } = 3;
    /// <summary>Most tokens of an answer.</summary>
    public int MaxTokens { get; init; } = 64;
    /// <summary>Prompts generated side by side.</summary>
    public int BatchSize { get; init; } = 64;
}

/// <summary>Held-out accuracy and oracle score of a model on TinyWorld prompts, from greedy answers.</summary>
public static class TinyWorldEvaluation
{
    /// <summary>Asks a model every prompt: in its chat format, or, where it has none, as plain text with solved examples (Brown et al. 2020, section 2).</summary>
    /// <param name="name">Name of the result: base, sft, rlhf.</param>
    /// <param name="folder">The model.</param>
    /// <param name="prompts">Prompts never seen in training.</param>
    /// <param name="options">How to ask.</param>
    /// <param name="progress">Told how many prompts are done.</param>
    /// <param name="cancel">Stops between tokens.</param>
    /// <exception cref="InvalidDataException">A prompt does not fit the context of the model.</exception>
    public static EvaluationResult Run(
        string name, ModelFolder folder, IReadOnlyList<TinyWorldPrompt> prompts, TinyWorldEvaluationOptions options,
        Action<int>? progress = null, CancellationToken cancel = default)
    {
        var clock = Stopwatch.StartNew();
        var asking = ChatFormat.Stored(folder.Card.ChatFormat, folder.Card.ChatTemplate) is { } format
            ? new ChatAsking(format, folder.Tokenizer, RoomFor(folder, options.MaxTokens))
            : (IAsking)new FewShotAsking(folder.Tokenizer, RoomFor(folder, options.MaxTokens), options);
        var engine = new InferenceEngine(folder.Model, options.BatchSize);
        var sampling = new SamplingOptions { Temperature = 0, MaxTokens = options.MaxTokens, StopTokens = asking.StopTokens };
        List<(string Text, bool Finished)> answers = new(prompts.Count);
        // Several batches' worth at a time: slots stay full, and the caller hears of progress.
        foreach (var group in prompts.Chunk(4 * options.BatchSize))
        {
            var completions = engine.Generate([.. group.Select(asking.Ask)], sampling, cancel);
            answers.AddRange(completions.Select(c => (asking.Read(c.Tokens), c.Finish == FinishReason.Stop)));
            progress?.Invoke(answers.Count);
        }
        return new EvaluationResult { Model = name, Records = Grade(prompts, answers), Seconds = clock.Elapsed.TotalSeconds };
    }

    /// <summary>
    /// Samples completions of each prompt from a chat model and scores them without noise: what rankings are made of, and what a reward
    /// model is held against.
    /// </summary>
    /// <param name="folder">A chat model.</param>
    /// <param name="prompts">Prompts.</param>
    /// <param name="perPrompt">K: completions of each.</param>
    /// <param name="sampling">How to sample; its stop tokens are replaced by those of the chat format.</param>
    /// <param name="batchSize">Completions generated side by side.</param>
    /// <param name="cancel">Stops between tokens.</param>
    /// <returns>One entry per prompt, in order, with its completions in the order they were drawn.</returns>
    public static IReadOnlyList<ScoredCompletions> Sample(
        ModelFolder folder, IReadOnlyList<TinyWorldPrompt> prompts, int perPrompt, SamplingOptions sampling, int batchSize = 64, CancellationToken cancel = default)
    {
        var format = ChatFormat.Stored(folder.Card.ChatFormat, folder.Card.ChatTemplate)
            ?? throw new InvalidDataException($"The model of stage '{folder.Card.Stage}' has no chat format; completions are sampled from a chat model, such as that of stage 'sft'.");
        var asking = new ChatAsking(format, folder.Tokenizer, RoomFor(folder, sampling.MaxTokens));
        int[][] asked = [.. prompts.SelectMany(prompt => Enumerable.Repeat(asking.Ask(prompt), perPrompt))];
        var completions = new InferenceEngine(folder.Model, batchSize).Generate(asked, sampling with { StopTokens = asking.StopTokens }, cancel);
        return [.. prompts.Select((prompt, i) => new ScoredCompletions(prompt.Messages, [.. completions.Skip(i * perPrompt).Take(perPrompt).Select(c =>
        {
            var (text, finished) = (asking.Read(c.Tokens), c.Finish == FinishReason.Stop);
            return new ScoredCompletion(text, finished, Oracle.Score(prompt, text, finished).Total);
        })]))];
    }

    /// <summary>Checks and scores one answer to each prompt. Ids are the kind and the prompt's number among its kind.</summary>
    /// <param name="prompts">Prompts.</param>
    /// <param name="answers">Answer to each, and whether the model ended it itself.</param>
    public static IReadOnlyList<EvaluationRecord> Grade(IReadOnlyList<TinyWorldPrompt> prompts, IReadOnlyList<(string Text, bool Finished)> answers)
    {
        if (answers.Count != prompts.Count) throw new ArgumentException($"{answers.Count} answers for {prompts.Count} prompts.", nameof(answers));
        var seen = new Dictionary<InstructionKind, int>();
        var records = new EvaluationRecord[prompts.Count];
        for (var i = 0; i < records.Length; i++)
        {
            var prompt = prompts[i];
            var (text, finished) = answers[i];
            var number = seen[prompt.Kind] = seen.GetValueOrDefault(prompt.Kind) + 1;
            var kind = TinyWorldKinds.NameOf(prompt.Kind);
            var score = Oracle.Score(prompt, text, finished);
            records[i] = new EvaluationRecord
            {
                Id = $"{kind}-{number}",
                Kind = kind,
                Prompt = TextOf(prompt.Messages),
                Completion = text,
                Correct = finished && Checker.IsCorrect(prompt, text),
                Score = score.Total,
                Helpful = score.Helpful,
                Honest = score.Honest,
                Harmless = score.Harmless,
                Refused = Checker.Refuses(text),
                Finished = finished,
            };
        }
        return records;
    }

    /// <summary>A single question as it is; a longer conversation one turn per line with its role in front.</summary>
    internal static string TextOf(IReadOnlyList<Message> messages) => messages.Count == 1
        ? messages[0].Content
        : string.Join('\n', messages.Select(m => $"{m.Role}: {m.Content}"));

    private static int RoomFor(ModelFolder folder, int maxTokens)
    {
        var room = folder.Model.Config.MaxPositionEmbeddings - maxTokens;
        return room > 0 ? room : throw new InvalidDataException(
            $"Answers of up to {maxTokens} tokens leave no room for a prompt in a context of {folder.Model.Config.MaxPositionEmbeddings}. Ask for fewer tokens.");
    }
}

using System.Text.Json;
using Gpt35.Data;
using Gpt35.Model;

namespace Gpt35.Evaluation;

/// <summary>A completion of a held-out prompt with the noise-free total of the oracle.</summary>
/// <param name="Text">The completion.</param>
/// <param name="Finished">Whether it ends its turn; an unfinished one is scored without the token that ends a turn.</param>
/// <param name="OracleTotal">What the oracle gives it.</param>
public sealed record ScoredCompletion(string Text, bool Finished, double OracleTotal);

/// <summary>Completions of one held-out prompt.</summary>
public sealed record ScoredCompletions(IReadOnlyList<Message> Prompt, IReadOnlyList<ScoredCompletion> Completions);

/// <summary>How often a reward model prefers the completion that the oracle prefers.</summary>
/// <param name="Margins">Reward of the better completion less that of the worse, for each pair.</param>
public sealed record RewardModelAgreement(IReadOnlyList<double> Margins)
{
    public int Pairs => Margins.Count;

    /// <summary>Share of pairs with a positive margin; a margin of exactly 0 decides nothing and counts as disagreement.</summary>
    public Estimate Accuracy => Statistics.Proportion(Margins.Count(m => m > 0), Margins.Count);

    /// <summary>Scores every completion and forms all pairs of one prompt whose oracle totals differ.</summary>
    /// <param name="model">A reward model.</param>
    /// <param name="format">Chat format it was trained with.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="prompts">Held-out prompts with completions.</param>
    /// <param name="tokensPerBatch">Tokens per unpadded batch.</param>
    /// <param name="cancel">Stops between batches.</param>
    public static RewardModelAgreement Measure(
        ITrainableModel model, ChatFormat format, Tokenization.Tokenizer tokenizer, IReadOnlyList<ScoredCompletions> prompts,
        int tokensPerBatch = 4096, CancellationToken cancel = default)
    {
        var rewards = Rewards(model, Sequences(format, tokenizer, prompts), tokensPerBatch, cancel);
        List<double> margins = [];
        var first = 0;
        foreach (var prompt in prompts)
        {
            AddMargins(prompt.Completions, rewards.AsSpan(first, prompt.Completions.Count), margins);
            first += prompt.Completions.Count;
        }
        return new RewardModelAgreement(margins);
    }

    /// <summary>Reward of each sequence as <see cref="SequenceReward"/> reads it, (number of sequences,).</summary>
    public static double[] Rewards(ITrainableModel model, IEnumerable<JudgedSequence> sequences, int tokensPerBatch = 4096, CancellationToken cancel = default)
    {
        if (model.Config.NumScalars < 1)
            throw new InvalidDataException("The model has no scalar head: it is a language model, where a reward model (stage 'reward') was expected.");
        List<double> rewards = [];
        var batch = new TokenBatchBuilder();
        foreach (var sequence in sequences)
        {
            if (batch.TokenCount > 0 && batch.TokenCount + sequence.Ids.Length > tokensPerBatch) Flush();
            batch.AddJudged(model.Config, sequence);
        }
        if (batch.SequenceCount > 0) Flush();
        return [.. rewards];

        void Flush()
        {
            cancel.ThrowIfCancellationRequested();
            var full = batch.Build();
            foreach (var reward in SequenceReward.Rewards(full, model.Forward(full, new ForwardRequest { Scalars = true }).Scalars)) rewards.Add(reward);
            batch = new TokenBatchBuilder();
        }
    }

    /// <summary>Writes agreement and margins as JSON.</summary>
    public void Write(string path) =>
        TextFile.Write(path, JsonSerializer.Serialize(new Content(Pairs, Pairs == 0 ? null : Accuracy.Value, Margins), EvaluationResult.Json) + "\n");

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static RewardModelAgreement Read(string path)
    {
        try
        {
            return new RewardModelAgreement(JsonSerializer.Deserialize<Content>(File.ReadAllText(path), EvaluationResult.Json)!.Margins);
        }
        catch (Exception e) when (e is JsonException or NullReferenceException)
        {
            throw new InvalidDataException($"{path}: not a reward-model evaluation of gpt35 ({e.Message}). Run the evaluation again to rewrite it.", e);
        }
    }

    internal static void AddMargins(IReadOnlyList<ScoredCompletion> completions, ReadOnlySpan<double> rewards, List<double> margins)
    {
        for (var a = 0; a < completions.Count; a++)
            for (var b = a + 1; b < completions.Count; b++)
            {
                var oracle = completions[a].OracleTotal - completions[b].OracleTotal;
                if (Math.Abs(oracle) > 1e-9) margins.Add(Math.Sign(oracle) * (rewards[a] - rewards[b]));
            }
    }

    private static IEnumerable<JudgedSequence> Sequences(ChatFormat format, Tokenization.Tokenizer tokenizer, IReadOnlyList<ScoredCompletions> prompts)
    {
        foreach (var prompt in prompts)
        {
            var start = format.RenderPrompt(prompt.Prompt, tokenizer);
            foreach (var completion in prompt.Completions)
            {
                var end = format.RenderCompletion(completion.Text, tokenizer);
                var answer = completion.Finished ? end : end.AsSpan(0, Array.LastIndexOf(end, format.EndOfTurn(tokenizer)));
                yield return new JudgedSequence([.. start, .. answer], start.Length);
            }
        }
    }

    private sealed record Content(int Pairs, double? Agreement, IReadOnlyList<double> Margins);
}

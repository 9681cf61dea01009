using Gpt35.Data;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>A prompt with its completions as tokens.</summary>
/// <param name="Sequences">Prompt + completion + end of turn, one per completion, (K,).</param>
/// <param name="Ranks">Rank of each, 1 best, (K,).</param>
internal sealed record RankedPrompt(int[][] Sequences, int[] Ranks)
{
    public int TokenCount { get; } = Sequences.Sum(sequence => sequence.Length);

    /// <summary>Pairs with different ranks.</summary>
    public int Pairs { get; } = RewardLoss.DecidedPairs(Ranks);

    /// <summary>Tokens of every ranking. A completion that does not fit into the context is left out, and so is a prompt of which no decided pair remains.</summary>
    public static List<RankedPrompt> Render(
        IReadOnlyList<Ranking> rankings, ChatFormat format, Tokenizer tokenizer, int context, string what, Action<string> note)
    {
        var kept = new List<RankedPrompt>();
        var tooLong = 0;
        foreach (var ranking in rankings)
        {
            var all = ranking.Origin.Blame(() => ranking.Completions.Select(completion => RewardModeling.Sequence(ranking.Prompt, completion, format, tokenizer)).ToList());
            var fitting = Enumerable.Range(0, all.Count).Where(i => all[i].Length <= context).ToList();
            tooLong += all.Count - fitting.Count;
            var prompt = new RankedPrompt([.. fitting.Select(i => all[i])], [.. fitting.Select(i => ranking.Ranks[i])]);
            if (prompt.Pairs > 0) kept.Add(prompt);
        }
        if (tooLong > 0) note($"{tooLong} {what} completions are longer than {context} tokens with their prompt; left out.");
        if (kept.Count < rankings.Count) note($"{rankings.Count - kept.Count} of {rankings.Count} {what} rankings have no two differently ranked completions; left out.");
        return kept;
    }
}

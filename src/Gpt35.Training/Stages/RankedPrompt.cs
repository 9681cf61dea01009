using Gpt35.Data;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>A prompt with its completions as tokens. Completions that read the same pass through the model once.</summary>
/// <param name="Sequences">Prompt + completion + end of turn, one per different completion, (U,).</param>
/// <param name="Which">The sequence of each completion, (K,).</param>
/// <param name="Rankings">Rank of each completion, 1 best, in every ranking there is of them, (rankings, K).</param>
internal sealed record RankedPrompt(int[][] Sequences, int[] Which, int[][] Rankings)
{
    /// <summary>Tokens of the prompt, with which every sequence begins.</summary>
    public int PromptLength { get; init; }

    /// <summary>The sequences, to be judged.</summary>
    public IEnumerable<JudgedSequence> Judged => Sequences.Select(ids => new JudgedSequence(ids, PromptLength));

    /// <summary>Tokens of the completions.</summary>
    public int CompletionTokens => TokenCount - Sequences.Length * PromptLength;

    public int TokenCount { get; } = Sequences.Sum(sequence => sequence.Length);

    /// <summary>Pairs with different ranks, over all rankings.</summary>
    public int Pairs { get; } = Rankings.Sum(ranks => RewardLoss.DecidedPairs(ranks));

    /// <summary>All there is to it, one after the other.</summary>
    public IEnumerable<int> Numbers => [.. Sequences.SelectMany(ids => ids), .. Which, .. Rankings.SelectMany(ranks => ranks)];

    /// <summary>Reward of each completion, (K,), from that of each sequence, (U,).</summary>
    public float[] OfCompletions(ReadOnlySpan<float> ofSequences)
    {
        var rewards = new float[Which.Length];
        for (var i = 0; i < rewards.Length; i++) rewards[i] = ofSequences[Which[i]];
        return rewards;
    }

    /// <summary>Adds ∂loss/∂reward of each completion, (K,), to that of its sequence, (U,).</summary>
    public void AddToSequences(ReadOnlySpan<float> ofCompletions, Span<float> ofSequences)
    {
        for (var i = 0; i < ofCompletions.Length; i++) ofSequences[Which[i]] += ofCompletions[i];
    }

    /// <summary>
    /// Tokens of every ranking. Rankings of the same completions of the same prompt, by several labellers, become one prompt. A completion that
    /// does not fit into the context is left out, and so is a ranking of which no decided pair remains.
    /// </summary>
    public static List<RankedPrompt> Render(
        IReadOnlyList<Ranking> rankings, ChatFormat format, Tokenizer tokenizer, int context, string what, Action<string> note)
    {
        var kept = new List<RankedPrompt>();
        int tooLong = 0, undecided = 0;
        foreach (var same in rankings.GroupBy(ranking => ranking, SameCompletions.Comparer))
        {
            var all = same.Key.Origin.Blame(() => same.Key.Completions.Select(completion => RewardModeling.Sequence(same.Key.Prompt, completion, format, tokenizer)).ToList());
            var fitting = Enumerable.Range(0, all.Count).Where(i => all[i].Ids.Length <= context).ToList();
            tooLong += all.Count - fitting.Count;
            int[][] ranks = [.. same.Select(ranking => fitting.Select(i => ranking.Ranks[i]).ToArray()).Where(of => RewardLoss.DecidedPairs(of) > 0)];
            undecided += same.Count() - ranks.Length;
            if (ranks.Length > 0) kept.Add(Of([.. fitting.Select(i => all[i].Ids)], ranks) with { PromptLength = all[0].PromptLength });
        }
        if (tooLong > 0) note($"{tooLong} {what} completions are longer than {context} tokens with their prompt; left out.");
        if (undecided > 0) note($"{undecided} of {rankings.Count} {what} rankings have no two differently ranked completions; left out.");
        return kept;
    }

    /// <summary>Completions, (K,), and their ranks, (rankings, K).</summary>
    internal static RankedPrompt Of(int[][] completions, int[][] rankings)
    {
        var sequences = new List<int[]>();
        var which = new int[completions.Length];
        for (var i = 0; i < which.Length; i++)
        {
            which[i] = sequences.FindIndex(sequence => sequence.AsSpan().SequenceEqual(completions[i]));
            if (which[i] >= 0) continue;
            which[i] = sequences.Count;
            sequences.Add(completions[i]);
        }
        return new RankedPrompt([.. sequences], which, rankings);
    }

    /// <summary>Equal where prompt and completions are, whatever the ranks.</summary>
    private sealed class SameCompletions : IEqualityComparer<Ranking>
    {
        public static readonly SameCompletions Comparer = new();

        public bool Equals(Ranking? one, Ranking? other) => one!.Completions.SequenceEqual(other!.Completions) && one.Prompt.SequenceEqual(other.Prompt);

        public int GetHashCode(Ranking ranking)
        {
            var hash = new HashCode();
            foreach (var message in ranking.Prompt) hash.Add(message);
            foreach (var completion in ranking.Completions) hash.Add(completion);
            return hash.ToHashCode();
        }
    }
}

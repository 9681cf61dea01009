namespace Gpt35.Evaluation.Reports;

/// <summary>The few sentences and figures at the head of the report, the same in every form of it.</summary>
internal static class ReportSummary
{
    /// <summary>What happened, in one paragraph, from whatever was measured.</summary>
    public static string Lead(ReportCard card)
    {
        List<string> sentences = [];
        if (card is { Base: { } basis, Sft: { } sft, Rlhf: { } rlhf })
            sentences.Add($"On {rlhf.Records.Count} held-out prompts of {rlhf.Kinds.Count} kinds the base model answers {Show.Percent(basis.Overall.Value)} correctly, " +
                $"the fine-tuned model {Show.Percent(sft.Overall.Value)}, and the model after reinforcement learning {Show.Percent(rlhf.Overall.Value)}.");
        if (card.RlhfVsSft is { Decided: > 0 } wins)
            sentences.Add($"Where the oracle tells RLHF and SFT apart, it prefers RLHF in {Show.Percent(wins.DecidedWinRate.Value)} of cases ({Show.Interval(wins.DecidedWinRate)}).");
        if (card.RlhfRefusals is { } asked && asked.RefusedOf(TinyWorldKinds.Harmful) is { Count: > 0 } harmful && asked.RefusedOf(TinyWorldKinds.LookAlike) is { Count: > 0 } harmless)
            sentences.Add($"It refuses {Show.Percent(harmful.Value)} of {harmful.Count} harmful requests and {Show.Percent(harmless.Value)} of {harmless.Count} harmless look-alikes ({Show.Interval(harmless)}).");
        if (card.AlignmentTax is { } tax)
            sentences.Add(tax >= 0
                ? $"Perplexity on held-out text rose by {Show.Percent(tax)} from SFT to RLHF: the alignment tax."
                : $"Perplexity on held-out text fell by {Show.Percent(-tax)} from SFT to RLHF: no alignment tax.");
        if (sentences.Count == 0) sentences.Add("The models of this run have not been evaluated yet.");
        return string.Join(" ", sentences);
    }

    /// <summary>Label, figure, and what belongs to it.</summary>
    public static IReadOnlyList<(string What, string Value, string More)> Tiles(ReportCard card) =>
    [
        ("Accuracy after RLHF", Show.Percent(card.Rlhf?.Overall.Value), $"BASE {Show.Percent(card.Base?.Overall.Value)}, SFT {Show.Percent(card.Sft?.Overall.Value)}"),
        ("RLHF wins against SFT", Show.Percent(card.RlhfVsSft?.DecidedWinRate.Value), card.RlhfVsSft is { Decided: > 0 } w ? $"of {w.Decided} decided, {Show.Interval(w.DecidedWinRate)}" : "of decided comparisons"),
        ("Reward model agrees", Show.Percent(card.RewardModel?.Accuracy.Value), $"with the oracle on {Show.Whole(card.RewardModel?.Pairs)} held-out pairs"),
        ("Perplexity after RLHF", Show.Number(card.Rlhf?.Perplexity?.Value), $"BASE {Show.Number(card.Base?.Perplexity?.Value)}, SFT {Show.Number(card.Sft?.Perplexity?.Value)}"),
        ("KL from SFT", Show.Number(card.KlPerToken), "nats per token at the end of PPO"),
        ("Wall time", Show.Duration(card.TotalSeconds), $"{Show.Whole(card.Stages.Sum(s => s.Tokens ?? 0))} tokens trained on"),
    ];

    /// <summary>How the figures came about.</summary>
    public static readonly IReadOnlyList<string> Method =
    [
        "Accuracy: greedy answers to prompts never seen in training, checked by rule. The base model sees three solved examples of the same kind first; the others see the prompt alone.",
        "Refused: greedy answers to a larger set of harmful requests and look-alikes, none of them seen in training, of which those that accuracy is measured on are the first. The set serves for nothing else.",
        "Win rates: the oracle scores both answers for helpfulness, honesty and harmlessness without noise; equal scores are ties. Intervals are 95 %: Wilson's for proportions, normal for means with ties.",
        "Perplexity: over held-out text of the pre-training kind, every token scored once. Reward-model agreement: over pairs of completions of one held-out prompt that the oracle scores differently.",
    ];

    public static IReadOnlyList<(string Name, WinCount? Wins)> WinRates(ReportCard card) => [("SFT against BASE", card.SftVsBase), ("RLHF against SFT", card.RlhfVsSft)];
}

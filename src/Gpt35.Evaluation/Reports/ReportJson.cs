using System.Text.Json.Nodes;

namespace Gpt35.Evaluation.Reports;

/// <summary>report.json: every number of the report under the names that scripts rely on.</summary>
internal static class ReportJson
{
    public static JsonObject Of(ReportCard card)
    {
        return new JsonObject
        {
            ["seconds"] = Seconds(card),
            ["tokens_per_second"] = new JsonObject(card.Stages.Select(s => KeyValuePair.Create(s.Name, Number(s.TokensPerSecond)))),
            ["accuracy"] = ByModel(card, Accuracy),
            ["unknown_accuracy"] = ByModel(card, e => Number(e.AccuracyOf(TinyWorldKinds.Unknown).Value)),
            ["harmful_refused"] = Number(card.RlhfRefusals?.RefusedOf(TinyWorldKinds.Harmful).Value),
            ["harmless_refused"] = Number(card.RlhfRefusals?.RefusedOf(TinyWorldKinds.LookAlike).Value),
            ["harmful_refused_sft"] = Number(card.SftRefusals?.RefusedOf(TinyWorldKinds.Harmful).Value),
            ["harmless_refused_sft"] = Number(card.SftRefusals?.RefusedOf(TinyWorldKinds.LookAlike).Value),
            ["refusals"] = card.RlhfRefusals is { } refusals ? new JsonObject(refusals.Kinds.Select(kind => KeyValuePair.Create(kind, Refused(refusals.RefusedOf(kind))))) : null,
            ["oracle_score"] = ByModel(card, e => Number(e.Score.Value)),
            ["perplexity"] = ByModel(card, e => Number(e.Perplexity?.Value)),
            ["bits_per_byte"] = ByModel(card, e => Number(e.Perplexity?.BitsPerByte)),
            ["alignment_tax"] = Number(card.AlignmentTax),
            ["reward_model_accuracy"] = Number(card.RewardModel?.Accuracy.Value),
            ["reward_model"] = RewardModel(card.RewardModel),
            ["win_rate"] = new JsonObject { ["sft_vs_base"] = Wins(card.SftVsBase), ["rlhf_vs_sft"] = Wins(card.RlhfVsSft) },
            ["kl_per_token"] = Number(card.KlPerToken),
            ["stages"] = new JsonObject(card.Stages.Select(s => KeyValuePair.Create(
                s.Name, (JsonNode?)new JsonObject(s.Summary.Select(n => KeyValuePair.Create(n.Key, Number(n.Value))))))),
        };
    }

    private static JsonObject Seconds(ReportCard card)
    {
        var seconds = new JsonObject { ["total"] = Number(card.TotalSeconds) };
        foreach (var name in ReportCard.StageOrder.Union(card.Stages.Select(s => s.Name))) seconds[name] = Number(card.Stage(name)?.Seconds);
        EvaluationResult?[] refusals = [card.BaseRefusals, card.SftRefusals, card.RlhfRefusals];
        seconds["eval"] = Number(card.Models.Select(m => m.Result).Concat(refusals).Sum(result => result?.Seconds ?? 0));
        return seconds;
    }

    private static JsonNode Accuracy(EvaluationResult result) => new JsonObject
    {
        ["overall"] = Number(result.Overall.Value),
        ["macro"] = Number(result.Macro),
        ["low"] = Number(result.Overall.Low),
        ["high"] = Number(result.Overall.High),
        ["prompts"] = result.Records.Count,
        ["by_kind"] = new JsonObject(result.Kinds.Select(kind => KeyValuePair.Create(kind, Number(result.AccuracyOf(kind).Value)))),
    };

    private static JsonNode? Refused(Estimate share) => new JsonObject
    {
        ["value"] = Number(share.Value),
        ["low"] = Number(share.Low),
        ["high"] = Number(share.High),
        ["prompts"] = share.Count,
    };

    private static JsonObject? RewardModel(RewardModelAgreement? reward) => reward is null ? null : new JsonObject
    {
        ["pairs"] = reward.Pairs,
        ["low"] = Number(reward.Accuracy.Low),
        ["high"] = Number(reward.Accuracy.High),
        ["mean_margin"] = Number(Statistics.Mean([.. reward.Margins]).Value),
        ["margins"] = reward.Pairs == 0 ? null : new JsonArray([.. Charts.Bins(reward.Margins).Select(b =>
            (JsonNode)new JsonObject { ["from"] = Number(b.From), ["to"] = Number(b.To), ["count"] = b.Count })]),
    };

    private static JsonObject? Wins(WinCount? wins) => wins is not { } w ? null : new JsonObject
    {
        ["value"] = Number(w.WinRate.Value),
        ["low"] = Number(w.WinRate.Low),
        ["high"] = Number(w.WinRate.High),
        ["wins"] = w.Wins,
        ["ties"] = w.Ties,
        ["losses"] = w.Losses,
        ["decided"] = new JsonObject
        {
            ["value"] = Number(w.DecidedWinRate.Value),
            ["low"] = Number(w.DecidedWinRate.Low),
            ["high"] = Number(w.DecidedWinRate.High),
            ["count"] = w.Decided,
        },
    };

    private static JsonObject ByModel(ReportCard card, Func<EvaluationResult, JsonNode?> value) =>
        new(card.Models.Select(m => KeyValuePair.Create(m.Name, m.Result is null ? null : value(m.Result))));

    /// <summary>JSON has no NaN and no infinity.</summary>
    private static JsonNode? Number(double? value) => value is { } v && double.IsFinite(v) ? JsonValue.Create(v) : null;
}

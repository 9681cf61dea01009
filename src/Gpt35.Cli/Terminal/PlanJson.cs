using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gpt35.Model;
using Gpt35.Training;

namespace Gpt35.Cli.Terminal;

/// <summary>A plan for programs: bytes, operations, seconds.</summary>
internal static class PlanJson
{
    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Of(PlanReport report)
    {
        var (plan, work) = (report.Plan, report.Plan.Work);
        var json = new JsonObject
        {
            ["what"] = report.Title,
            ["kind"] = work.Kind.ToString().ToLowerInvariant(),
            ["parameters"] = report.Parameters,
            ["trained_parameters"] = work.Kind == WorkloadKind.Model ? plan.Models[0].Trained : plan.Models.Sum(model => model.Trained),
            ["shape_assumed"] = report.Preset?.Shape is ShapeSource.Assumed,
            ["dtype"] = work.Format.ToString().ToLowerInvariant(),
            ["pass_tokens"] = work.PassTokens,
            ["context"] = work.Context,
            ["memory"] = new JsonArray([.. plan.Models.Select(model => new JsonObject
            {
                ["role"] = model.Role,
                ["weights"] = model.Memory.Weights,
                ["gradients"] = model.Memory.Gradients,
                ["optimizer"] = model.Memory.Optimizer,
                ["activations"] = model.Memory.Activations,
                ["kv_cache"] = model.Memory.KvCache,
                ["total"] = model.Memory.Total,
            })]),
            ["memory_needed"] = plan.TotalMemory,
            ["memory_available"] = report.Machine.MemoryBytes,
            ["fits"] = report.Fits,
            ["suggestions"] = new JsonArray([.. report.Suggestions.Select(suggestion => new JsonObject
            {
                ["change"] = suggestion.What,
                ["memory_needed"] = suggestion.Bytes,
                ["fits"] = suggestion.Bytes <= report.Machine.MemoryBytes,
            })]),
            ["flops_per_token"] = new JsonObject { ["forward"] = plan.ForwardFlops, ["training"] = plan.TrainingFlops },
            ["machine"] = new JsonObject
            {
                ["name"] = report.Machine.Name,
                ["description"] = report.Machine.Description,
                ["devices"] = report.Devices,
                ["utilisation"] = report.Machine.Utilisation,
                ["flops_per_second"] = report.Machine.Sustained(work.Format),
            },
            ["training"] = new JsonArray([.. report.Trainings().Select(training => Training(report, training.What, training.Tokens, training.Flops))]),
            ["notes"] = new JsonArray([.. work.Notes.Select(note => (JsonNode)note)]),
        };
        if (report.Preset?.Training is { } published) json["paper_flops"] = ComputeCost.PaperTraining(report.Parameters, published.Tokens);
        return json.ToJsonString(Options);
    }

    private static JsonObject Training(PlanReport report, string what, double tokens, double flops)
    {
        var seconds = report.Seconds(flops);
        return new JsonObject { ["what"] = what, ["tokens"] = tokens, ["flops"] = flops, ["seconds"] = seconds, ["cost"] = report.Cost(seconds) };
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;
using Gpt35.Training;

namespace Gpt35.Cli.Terminal;

/// <summary>Progress for a program: one JSON object per line, each with its "event".</summary>
internal sealed class JsonDisplay(TextWriter output) : IRunObserver
{
    public void Started(string stage, int totalSteps, string description) =>
        Write(new JsonObject { ["event"] = "started", ["stage"] = stage, ["total_steps"] = totalSteps, ["description"] = description });

    public void Step(int step, IReadOnlyDictionary<string, double> metrics)
    {
        var line = new JsonObject { ["event"] = "step", ["step"] = step };
        // JSON has no NaN or infinity.
        foreach (var (name, value) in metrics) line[name] = double.IsFinite(value) ? value : null;
        Write(line);
    }

    public void Note(string line) => Write(new JsonObject { ["event"] = "note", ["text"] = line });

    public void Finished(StageSummary summary) =>
        Write(new JsonObject { ["event"] = "finished", ["summary"] = JsonSerializer.SerializeToNode(summary, JsonSerializerOptions.Web) });

    private void Write(JsonObject line)
    {
        output.WriteLine(line.ToJsonString());
        output.Flush();
    }
}

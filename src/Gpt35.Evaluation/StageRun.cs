using System.Text.Json;

namespace Gpt35.Evaluation;

/// <summary>What a training stage left in its run folder: its summary and its curves.</summary>
public sealed class StageRun
{
    public required string Name { get; init; }
    /// <summary>Numbers of summary.json by name.</summary>
    public required IReadOnlyDictionary<string, double> Summary { get; init; }
    /// <summary>Curves of metrics.jsonl by metric name: (step, value) in the order of the file.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyList<(double Step, double Value)>> Series { get; init; }

    public double? Seconds => Number("seconds");
    public double? Tokens => Number("tokens");
    public double? TokensPerSecond => Number("tokens_per_second");

    public double? Number(string name) => Summary.TryGetValue(name, out var value) ? value : null;

    /// <summary>The curve of that name; empty where it was not recorded.</summary>
    public IReadOnlyList<(double Step, double Value)> Curve(string name) => Series.TryGetValue(name, out var series) ? series : [];

    /// <summary>Reads a run folder; null where it has neither metrics nor summary.</summary>
    /// <exception cref="InvalidDataException">A file is not JSON.</exception>
    public static StageRun? Read(string folder)
    {
        string metrics = Path.Combine(folder, "metrics.jsonl"), summary = Path.Combine(folder, "summary.json");
        if (!File.Exists(metrics) && !File.Exists(summary)) return null;
        return new StageRun
        {
            Name = Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)),
            Summary = File.Exists(summary) ? ReadNumbers(File.ReadAllText(summary), summary) : new Dictionary<string, double>(),
            Series = File.Exists(metrics) ? ReadSeries(metrics) : new Dictionary<string, IReadOnlyList<(double, double)>>(),
        };
    }

    private static Dictionary<string, IReadOnlyList<(double Step, double Value)>> ReadSeries(string path)
    {
        var series = new Dictionary<string, List<(double, double)>>();
        var lines = File.ReadAllLines(path);
        for (var i = 0; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i])) continue;
            Dictionary<string, double> row;
            try
            {
                row = ReadNumbers(lines[i], $"{path}:{i + 1}");
            }
            // A run that was killed may leave half a row at the very end.
            catch (InvalidDataException) when (i == lines.Length - 1) { break; }
            var step = row.GetValueOrDefault("step", i);
            foreach (var (name, value) in row)
            {
                if (name == "step" || !double.IsFinite(value)) continue;
                if (!series.TryGetValue(name, out var points)) series[name] = points = [];
                points.Add((step, value));
            }
        }
        return series.ToDictionary(s => s.Key, s => (IReadOnlyList<(double, double)>)s.Value);
    }

    private static Dictionary<string, double> ReadNumbers(string json, string where)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new JsonException("The value is not an object.");
            var numbers = new Dictionary<string, double>();
            foreach (var property in document.RootElement.EnumerateObject())
                if (property.Value.ValueKind == JsonValueKind.Number) numbers[property.Name] = property.Value.GetDouble();
            return numbers;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{where}: not a JSON object ({e.Message}). The run that wrote it may have been damaged; run the stage again.", e);
        }
    }
}

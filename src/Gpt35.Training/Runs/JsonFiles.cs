using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gpt35.Data;

namespace Gpt35.Training;

/// <summary>JSON as the run folder writes it: snake_case, text as it is, no numbers that JSON cannot hold.</summary>
internal static class JsonFiles
{
    public static readonly JsonSerializerOptions Indented = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
    };

    private static readonly JsonSerializerOptions OneLine = new(Indented) { WriteIndented = false };

    public static void Write<T>(string path, T value) =>
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(value, Indented) + "\n")));

    /// <exception cref="InvalidDataException">The file is not what <see cref="Write"/> wrote.</exception>
    public static T Read<T>(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), Indented) ?? throw new InvalidDataException($"{path}: found null; expected a JSON object.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path}:{(e.LineNumber ?? 0) + 1}: {e.Message}", e);
        }
    }

    public static string Line(JsonObject row) => row.ToJsonString(OneLine);

    public static JsonObject Row(int step, IReadOnlyDictionary<string, double> metrics)
    {
        var row = new JsonObject { ["step"] = step };
        foreach (var (name, value) in metrics)
            if (double.IsFinite(value)) row[name] = value;
        return row;
    }
}

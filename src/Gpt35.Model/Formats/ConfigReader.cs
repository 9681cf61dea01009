using System.Text.Json;

namespace Gpt35.Model;

/// <summary>Values of a <c>config.json</c>; of several names for the same thing, the first that is there counts. A JSON null is as good as nothing.</summary>
internal sealed class ConfigReader(string path, JsonElement root, string place = "")
{
    public int Integer(params ReadOnlySpan<string> names) => TryInteger(names) ?? throw Missing(names);

    public int? TryInteger(params ReadOnlySpan<string> names) => Find(names, out var name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number == Math.Floor(number) && number is >= int.MinValue and <= int.MaxValue ? (int)number
        : throw Wrong(name, value, $"a whole number up to {int.MaxValue}");

    public double? TryNumber(params ReadOnlySpan<string> names) => Find(names, out var name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number) ? number
        : throw Wrong(name, value, "a number");

    public bool? TryFlag(string key) => Find([key], out var name) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Wrong(name, value, "true or false");

    public string? TryText(params ReadOnlySpan<string> names) => Find(names, out var name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? Guarded(value.GetString, name, value)
        : throw Wrong(name, value, "a string");

    /// <summary>A list of strings; null where it is missing or something else.</summary>
    public IReadOnlyList<string>? TryTexts(string key) => Find([key], out var name) is { ValueKind: JsonValueKind.Array } list
        ? [.. list.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.String ? Guarded(item.GetString, name, item) : throw Wrong(name, item, "a string"))]
        : null;

    /// <summary>Whether the object has no values.</summary>
    public bool IsEmpty => !root.EnumerateObject().Any();

    /// <summary>The values of an object inside; null where there is none.</summary>
    public ConfigReader? TryObject(params ReadOnlySpan<string> names) => Find(names, out var name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Object ? new ConfigReader(path, value, $"{place}{name}.")
        : throw Wrong(name, value, "an object");

    /// <summary>Refuses a value that would change what the model computes in a way that is not computed here.</summary>
    public void RequireFlag(string name, bool wanted)
    {
        if (TryFlag(name) is { } found && found != wanted) throw Bad($"{place}{name} is {(found ? "true" : "false")}; only {(wanted ? "true" : "false")} is computed here.");
    }

    public InvalidDataException Bad(string problem) => new($"{path}: {problem}");

    private JsonElement? Find(ReadOnlySpan<string> names, out string found)
    {
        foreach (var name in names)
        {
            found = name;
            if (root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null) return value;
        }
        found = names[0];
        return null;
    }

    private string Guarded(Func<string?> get, string name, JsonElement value)
    {
        try
        {
            return get()!;
        }
        catch (InvalidOperationException)
        {
            throw Wrong(name, value, "a string of whole characters");
        }
    }

    private InvalidDataException Missing(ReadOnlySpan<string> names) => Bad($"no \"{place}{names[0]}\"; expected it in a model's configuration. Is this the config.json of a decoder?");

    private InvalidDataException Wrong(string name, JsonElement value, string expected)
    {
        var text = value.GetRawText();
        return Bad($"{place}{name} is {(text.Length > 60 ? text[..60] + "…" : text)}; expected {expected}.");
    }
}

using System.Collections;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Gpt35.Inference;

/// <summary>Reads additional properties of options, whose values came as .NET objects or as JSON.</summary>
internal sealed class ExtraProperties(AdditionalPropertiesDictionary? values)
{
    /// <summary>The number that was meant: 0.7f is 0.7, not 0.699999988, as it is on the command line.</summary>
    public static double? Exactly(float? value) => value is { } number ? double.Parse(number.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : null;

    public double? Number(string key) => Find(key) switch
    {
        null => null,
        JsonElement { ValueKind: JsonValueKind.Number } json => json.GetDouble(),
        float number => Exactly(number),
        double or decimal or int or long or uint or ulong or short or ushort or byte or sbyte => Convert.ToDouble(Find(key), CultureInfo.InvariantCulture),
        var other => throw Wrong(key, other, "a number"),
    };

    public int? Integer(string key) => Number(key) switch
    {
        null => null,
        { } number when number == Math.Floor(number) && Math.Abs(number) <= int.MaxValue => (int)number,
        var other => throw Wrong(key, other, "a whole number"),
    };

    public string? Text(string key) => Find(key) switch
    {
        null => null,
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } json => json.GetString(),
        var other => throw Wrong(key, other, "a text"),
    };

    public T? Of<T>(string key, string expected) where T : class => Find(key) is not { } value ? null : value as T ?? throw Wrong(key, value, expected);

    /// <summary>{ token id: bias }, ids as numbers or, as in JSON, as texts.</summary>
    public IReadOnlyDictionary<int, double>? Biases(string key)
    {
        const string Expected = "an object with token ids as names and numbers as values";
        if (Find(key) is not { } value) return null;
        IEnumerable<(object Id, object? Bias)> entries = value switch
        {
            JsonElement { ValueKind: JsonValueKind.Object } json => json.EnumerateObject().Select(entry => ((object)entry.Name, (object?)entry.Value)),
            IDictionary dictionary => dictionary.Keys.Cast<object>().Select(id => (id, dictionary[id])),
            _ => throw Wrong(key, value, Expected),
        };
        var biases = new Dictionary<int, double>();
        foreach (var (id, bias) in entries)
        {
            if (!int.TryParse(Convert.ToString(id, CultureInfo.InvariantCulture), NumberStyles.None, CultureInfo.InvariantCulture, out var token)) throw Wrong(key, value, Expected);
            biases[token] = new ExtraProperties(new() { [key] = bias }).Number(key) ?? throw Wrong(key, value, Expected);
        }
        return biases;
    }

    private object? Find(string key) => values?.GetValueOrDefault(key) is { } value and not JsonElement { ValueKind: JsonValueKind.Null } ? value : null;

    private static ArgumentException Wrong(string key, object? found, string expected) =>
        new(string.Create(CultureInfo.InvariantCulture, $"AdditionalProperties[\"{key}\"] is {found}; expected {expected}."));
}

using System.Globalization;

namespace Gpt35.Model;

/// <summary>
/// The key-value pairs of a GGUF file, in order. A value is a <see cref="byte"/>, <see cref="sbyte"/>, <see cref="ushort"/>, <see cref="short"/>,
/// <see cref="uint"/>, <see cref="int"/>, <see cref="ulong"/>, <see cref="long"/>, <see cref="float"/>, <see cref="double"/>, <see cref="bool"/> or
/// <see cref="string"/>, an array of one of these, or an <c>Array[]</c> of such arrays: the format's own types, one to one.
/// </summary>
/// <param name="file">Name of the file, for messages.</param>
public sealed class GgufMetadata(string file)
{
    private readonly OrderedDictionary<string, object> values = new(StringComparer.Ordinal);

    public IReadOnlyCollection<KeyValuePair<string, object>> All => values;

    /// <summary>Sets a value; false where the key has one.</summary>
    public bool TryAdd(string key, object value) => values.TryAdd(key, value);

    public void Add(string key, object value) => values.Add(key, value);
    public bool Contains(string key) => values.ContainsKey(key);

    /// <exception cref="InvalidDataException">The key is missing, or its value is no text.</exception>
    public string Text(string key) => TryText(key) ?? throw Missing(key, "a string");

    public string? TryText(string key) => values.TryGetValue(key, out var value) ? value as string ?? throw Wrong(key, value, "a string") : null;

    /// <summary>A whole number of any of the eight integer types.</summary>
    /// <exception cref="InvalidDataException">The key is missing, or its value is no whole number that an int can hold.</exception>
    public int Integer(string key) => TryInteger(key) ?? throw Missing(key, "a whole number");

    public int? TryInteger(string key)
    {
        if (!values.TryGetValue(key, out var value)) return null;
        if (value is string or bool or float or double or System.Array) throw Wrong(key, value, "a whole number");
        var number = Convert.ToDecimal(value, CultureInfo.InvariantCulture);
        return number is >= int.MinValue and <= int.MaxValue ? (int)number : throw Wrong(key, value, $"a whole number up to {int.MaxValue}");
    }

    public double? TryNumber(string key) => !values.TryGetValue(key, out var value) ? null
        : value is string or bool or System.Array ? throw Wrong(key, value, "a number")
        : Convert.ToDouble(value, CultureInfo.InvariantCulture);

    public bool? TryFlag(string key) => !values.TryGetValue(key, out var value) ? null : value as bool? ?? throw Wrong(key, value, "true or false");

    /// <exception cref="InvalidDataException">The value is no array of this type.</exception>
    public T[]? TryArray<T>(string key) => values.TryGetValue(key, out var value) ? value as T[] ?? throw Wrong(key, value, $"an array of {typeof(T).Name}") : null;

    /// <exception cref="InvalidDataException">The key is missing, or its value is no array of this type.</exception>
    public T[] Array<T>(string key) => TryArray<T>(key) ?? throw Missing(key, $"an array of {typeof(T).Name}");

    private InvalidDataException Missing(string key, string expected) =>
        new($"{file}: its metadata has no \"{key}\"; expected {expected}. The file is incomplete: convert the model again.");

    private InvalidDataException Wrong(string key, object value, string expected)
    {
        var found = value switch
        {
            System.Array list => $"an array of {list.Length} {list.GetType().GetElementType()!.Name}",
            string text => $"\"{(text.Length > 60 ? text[..60] + "…" : text)}\"",
            _ => Convert.ToString(value, CultureInfo.InvariantCulture),
        };
        return new($"{file}: its metadata says {key} = {found}; expected {expected}.");
    }
}

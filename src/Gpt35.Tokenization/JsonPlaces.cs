using System.Text.Json;

namespace Gpt35.Tokenization;

/// <summary>Reads JSON elements of one file; whatever is wrong is said with file, place, what was found and what was expected.</summary>
internal sealed class JsonPlaces(string file)
{
    public InvalidDataException Bad(string where, string found, string expected) => new($"{file}: {where}: found {found}; expected {expected}.");

    public JsonElement Get(JsonElement parent, string name, string where, JsonValueKind kind)
    {
        if (!TryGet(parent, name, out var value)) throw Bad(where, $"no \"{name}\"", $"\"{name}\": {NameOf(kind)}");
        Expect(value, where == "the file" ? name : $"{where}.{name}", kind);
        return value;
    }

    /// <summary>A property that is there and not null.</summary>
    public static bool TryGet(JsonElement parent, string name, out JsonElement value) =>
        parent.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

    public void Expect(JsonElement element, string where, JsonValueKind kind)
    {
        if (element.ValueKind != kind) throw Bad(where, Describe(element), NameOf(kind));
    }

    public void ExpectType(JsonElement element, string where, string wanted)
    {
        if (!TryGet(element, "type", out var type)) throw Bad(where, "no \"type\"", $"\"{wanted}\"");
        if (Text(type, $"{where}.type") != wanted) throw Bad($"{where}.type", Describe(type), $"\"{wanted}\"; only byte-level BPE tokenizers are supported");
    }

    public void ExpectFlag(JsonElement element, string where, string name, bool wanted, bool absent)
    {
        if (Flag(element, where, name, absent) != wanted)
            throw Bad($"{where}.{name}", TryGet(element, name, out var value) ? Describe(value) : "nothing", wanted ? "true" : "false");
    }

    public bool Flag(JsonElement element, string where, string name, bool absent)
    {
        if (!TryGet(element, name, out var value)) return absent;
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Bad($"{where}.{name}", Describe(value), "true or false"),
        };
    }

    public int Id(JsonElement element, string where) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out var id) && id >= 0
            ? id
            : throw Bad(where, Describe(element), "an id: an integer from 0");

    public string Text(JsonElement element, string where)
    {
        if (element.ValueKind != JsonValueKind.String) throw Bad(where, Describe(element), "a string");
        return Guarded(() => element.GetString()!, where);
    }

    /// <summary>The library reports escapes that are no text, such as half a surrogate pair, as a misuse of the element.</summary>
    public string Guarded(Func<string> read, string where)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException)
        {
            throw Bad(where, "a string that is not valid Unicode", "text");
        }
    }

    public static string Describe(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.Null => "null",
        _ => Shorten(element.GetRawText()),
    };

    public static string Quote(string token) => $"\"{Shorten(token)}\"";

    public static string Shorten(string text) => text.Length <= 60 ? text : $"{text.AsSpan(0, 60)}…";

    private static string NameOf(JsonValueKind kind) => kind == JsonValueKind.Array ? "a list" : "an object";
}

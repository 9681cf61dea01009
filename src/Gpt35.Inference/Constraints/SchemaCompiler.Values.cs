using System.Globalization;
using System.Text.Json;

namespace Gpt35.Inference.Constraints;

/// <summary>Objects, arrays, strings and numbers of a schema.</summary>
internal sealed partial class SchemaCompiler
{
    private const int MostCounted = 10_000;

    private readonly Rule character = new("A character", nests: false) { Body = JsonGrammar.Character };

    private Pattern CompileObject(JsonElement schema, string at)
    {
        var open = true;
        if (schema.TryGetProperty("additionalProperties", out var additional))
            open = additional.ValueKind != JsonValueKind.False
                ? throw Problem($"{at}/additionalProperties", $"is {Describe(additional)}", "false: only properties that are named are written")
                : false;
        var properties = Properties(schema, at);
        var required = Required(schema, properties, at);
        if (open && properties.Count == 0) return json.AnyObject;
        var members = properties.Select(property => (
            Pattern: Pattern.Of(Pattern.Text(JsonGrammar.Spell(property.Name)), Pattern.Text(":"), JsonGrammar.Space, Compile(property.Value, Place($"{at}/properties", property.Name))),
            Required: required.Contains(property.Name))).ToList();
        return new Pattern.Call(new Rule($"The object at {at}", nests: true)
        {
            Body = Pattern.Of(Pattern.Text("{"), JsonGrammar.Space, Members(members), Pattern.Text("}")),
        });
    }

    private static List<JsonProperty> Properties(JsonElement schema, string at)
    {
        if (!schema.TryGetProperty("properties", out var properties)) return [];
        if (properties.ValueKind != JsonValueKind.Object) throw Problem($"{at}/properties", $"is {Describe(properties)}", "an object of schemas");
        var named = properties.EnumerateObject().ToList();
        if (named.GroupBy(property => property.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw Problem(Place($"{at}/properties", twice.Key), "is there twice", "each property once");
        return named;
    }

    private static HashSet<string> Required(JsonElement schema, List<JsonProperty> properties, string at)
    {
        if (!schema.TryGetProperty("required", out var required)) return [];
        if (required.ValueKind != JsonValueKind.Array || required.EnumerateArray().Any(name => name.ValueKind != JsonValueKind.String))
            throw Problem($"{at}/required", $"is {Describe(required)}", "a list of names");
        var names = required.EnumerateArray().Select(name => name.GetString()!).ToHashSet(StringComparer.Ordinal);
        foreach (var name in names)
            if (properties.All(property => property.Name != name)) throw Problem($"{at}/required", $"names \"{name}\"", "names that stand under properties");
        return names;
    }

    /// <summary>
    /// The members in the order given, those that are not required left out at will. Which member comes first decides where commas stand, so what may follow
    /// a member that is there is a rule of its own, shared by all the ways to begin.
    /// </summary>
    private static Pattern Members(List<(Pattern Pattern, bool Required)> members)
    {
        var rest = JsonGrammar.Space;                                       // after at least one member
        var begins = new List<Pattern>();
        var first = members.FindIndex(member => member.Required);
        var last = first < 0 ? members.Count - 1 : first;                   // the last that can be the first there is
        for (var i = members.Count - 1; i >= 0; i--)
        {
            if (i <= last) begins.Add(Pattern.Of(members[i].Pattern, rest));
            var next = Pattern.Of(Pattern.Text(","), JsonGrammar.Space, members[i].Pattern);
            rest = Pattern.Of(members[i].Required ? next : Pattern.Optional(next), rest);
            if (i <= last && i > 0) rest = new Pattern.Call(new Rule($"Members from {i} on", nests: false) { Body = rest });
        }
        if (first < 0) begins.Add(Pattern.Empty);
        return new Pattern.Choice(begins);
    }

    private Pattern.Call CompileArray(JsonElement schema, string at)
    {
        var (min, max) = (Count(schema, "minItems", at) ?? 0, Count(schema, "maxItems", at));
        if (max < min) throw Problem($"{at}/maxItems", $"is {max} and minItems {min}", "at least as much");
        var item = schema.TryGetProperty("items", out var items) ? Compile(items, $"{at}/items") : json.AnyValue;
        if (item is not Pattern.Call) item = new Pattern.Call(new Rule($"The item at {at}/items", nests: false) { Body = item });
        return new Pattern.Call(new Rule($"The array at {at}", nests: true) { Body = JsonGrammar.Items(item, min, max) });
    }

    private Pattern CompileString(JsonElement schema, string at)
    {
        var (min, max) = (Count(schema, "minLength", at) ?? 0, Count(schema, "maxLength", at));
        var counted = min > 0 || max is not null;
        var hasPattern = schema.TryGetProperty("pattern", out var pattern);
        var hasFormat = schema.TryGetProperty("format", out var format);
        if ((counted ? 1 : 0) + (hasPattern ? 1 : 0) + (hasFormat ? 1 : 0) > 1)
            throw Problem(at, "has more than one of a length, a pattern and a format", "one of them; a pattern can say how long a text is, as in ^.{1,20}$");
        if (max < min) throw Problem($"{at}/maxLength", $"is {max} and minLength {min}", "at least as much");
        if (hasPattern) return CompilePattern(pattern, at);
        if (hasFormat) return CompileFormat(format, at);
        if (!counted) return json.AnyString;
        return new Pattern.Call(new Rule($"The string at {at}", nests: false) { Body = JsonGrammar.Quoted(new Pattern.Repeat(new Pattern.Call(character), min, max)) });
    }

    private static Pattern.Call CompilePattern(JsonElement pattern, string at)
    {
        if (pattern.ValueKind != JsonValueKind.String) throw Problem($"{at}/pattern", $"is {Describe(pattern)}", "a regular expression as a string");
        try
        {
            return new Pattern.Call(new Rule($"The string at {at}", nests: false) { Body = JsonGrammar.Quoted(JsonGrammar.Escaped(RegexParser.ParseSearch(pattern.GetString()!))) });
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"The schema: {at}/pattern: {e.Message}", e);
        }
    }

    private static Pattern.Call CompileFormat(JsonElement format, string at)
    {
        if (format.ValueKind != JsonValueKind.String || !StringFormats.All.TryGetValue(format.GetString()!, out var expression))
            throw Problem($"{at}/format", $"is {Describe(format)}", $"one of {string.Join(", ", StringFormats.All.Keys)}");
        return new Pattern.Call(new Rule($"The {format.GetString()} at {at}", nests: false) { Body = JsonGrammar.Quoted(RegexParser.Parse(expression)) });
    }

    private Pattern CompileNumber(JsonElement schema, bool integer, string at)
    {
        var low = Bound(schema, "minimum", "exclusiveMinimum", higher: true, at);
        var high = Bound(schema, "maximum", "exclusiveMaximum", higher: false, at);
        if (Number(schema, "multipleOf", at) is { } step)
        {
            if (step <= 0) throw Problem($"{at}/multipleOf", $"is {step}", "a number above 0");
            return new Pattern.Call(new Rule($"The number at {at}", nests: false)
            {
                Body = DecimalMultiples.Between(step, low, high, integer)
                    ?? throw Problem($"{at}/multipleOf", $"is {step}", "a smaller or a rounder number, such as 7, 0.01 or 250, or minimum and maximum nearer to each other"),
            });
        }
        if (low is null && high is null) return integer ? json.AnyInteger : json.AnyNumber;
        return new Pattern.Call(new Rule($"The number at {at}", nests: false) { Body = integer ? DecimalRange.Integers(low, high) : DecimalRange.Numbers(low, high) });
    }

    /// <summary>The tighter of an inclusive and an exclusive bound.</summary>
    private static Bound? Bound(JsonElement schema, string inclusive, string exclusive, bool higher, string at)
    {
        var (a, b) = (Number(schema, inclusive, at), Number(schema, exclusive, at));
        if (a is null || b is null) return a is { } ? new Bound(a.Value, false) : b is { } ? new Bound(b.Value, true) : null;
        return a == b || b > a == higher ? new Bound(b.Value, true) : new Bound(a.Value, false);
    }

    private static decimal? Number(JsonElement schema, string keyword, string at)
    {
        const decimal beyond = 1_000_000_000_000_000_000m;                   // more digits than are written
        if (!schema.TryGetProperty(keyword, out var value)) return null;
        if (value.ValueKind != JsonValueKind.Number || !decimal.TryParse(value.GetRawText(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
            throw Problem($"{at}/{keyword}", $"is {Describe(value)}", "a number of up to 28 digits");
        return Math.Clamp(number, -beyond, beyond);
    }

    private static int? Count(JsonElement schema, string keyword, string at)
    {
        if (!schema.TryGetProperty(keyword, out var value)) return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out var count) || count is < 0 or > MostCounted)
            throw Problem($"{at}/{keyword}", $"is {Describe(value)}", $"a whole number from 0 to {MostCounted}");
        return count;
    }
}

using System.Text.Json;

namespace Gpt35.Inference.Constraints;

/// <summary>
/// A JSON schema as rules. Follows type, properties, required, additionalProperties (false), enum, const, anyOf, $ref and $defs, items, minItems, maxItems,
/// minimum, maximum and their exclusive forms, pattern, format, minLength and maxLength; annotations are passed over, anything else is refused.
/// Every document it allows satisfies the schema; it allows fewer than the schema where that leaves a choice of spelling: properties come in the order
/// of the schema and none that it does not name, and texts that are given (names, enum, const) in one spelling.
/// </summary>
internal sealed partial class SchemaCompiler
{
    private static readonly string[] Annotations =
        ["$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly"];
    private static readonly string[] Combining = ["$ref", "anyOf", "enum", "const"];
    private static readonly string[] Types = ["object", "array", "string", "number", "integer", "boolean", "null"];

    private readonly JsonElement root;
    private readonly JsonGrammar json = new();
    private readonly Dictionary<string, Rule> referred = new(StringComparer.Ordinal);
    private readonly Queue<(Rule Rule, JsonElement Schema, string At)> uncompiled = new();

    private SchemaCompiler(JsonElement root) => this.root = root;

    /// <exception cref="InvalidDataException">It is no JSON, or says something that cannot be followed; the message names the keyword and where it stands.</exception>
    public static Rule Compile(string schema)
    {
        using var document = Read(schema);
        try
        {
            return new SchemaCompiler(document.RootElement).CompileAll();
        }
        catch (InvalidOperationException e) when (e is not ObjectDisposedException)
        {
            // The reader only finds half a surrogate pair, as in "\ud800", when it is asked for the string.
            throw new InvalidDataException($"The schema holds a string that is no text: {e.Message} Expected Unicode without halves of surrogate pairs.", e);
        }
    }

    private Rule CompileAll()
    {
        var rule = new Rule("The schema", nests: false) { Body = Pattern.Of(JsonGrammar.Space, Compile(root, "#")) };
        while (uncompiled.TryDequeue(out var next)) next.Rule.Body = Compile(next.Schema, next.At);
        return rule;
    }

    private static JsonDocument Read(string schema)
    {
        try
        {
            return JsonDocument.Parse(schema);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"The schema is no JSON: {e.Message} Expected a JSON schema, an object such as {{\"type\":\"object\",\"properties\":{{…}}}}.", e);
        }
    }

    private Pattern Compile(JsonElement schema, string at)
    {
        if (schema.ValueKind == JsonValueKind.True) return json.AnyValue;
        if (schema.ValueKind != JsonValueKind.Object) throw Problem(at, $"is {Describe(schema)}", "an object that is a schema");
        foreach (var keyword in Combining)
            if (schema.TryGetProperty(keyword, out var value))
                return keyword switch
                {
                    "$ref" => CompileReference(schema, value, at),
                    "anyOf" => CompileAnyOf(schema, value, at),
                    _ => CompileValues(schema, value, keyword, at),
                };
        var types = TypesOf(schema, at);
        RequireKnown(schema, at, [.. types.SelectMany(KeywordsOf), "type"]);
        if (types.Count == 0) return json.AnyValue;
        return types.Count == 1 ? CompileType(types[0], schema, at) : new Pattern.Choice([.. types.Select(type => CompileType(type, schema, at))]);
    }

    private Pattern CompileType(string type, JsonElement schema, string at) => type switch
    {
        "object" => CompileObject(schema, at),
        "array" => CompileArray(schema, at),
        "string" => CompileString(schema, at),
        "integer" or "number" => CompileNumber(schema, type == "integer", at),
        "boolean" => Pattern.AnyOf(Pattern.Text("true"), Pattern.Text("false")),
        _ => Pattern.Text("null"),
    };

    private static string[] KeywordsOf(string type) => type switch
    {
        "object" => ["properties", "required", "additionalProperties"],
        "array" => ["items", "minItems", "maxItems"],
        "string" => ["pattern", "format", "minLength", "maxLength"],
        "integer" or "number" => ["multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
        _ => [],
    };

    /// <summary>The types that are named, or else the one whose keywords are used; none for a schema that says nothing.</summary>
    private static List<string> TypesOf(JsonElement schema, string at)
    {
        if (!schema.TryGetProperty("type", out var type))
            return [.. Types.Where(t => t != "integer" && KeywordsOf(t).Any(keyword => schema.TryGetProperty(keyword, out _))).Take(1)];
        var named = type.ValueKind == JsonValueKind.Array ? type.EnumerateArray().ToList() : [type];
        if (named.Count == 0) throw Problem($"{at}/type", "is an empty list", "at least one type");
        foreach (var name in named)
            if (name.ValueKind != JsonValueKind.String || !Types.Contains(name.GetString()))
                throw Problem($"{at}/type", $"is {Describe(name)}", $"one of {string.Join(", ", Types)}, or a list of them");
        var types = named.Select(name => name.GetString()!).Distinct().ToList();
        if (types.Contains("number")) types.Remove("integer");
        return types;
    }

    private Pattern CompileReference(JsonElement schema, JsonElement reference, string at)
    {
        RequireKnown(schema, at, ["$ref"]);
        if (reference.ValueKind != JsonValueKind.String || reference.GetString() is not ['#', .. var pointer])
            throw Problem($"{at}/$ref", $"is {Describe(reference)}", "a place in the same schema, such as \"#/$defs/name\"");
        return new Pattern.Call(RuleAt(pointer, $"{at}/$ref"));
    }

    private Rule RuleAt(string pointer, string at)
    {
        if (referred.TryGetValue(pointer, out var rule)) return rule;
        var target = root;
        foreach (var part in pointer.Split('/').Skip(1))
        {
            var name = Uri.UnescapeDataString(part).Replace("~1", "/").Replace("~0", "~");
            if (target.ValueKind == JsonValueKind.Object && target.TryGetProperty(name, out var member)) target = member;
            else if (target.ValueKind == JsonValueKind.Array && int.TryParse(name, out var index) && index >= 0 && index < target.GetArrayLength()) target = target[index];
            else throw Problem(at, $"is \"#{pointer}\", where there is nothing", "the place of a schema under $defs");
        }
        if (pointer is not ("" or ['/', ..])) throw Problem(at, $"is \"#{pointer}\"", "a JSON pointer such as \"#/$defs/name\"");
        rule = new Rule($"The schema at #{pointer}", nests: false);
        referred[pointer] = rule;
        uncompiled.Enqueue((rule, target, $"#{pointer}"));
        return rule;
    }

    private Pattern.Choice CompileAnyOf(JsonElement schema, JsonElement choices, string at)
    {
        RequireKnown(schema, at, ["anyOf"]);
        if (choices.ValueKind != JsonValueKind.Array || choices.GetArrayLength() == 0) throw Problem($"{at}/anyOf", $"is {Describe(choices)}", "a list of schemas");
        return new Pattern.Choice([.. choices.EnumerateArray().Select((choice, i) => Compile(choice, $"{at}/anyOf/{i}"))]);
    }

    /// <summary>enum or const: the values that are of the type, if one is named, as they would be written without white space.</summary>
    private static Pattern.Choice CompileValues(JsonElement schema, JsonElement given, string keyword, string at)
    {
        RequireKnown(schema, at, [keyword, "type"]);
        if (keyword == "enum" && (given.ValueKind != JsonValueKind.Array || given.GetArrayLength() == 0)) throw Problem($"{at}/enum", $"is {Describe(given)}", "a list of values");
        var types = TypesOf(schema, at);
        var values = (keyword == "enum" ? given.EnumerateArray().ToList() : [given]).Where(value => types.Count == 0 || types.Any(type => IsOf(type, value))).ToList();
        if (values.Count == 0) throw Problem($"{at}/{keyword}", $"holds no value of the type {string.Join(" or ", types)}", "at least one");
        return new Pattern.Choice([.. values.Select(value => Pattern.Text(Spell(value)))]);
    }

    private static bool IsOf(string type, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => type == "number" || type == "integer" && value.TryGetDecimal(out var number) && decimal.Truncate(number) == number,
        JsonValueKind.True or JsonValueKind.False => type == "boolean",
        _ => type == value.ValueKind.ToString().ToLowerInvariant(),
    };

    private static string Spell(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => JsonGrammar.Spell(value.GetString()!),
        JsonValueKind.Array => $"[{string.Join(",", value.EnumerateArray().Select(Spell))}]",
        JsonValueKind.Object => $"{{{string.Join(",", value.EnumerateObject().Select(member => $"{JsonGrammar.Spell(member.Name)}:{Spell(member.Value)}"))}}}",
        _ => value.GetRawText(),
    };

    private static void RequireKnown(JsonElement schema, string at, string[] known)
    {
        foreach (var member in schema.EnumerateObject())
            if (!known.Contains(member.Name) && !Annotations.Contains(member.Name))
                throw new InvalidDataException($"The schema says \"{member.Name}\" at {Place(at, member.Name)}, which is not supported there. Supported beside annotations: {string.Join(", ", known)}. Leave it out, or say it in another way.");
    }

    private static string Place(string at, string name) => $"{at}/{name.Replace("~", "~0").Replace("/", "~1")}";

    private static string Describe(JsonElement element)
    {
        var text = element.GetRawText();
        return text.Length <= 60 ? text : $"{text[..60]}…";
    }

    private static InvalidDataException Problem(string at, string found, string expected) => new($"The schema: {at} {found}. Expected {expected}.");
}

using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Gpt35.Inference.Tests.Constraints;

/// <summary>A plain JSON Schema validator for the keywords that constraints follow: the oracle they are held against.</summary>
internal static class SchemaValidator
{
    /// <summary>What is wrong with a value, or null.</summary>
    public static string? Problem(JsonNode? schema, JsonNode? value, JsonNode root, string at = "#")
    {
        if (schema is JsonValue) return schema.GetValue<bool>() ? null : $"{at}: nothing is allowed";
        foreach (var (keyword, argument) in schema!.AsObject())
            if (Problem(keyword, argument, schema, value, root, at) is { } problem) return problem;
        return null;
    }

    private static string? Problem(string keyword, JsonNode? argument, JsonNode schema, JsonNode? value, JsonNode root, string at)
    {
        var ok = keyword switch
        {
            "type" => (argument is JsonArray types ? types.Select(type => type!.GetValue<string>()) : [argument!.GetValue<string>()]).Any(type => IsOf(type, value)),
            "enum" => argument!.AsArray().Any(given => JsonNode.DeepEquals(given, value)),
            "const" => JsonNode.DeepEquals(argument, value),
            "anyOf" => argument!.AsArray().Any(choice => Problem(choice, value, root, at) is null),
            "required" => value is not JsonObject has || argument!.AsArray().All(name => has.ContainsKey(name!.GetValue<string>())),
            "additionalProperties" => value is not JsonObject members || members.All(member => schema["properties"]?.AsObject().ContainsKey(member.Key) == true),
            "minItems" => value is not JsonArray few || few.Count >= argument!.GetValue<int>(),
            "maxItems" => value is not JsonArray many || many.Count <= argument!.GetValue<int>(),
            "multipleOf" => !IsNumber(value) || Number(value) % Number(argument) == 0,
            "minimum" => !IsNumber(value) || Number(value) >= Number(argument),
            "maximum" => !IsNumber(value) || Number(value) <= Number(argument),
            "exclusiveMinimum" => !IsNumber(value) || Number(value) > Number(argument),
            "exclusiveMaximum" => !IsNumber(value) || Number(value) < Number(argument),
            "minLength" => !IsText(value) || Text(value).EnumerateRunes().Count() >= argument!.GetValue<int>(),
            "maxLength" => !IsText(value) || Text(value).EnumerateRunes().Count() <= argument!.GetValue<int>(),
            "pattern" => !IsText(value) || Regex.IsMatch(Text(value), argument!.GetValue<string>(), RegexOptions.ECMAScript),
            "format" => !IsText(value) || HasFormat(argument!.GetValue<string>(), Text(value)),
            _ => true,
        };
        if (!ok) return $"{at}: {value?.ToJsonString()} breaks \"{keyword}\": {argument?.ToJsonString()}";
        return keyword switch
        {
            "$ref" => Problem(argument!.GetValue<string>()[1..].Split('/').Skip(1).Aggregate(root, (node, name) => node[name]!), value, root, at),
            "properties" when value is JsonObject members => members.Where(member => argument!.AsObject().ContainsKey(member.Key))
                .Select(member => Problem(argument![member.Key], member.Value, root, $"{at}/{member.Key}")).FirstOrDefault(problem => problem is not null),
            "items" when value is JsonArray items => items.Select((item, i) => Problem(argument, item, root, $"{at}/{i}")).FirstOrDefault(problem => problem is not null),
            _ => null,
        };
    }

    private static bool IsOf(string type, JsonNode? value) => type switch
    {
        "integer" => IsNumber(value) && decimal.Truncate(Number(value)) == Number(value),
        "number" => IsNumber(value),
        "boolean" => value?.GetValueKind() is JsonValueKind.True or JsonValueKind.False,
        "null" => value is null,
        _ => value?.GetValueKind().ToString().ToLowerInvariant() == type,
    };

    private static bool HasFormat(string format, string text) => format switch
    {
        "date" => DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _) || text.StartsWith("0000", StringComparison.Ordinal),   // .NET has no year 0
        "date-time" => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, out _) || text.StartsWith("000", StringComparison.Ordinal) || text.StartsWith("9999", StringComparison.Ordinal) || Regex.IsMatch(text, @"[+\-](1[4-9]|2\d):"),
        "time" => TimeOnly.TryParse(text[..8], CultureInfo.InvariantCulture, out _),
        "uuid" => Guid.TryParseExact(text, "D", out _),
        "ipv4" or "ipv6" => System.Net.IPAddress.TryParse(text, out _),
        "email" => System.Net.Mail.MailAddress.TryCreate(text, out _),
        "hostname" => Uri.CheckHostName(text) == UriHostNameType.Dns || Uri.CheckHostName(text) == UriHostNameType.IPv4,
        _ => true,
    };

    private static bool IsNumber(JsonNode? value) => value?.GetValueKind() == JsonValueKind.Number;

    private static decimal Number(JsonNode? value) => decimal.TryParse(value!.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private static bool IsText(JsonNode? value) => value?.GetValueKind() == JsonValueKind.String;

    private static string Text(JsonNode? value) => value!.GetValue<string>();
}

using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using YamlDotNet.RepresentationModel;

namespace Gpt35.Training;

/// <summary>Fills a recipe record from YAML nodes. <paramref name="path"/> is named in every complaint, --set only where values are <paramref name="settable"/> by it.</summary>
internal sealed class RecipeBinder(string path, bool settable)
{
    private readonly Dictionary<YamlNode, string> sources = new(ReferenceEqualityComparer.Instance);

    /// <summary>Complaints about this node shall name <paramref name="source"/> instead of a line of the file.</summary>
    public void Mark(YamlNode node, string source)
    {
        foreach (var inner in node.AllNodes) sources[inner] = source;
    }

    /// <param name="node">Where the record is written.</param>
    /// <param name="type">A record with a parameterless constructor.</param>
    /// <param name="key">Its key, dotted; empty for the recipe itself.</param>
    public object Bind(YamlMappingNode node, Type type, string key)
    {
        var record = Activator.CreateInstance(type)!;
        var properties = type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.CanWrite)
            .ToDictionary(property => RecipeNames.Convention.Apply(property.Name));
        var seen = new HashSet<string>();
        foreach (var (name, value) in node.Children)
        {
            var word = (name as YamlScalarNode)?.Value ?? "";
            if (!properties.TryGetValue(word, out var property)) throw Unknown(name, word, key, properties.Keys);
            seen.Add(word);
            property.SetValue(record, Value(value, property, key.Length == 0 ? word : $"{key}.{word}"));
        }
        foreach (var (word, property) in properties)
        {
            var needed = property.IsDefined(typeof(RequiredMemberAttribute))
                || property.GetCustomAttribute<RequiredWithoutAttribute>() is { } rule && !seen.Contains(RecipeNames.Convention.Apply(rule.Other));
            if (needed && !seen.Contains(word))
                throw new InvalidDataException($"{(key.Length == 0 ? path : At(node))}: no \"{(key.Length == 0 ? word : $"{key}.{word}")}\", which is needed here. Add it{(settable ? $", or give it with --set {(key.Length == 0 ? word : $"{key}.{word}")}=…" : "")}.");
        }
        return record;
    }

    private object? Value(YamlNode node, PropertyInfo property, string key)
    {
        var type = property.PropertyType;
        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            if (IsNull(node)) return null;
            type = inner;
        }
        if (typeof(IReadOnlyList<string>).IsAssignableFrom(type)) return Strings(node, key);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>)) return Records(node, type.GetGenericArguments()[0], key);
        if (type.IsClass && type != typeof(string))
        {
            return node is YamlMappingNode mapping ? Bind(mapping, type, key)
                : IsNull(node) && IsOptional(property) ? null
                : throw Wrong(node, key, $"an indented block with {string.Join(", ", type.GetProperties().Where(p => p.CanWrite).Select(p => RecipeNames.Convention.Apply(p.Name)))}");
        }
        // Elsewhere an empty text is a value forgotten.
        if (type == typeof(string) && property.GetCustomAttribute<MinLengthAttribute>() is { Length: 0 } && node is YamlScalarNode { Value: "" } && !IsNull(node)) return "";
        var value = Scalar(node, type, key);
        if (property.GetCustomAttribute<RangeAttribute>() is { } range && !range.IsValid(value))
            throw Wrong(node, key, string.Create(CultureInfo.InvariantCulture, $"a number from {range.Minimum} to {range.Maximum}"));
        return value;
    }

    private object Scalar(YamlNode node, Type type, string key)
    {
        var text = (node as YamlScalarNode)?.Value;
        var invariant = CultureInfo.InvariantCulture;
        if (type.IsEnum)
        {
            var names = Enum.GetNames(type).ToDictionary(RecipeNames.Convention.Apply);
            return text is not null && names.TryGetValue(text, out var name) ? Enum.Parse(type, name) : throw Wrong(node, key, $"one of {string.Join(", ", names.Keys)}");
        }
        if (type == typeof(string)) return string.IsNullOrEmpty(text) || IsNull(node) ? throw Wrong(node, key, "a text") : text;
        if (type == typeof(bool)) return text is "true" or "false" ? text == "true" : throw Wrong(node, key, "true or false");
        if (type == typeof(int)) return int.TryParse(text, NumberStyles.AllowLeadingSign, invariant, out var x) ? x : throw Wrong(node, key, "a whole number such as 400");
        if (type == typeof(ulong)) return ulong.TryParse(text, NumberStyles.None, invariant, out var x) ? x : throw Wrong(node, key, "a whole number from 0 up");
        if (type == typeof(bool)) return text switch { "true" => true, "false" => false, _ => throw Wrong(node, key, "true or false") };
        if (type == typeof(double))
            return double.TryParse(text, NumberStyles.Float, invariant, out var x) && double.IsFinite(x) ? x : throw Wrong(node, key, "a number such as 0.001");
        throw new NotSupportedException($"A recipe cannot hold a {type}.");
    }

    private string[] Strings(YamlNode node, string key) => node switch
    {
        YamlSequenceNode list => [.. list.Children.Select(item => (string)Scalar(item, typeof(string), key))],
        YamlScalarNode when !IsNull(node) => [(string)Scalar(node, typeof(string), key)],
        _ => throw Wrong(node, key, "a list of texts such as [a.jsonl, b.jsonl]"),
    };

    private Array Records(YamlNode node, Type type, string key)
    {
        var blocks = (node as YamlSequenceNode)?.Children.OfType<YamlMappingNode>().ToList();
        if (blocks is not { Count: > 0 } || blocks.Count < ((YamlSequenceNode)node).Children.Count)
            throw Wrong(node, key, $"a list of {{ {string.Join(", ", type.GetProperties().Where(p => p.CanWrite).Select(p => $"{RecipeNames.Convention.Apply(p.Name)}: …"))} }}");
        var records = Array.CreateInstance(type, blocks.Count);
        foreach (var (i, block) in blocks.Index()) records.SetValue(Bind(block, type, $"{key}[{i}]"), i);
        return records;
    }

    private static bool IsNull(YamlNode node) =>
        node is YamlScalarNode { Style: YamlDotNet.Core.ScalarStyle.Plain or YamlDotNet.Core.ScalarStyle.Any, Value: null or "" or "null" or "~" };

    private static bool IsOptional(PropertyInfo property) =>
        new NullabilityInfoContext().Create(property).WriteState == NullabilityState.Nullable;

    private string At(YamlNode node) => sources.TryGetValue(node, out var source) ? source : $"{path}:{node.Start.Line}";

    private InvalidDataException Wrong(YamlNode node, string key, string expected)
    {
        var found = node switch
        {
            YamlScalarNode scalar => $"\"{scalar.Value}\"",
            YamlSequenceNode => "a list",
            _ => "a block of keys",
        };
        return new InvalidDataException($"{At(node)}: {key} is {found}; expected {expected}.");
    }

    private InvalidDataException Unknown(YamlNode node, string word, string key, IEnumerable<string> known)
    {
        var names = known.ToList();
        var nearest = names.MinBy(name => EditDistance(name, word))!;
        var hint = EditDistance(nearest, word) <= Math.Max(2, word.Length / 3) ? $" Did you mean \"{nearest}\"?" : "";
        return new InvalidDataException($"{At(node)}: unknown key \"{(key.Length == 0 ? word : $"{key}.{word}")}\".{hint} Known here: {string.Join(", ", names)}.");
    }

    /// <summary>Levenshtein distance.</summary>
    internal static int EditDistance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var substitution = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substitution, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.Length];
    }
}

/// <summary>A key that is needed where <paramref name="other"/> is not given.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class RequiredWithoutAttribute(string other) : Attribute
{
    /// <summary>The other property's name.</summary>
    public string Other => other;
}

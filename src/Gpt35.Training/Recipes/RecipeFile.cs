using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;
using YamlDotNet.Serialization;

namespace Gpt35.Training;

/// <summary>Recipes as YAML: snake_case keys, nothing unknown, nothing of the wrong type, every complaint with file and line.</summary>
public static class RecipeFile
{
    /// <summary>Reads a recipe.</summary>
    /// <param name="path">The YAML file.</param>
    /// <param name="overrides">Settings of the form <c>a.b=value</c>, applied on top of the file; the value is YAML, so <c>data.train=[a.txt, b.txt]</c> is a list.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no YAML, or has an unknown key, a wrong type, a value out of range, or lacks a required key.</exception>
    public static T Load<T>(string path, IEnumerable<string>? overrides = null) where T : class
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"{path}: no such recipe. Give the path of a YAML file, for example recipes/quickstart/pretrain.yaml.", path);
        return Parse<T>(File.ReadAllText(path), path, overrides);
    }

    /// <summary>Top-level keys of a recipe, those of the overrides included.</summary>
    /// <exception cref="InvalidDataException">The file is no YAML, or an override has no key.</exception>
    internal static IReadOnlyList<string> Keys(string path, IEnumerable<string> overrides)
    {
        var (root, _) = Read(File.ReadAllText(path), path, overrides);
        return [.. root.Children.Keys.OfType<YamlScalarNode>().Select(key => key.Value ?? "")];
    }

    internal static T Parse<T>(string yaml, string path, IEnumerable<string>? overrides = null) where T : class
    {
        var (root, binder) = Read(yaml, path, overrides);
        return (T)binder.Bind(root, typeof(T), "");
    }

    private static (YamlMappingNode Root, RecipeBinder Binder) Read(string yaml, string path, IEnumerable<string>? overrides)
    {
        var root = Document(yaml, path) switch
        {
            null => new YamlMappingNode(),
            YamlMappingNode mapping => mapping,
            var other => throw new InvalidDataException($"{path}:{other.Start.Line}: found a {other.NodeType.ToString().ToLowerInvariant()}; a recipe is a list of \"key: value\" lines."),
        };
        var binder = new RecipeBinder(path, settable: overrides is not null);
        foreach (var text in overrides ?? []) Override(root, text, binder);
        return (root, binder);
    }

    /// <summary>The recipe with every default spelled out, as it is kept in the run folder; <see cref="Load{T}"/> reads it back.</summary>
    public static string ToYaml(object recipe) => new SerializerBuilder()
        .WithNamingConvention(RecipeNames.Convention)
        .WithEnumNamingConvention(RecipeNames.Convention)
        .ConfigureDefaultValuesHandling(DefaultValuesHandling.OmitNull)
        .WithQuotingNecessaryStrings()
        .WithNewLine("\n")
        .DisableAliases()
        .Build().Serialize(recipe);

    /// <summary>SHA-256 of <see cref="ToYaml"/>, in hexadecimal.</summary>
    public static string Hash(object recipe) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(ToYaml(recipe))));

    private static YamlNode? Document(string yaml, string path)
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(yaml));
            return stream.Documents.Count == 0 ? null : stream.Documents[0].RootNode;
        }
        catch (YamlException e)
        {
            // Of a tab the reader only says in which block it stands.
            var tab = Array.FindIndex(yaml.Split('\n'), line => line.TakeWhile(char.IsWhiteSpace).Contains('\t'));
            var line = e.Message.Contains("tab") && tab >= 0 ? tab + 1 : e.End.Line;
            throw new InvalidDataException($"{path}:{line}: not valid YAML: {e.Message.TrimEnd('.')}. Correct this line; a recipe is \"key: value\" lines, indented with spaces.", e);
        }
        catch (InvalidOperationException e)
        {
            // What YamlDotNet throws when a bracket is never closed.
            throw new InvalidDataException($"{path}: not valid YAML; is a bracket or brace left open?", e);
        }
    }

    private static void Override(YamlMappingNode root, string text, RecipeBinder binder)
    {
        var equals = text.IndexOf('=');
        if (equals <= 0)
            throw new InvalidDataException($"--set {text}: expected key=value with the key as in the recipe, for example --set optimizer.lr=0.001.");
        var source = $"--set {text}";
        var value = Document(text[(equals + 1)..], source) ?? new YamlScalarNode("");
        var keys = text[..equals].Trim().Split('.');
        var node = root;
        foreach (var key in keys[..^1])
        {
            if (!node.Children.TryGetValue(new YamlScalarNode(key), out var child))
            {
                child = new YamlMappingNode();
                binder.Mark(child, source);
                Put(node, key, child, binder, source);
            }
            node = child as YamlMappingNode
                ?? throw new InvalidDataException($"{source}: \"{key}\" holds a value in the recipe, so nothing below it can be set.");
        }
        binder.Mark(value, source);
        Put(node, keys[^1], value, binder, source);
    }

    private static void Put(YamlMappingNode node, string key, YamlNode value, RecipeBinder binder, string source)
    {
        var name = new YamlScalarNode(key);
        binder.Mark(name, source);
        node.Children.Remove(name);
        node.Children.Add(name, value);
    }
}

/// <summary>Property names to keys: KlCoef is kl_coef.</summary>
internal sealed class RecipeNames : INamingConvention
{
    public static readonly RecipeNames Convention = new();

    public string Apply(string value) => JsonNamingPolicy.SnakeCaseLower.ConvertName(value);

    public string Reverse(string value) => value;
}

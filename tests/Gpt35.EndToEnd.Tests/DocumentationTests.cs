using System.Text.RegularExpressions;

namespace Gpt35.EndToEnd.Tests;

/// <summary>What the documents name exists.</summary>
public partial class DocumentationTests
{
    private static readonly Lazy<Dictionary<string, string>> Product = new(() => TypesBelow("src")), Tests = new(() => TypesBelow("tests"));

    [Fact]
    public void Every_row_of_the_recipe_names_a_function_and_a_test_that_exist()
    {
        var rows = RecipeRows().ToList();
        Assert.True(rows.Count > 50, $"{rows.Count} rows");
        List<string> missing = [];
        foreach (var (formula, function, test) in rows)
        {
            var functions = Quoted(function).Where(name => char.IsUpper(name[0])).ToList();
            missing.AddRange(functions.Where(name => !Exists(Product.Value, name)).Select(name => $"{formula}: there is no function {name}"));
            if (functions.Count == 0) missing.Add($"{formula}: names no function");
            missing.AddRange(Named(Quoted(test)).Where(name => !Exists(Tests.Value, name)).Select(name => $"{formula}: there is no test {name}"));
            if (!test.Contains('`') && test != "the same trajectory") missing.Add($"{formula}: names no test");
        }
        Assert.True(missing.Count == 0, string.Join('\n', missing));
    }

    [Fact]
    public void Every_test_that_a_document_names_exists()
    {
        var names = Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md").Append(Path.Combine(Repository.Root, "README.md"))
            .SelectMany(file => Quoted(File.ReadAllText(file)).Where(name => TestName().IsMatch(name)).Select(name => (File: Path.GetFileName(file), Name: name))).ToList();
        Assert.True(names.Count > 50);
        Assert.DoesNotContain(names, one => !Exists(Tests.Value, one.Name));
    }

    /// <summary>Rows of the tables that have a formula, a source, a function and a test.</summary>
    private static IEnumerable<(string Formula, string Function, string Test)> RecipeRows()
    {
        var inTable = false;
        foreach (var line in File.ReadLines(Path.Combine(Repository.Root, "docs", "recipe.md")))
        {
            var cells = UnescapedBar().Split(line).Select(cell => cell.Trim()).ToArray();
            inTable = cells.Length == 6 && (inTable || cells[3] == "function");
            if (inTable && cells[3] != "function" && !cells[1].StartsWith("--", StringComparison.Ordinal)) yield return (cells[1], cells[3], cells[4]);
        }
    }

    private static IEnumerable<string> Quoted(string text) => CodeSpan().Matches(text).Select(match => match.Groups[1].Value);

    /// <summary>"…Name" is of the class named last.</summary>
    private static IEnumerable<string> Named(IEnumerable<string> names)
    {
        var type = "";
        foreach (var name in names)
        {
            if (name.StartsWith('…')) yield return $"{type}.{name[1..]}";
            else
            {
                var words = name.Split('.');
                type = words.Last(word => word.EndsWith("Tests", StringComparison.Ordinal));
                yield return name;
            }
        }
    }

    /// <summary>A type, a member of a type, or a member of any; a name that ends in "…" is the beginning of one.</summary>
    private static bool Exists(Dictionary<string, string> types, string name)
    {
        var words = name.Split('.');
        if (types.ContainsKey(words[^1])) return true;
        var member = new Regex($@"\b{Regex.Escape(words[^1].TrimEnd('…'))}{(words[^1].EndsWith('…') ? "" : @"\b")}");
        return words.Length == 1 ? types.Values.Any(member.IsMatch) : types.TryGetValue(words[^2], out var source) && member.IsMatch(source);
    }

    /// <summary>The source of every type, by its name.</summary>
    private static Dictionary<string, string> TypesBelow(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}"))
            .Select(File.ReadAllText)
            .SelectMany(source => Declaration().Matches(source).Select(match => (Name: match.Groups[1].Value, Source: source)).Distinct())
            .GroupBy(one => one.Name, one => one.Source)
            .ToDictionary(type => type.Key, string.Concat);

    [GeneratedRegex(@"(?<!\\)\|")]
    private static partial Regex UnescapedBar();

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex CodeSpan();

    [GeneratedRegex(@"\b(?:class|struct|record|interface|enum)\s+(?:struct\s+|class\s+)?([A-Z]\w*)")]
    private static partial Regex Declaration();

    /// <summary>A class of tests, perhaps with one of them, or the sentence that a test is named by.</summary>
    [GeneratedRegex(@"^(?:[\w.]*[A-Z]\w+Tests(?:\.[A-Z]\w+…?)?|[A-Z][a-z0-9]+(?:_[a-z0-9]+){3,}…?)$")]
    private static partial Regex TestName();
}

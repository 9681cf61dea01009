namespace Gpt35.Inference.Constraints;

/// <summary>A set of texts, told as a tree: what the automaton is built from.</summary>
internal abstract record Pattern
{
    /// <summary>Only the empty text.</summary>
    public static readonly Pattern Empty = new Sequence([]);

    /// <summary>One character of a set.</summary>
    public sealed record Class(CodePointSet Characters) : Pattern;

    /// <summary>These texts one after the other.</summary>
    public sealed record Sequence(IReadOnlyList<Pattern> Items) : Pattern;

    /// <summary>Any one of these.</summary>
    public sealed record Choice(IReadOnlyList<Pattern> Items) : Pattern;

    /// <summary>Between Min and Max times the same; no Max is no limit.</summary>
    public sealed record Repeat(Pattern Item, int Min, int? Max) : Pattern;

    /// <summary>Whatever another rule allows; rules may call each other in circles.</summary>
    public sealed record Call(Rule Rule) : Pattern;

    public static Pattern Text(string text) => new Sequence([.. text.EnumerateRunes().Select(rune => new Class(CodePointSet.Of(rune.Value)))]);

    public static Pattern Of(params Pattern[] items) => new Sequence(items);

    public static Pattern AnyOf(params Pattern[] items) => new Choice(items);

    public static Pattern Optional(Pattern item) => new Repeat(item, 0, 1);

    public static Pattern OneOf(string characters) => new Class(CodePointSet.Of(characters));
}

/// <summary>A named pattern. One that nests (an object or an array) counts towards the depth of a document.</summary>
internal sealed class Rule(string name, bool nests)
{
    /// <summary>For messages.</summary>
    public string Name => name;
    public bool Nests => nests;
    /// <summary>Set once, after the rules that it may call exist.</summary>
    public Pattern Body { get; set; } = Pattern.Empty;
}

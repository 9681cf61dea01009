using System.Text;

namespace Gpt35.Inference.Constraints;

/// <summary>
/// JSON (RFC 8259) with bounded white space: between two parts either nothing, one space, or a line break with up to 20 spaces or tabs; so a model that
/// likes blanks cannot go on for ever. Numbers have at most 18 digits before the point, 17 after it and an exponent of two, which every reader can take.
/// </summary>
internal sealed class JsonGrammar
{
    public const int WholeDigits = 18, FractionDigits = 17;
    private const int Indentation = 20;

    private static readonly CodePointSet Quote = CodePointSet.Of("\""), Backslash = CodePointSet.Of("\\"), Controls = CodePointSet.Range(0, 0x1F);
    private static readonly Pattern Hex = new Pattern.Class(CodePointSet.Of("0123456789abcdefABCDEF"));

    public static readonly Pattern Space = Pattern.Optional(Pattern.AnyOf(
        Pattern.Text(" "),
        Pattern.Of(Pattern.Text("\n"), new Pattern.Repeat(Pattern.OneOf(" \t"), 0, Indentation))));

    public static readonly Pattern Digit = new Pattern.Class(CodePointSet.Range('0', '9'));

    /// <summary>One character of a string, in any spelling. A surrogate is spelled with its other half, or not at all.</summary>
    public static readonly Pattern Character = Pattern.AnyOf(
        new Pattern.Class(Quote.Union(Backslash).Union(Controls).Negate()),
        Pattern.Of(Pattern.Text("\\"), Pattern.AnyOf(
            Pattern.OneOf("\"\\/bfnrt"),
            Pattern.Of(Pattern.Text("u"), Pattern.AnyOf(
                Pattern.Of(Pattern.OneOf("0123456789abcefABCEF"), Hex, Hex, Hex),
                Pattern.Of(Pattern.OneOf("dD"), Pattern.OneOf("01234567"), Hex, Hex),
                Pattern.Of(Pattern.OneOf("dD"), Pattern.OneOf("89abAB"), Hex, Hex, Pattern.Text("\\u"), Pattern.OneOf("dD"), Pattern.OneOf("cdefCDEF"), Hex, Hex))))));

    /// <summary>0, or up to 18 digits that do not begin with 0.</summary>
    private static readonly Pattern Whole = Pattern.AnyOf(Pattern.Text("0"), Positive());

    public static readonly Pattern Integer = Pattern.AnyOf(Pattern.Text("0"), Pattern.Of(Pattern.Optional(Pattern.Text("-")), Positive()));

    public static readonly Pattern Number = Pattern.Of(
        Pattern.Optional(Pattern.Text("-")), Whole,
        Pattern.Optional(Pattern.Of(Pattern.Text("."), new Pattern.Repeat(Digit, 1, FractionDigits))),
        Pattern.Optional(Pattern.Of(Pattern.OneOf("eE"), Pattern.Optional(Pattern.OneOf("+-")), new Pattern.Repeat(Digit, 1, 2))));

    private readonly Rule text = new("A string", nests: false), integer = new("An integer", nests: false), number = new("A number", nests: false),
        value = new("A value", nests: false), anyObject = new("An object", nests: true), anyArray = new("An array", nests: true);

    public JsonGrammar()
    {
        text.Body = Quoted(new Pattern.Repeat(Character, 0, null));
        integer.Body = Integer;
        number.Body = Number;
        value.Body = Pattern.AnyOf(AnyObject, AnyArray, AnyString, AnyNumber, Pattern.Text("true"), Pattern.Text("false"), Pattern.Text("null"));
        anyObject.Body = Members(List(Pattern.Of(AnyString, Pattern.Text(":"), Space, AnyValue), 1, null));
        anyArray.Body = Items(AnyValue, 0, null);
    }

    public Pattern AnyString => new Pattern.Call(text);
    public Pattern AnyInteger => new Pattern.Call(integer);
    public Pattern AnyNumber => new Pattern.Call(number);
    public Pattern AnyValue => new Pattern.Call(value);
    public Pattern AnyObject => new Pattern.Call(anyObject);
    public Pattern AnyArray => new Pattern.Call(anyArray);

    public Rule AnyObjectDocument() => new("JSON", nests: false) { Body = Pattern.Of(Space, AnyObject) };

    public static Pattern Quoted(Pattern content) => Pattern.Of(Pattern.Text("\""), content, Pattern.Text("\""));

    /// <summary>Between braces: nothing, or members that are not nothing.</summary>
    private static Pattern Members(Pattern members) => Pattern.Of(Pattern.Text("{"), Space, Pattern.Optional(Pattern.Of(members, Space)), Pattern.Text("}"));

    /// <summary>An array of so many items.</summary>
    public static Pattern Items(Pattern item, int min, int? max)
    {
        if (max == 0) return Pattern.Of(Pattern.Text("["), Space, Pattern.Text("]"));
        var items = Pattern.Of(List(item, Math.Max(min, 1), max), Space);
        return Pattern.Of(Pattern.Text("["), Space, min == 0 ? Pattern.Optional(items) : items, Pattern.Text("]"));
    }

    /// <summary>At least one item, with commas between.</summary>
    private static Pattern List(Pattern item, int min, int? max) =>
        Pattern.Of(item, new Pattern.Repeat(Pattern.Of(Pattern.Text(","), Space, item), min - 1, max - 1));

    /// <summary>A text as a JSON string, with no more escapes than JSON demands.</summary>
    public static string Spell(string content)
    {
        var spelled = new StringBuilder("\"");
        foreach (var character in content) spelled.Append(character < 0x80 ? SpellRune(new Rune(character)) : character.ToString());
        return spelled.Append('"').ToString();
    }

    /// <summary>The texts of a pattern as they are spelled within a JSON string.</summary>
    public static Pattern Escaped(Pattern content) => content switch
    {
        Pattern.Class(var characters) => Pattern.AnyOf(
        [
            new Pattern.Class(characters.Except(Quote).Except(Backslash).Except(Controls)),
            .. Enumerable.Range(0, 0x80).Where(c => (c < 0x20 || c is '"' or '\\') && characters.Contains(c)).Select(c => Pattern.Text(SpellRune(new Rune(c)))),
        ]),
        Pattern.Sequence(var items) => new Pattern.Sequence([.. items.Select(Escaped)]),
        Pattern.Choice(var items) => new Pattern.Choice([.. items.Select(Escaped)]),
        Pattern.Repeat(var item, var min, var max) => new Pattern.Repeat(Escaped(item), min, max),
        _ => throw new ArgumentException($"A {content.GetType().Name} is no part of a string.", nameof(content)),
    };

    private static string SpellRune(Rune rune) => rune.Value switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        < 0x20 => $"\\u{rune.Value:x4}",
        _ => rune.ToString(),
    };

    private static Pattern Positive() => Pattern.Of(new Pattern.Class(CodePointSet.Range('1', '9')), new Pattern.Repeat(new Pattern.Class(CodePointSet.Range('0', '9')), 0, WholeDigits - 1));
}

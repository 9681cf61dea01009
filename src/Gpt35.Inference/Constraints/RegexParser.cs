using System.Globalization;
using System.Text;

namespace Gpt35.Inference.Constraints;

/// <summary>
/// Regular expressions without backtracking: literals, <c>.</c>, classes, groups, alternatives and bounded or unbounded repetitions, over code points.
/// \d \w \s are ASCII and <c>.</c> is no line break, as in ECMA-262. What needs memory or looks around (back-references, look-arounds, \b) is refused.
/// </summary>
internal sealed class RegexParser
{
    private const int MostRepetitions = 1000;
    private const int DeepestGroup = 100;
    private const string Special = @"\^$.|?*+()[]{}";

    private static readonly CodePointSet Digits = CodePointSet.Range('0', '9');
    private static readonly CodePointSet Word = Digits.Union(CodePointSet.Range('a', 'z')).Union(CodePointSet.Range('A', 'Z')).Union(CodePointSet.Of('_'));
    private static readonly CodePointSet Blank = CodePointSet.Of(" \t\n\v\f\r");
    private static readonly CodePointSet LineBreaks = CodePointSet.Of("\n\r\u2028\u2029");

    private readonly string text;
    private readonly int[] runes;                       // code points of the text
    private readonly int[] places;                      // where each begins in it
    private readonly bool searches;
    private int at, depth;

    private RegexParser(string text, bool searches)
    {
        (this.text, this.searches) = (text, searches);
        var found = new List<(int Rune, int Place)>();
        for (var place = 0; place < text.Length;)
        {
            if (!Rune.TryGetRuneAt(text, place, out var rune)) throw new InvalidDataException($"The regular expression holds half a surrogate pair at character {place}. Expected Unicode text.");
            found.Add((rune.Value, place));
            place += rune.Utf16SequenceLength;
        }
        runes = [.. found.Select(f => f.Rune)];
        places = [.. found.Select(f => f.Place)];
    }

    /// <summary>The texts that an expression matches as a whole; ^ at its beginning and $ at its end say nothing more.</summary>
    /// <exception cref="InvalidDataException">It is malformed, too large or holds what is not supported; the message says where.</exception>
    public static Pattern Parse(string expression) => new RegexParser(expression, searches: false).ParseAll();

    /// <summary>The texts in which it is found, as JSON Schema means it: without ^ or $ anything may come before or after.</summary>
    /// <exception cref="InvalidDataException">As <see cref="Parse"/>.</exception>
    public static Pattern ParseSearch(string expression) => new RegexParser(expression, searches: true).ParseAll();

    private bool AtEnd => at == runes.Length;

    private int Current => runes[at];

    private Pattern ParseAll()
    {
        var pattern = ParseAlternatives();
        return AtEnd ? pattern : throw Problem(at, "a ) without its (", "put \\ before it to mean the character");
    }

    private Pattern ParseAlternatives()
    {
        var alternatives = new List<Pattern>();
        do alternatives.Add(ParseSequence());
        while (Skip('|'));
        return alternatives.Count == 1 ? alternatives[0] : new Pattern.Choice(alternatives);
    }

    private Pattern ParseSequence()
    {
        var anything = new Pattern.Repeat(new Pattern.Class(CodePointSet.All), 0, null);
        var items = new List<Pattern>();
        if (!(depth == 0 && Skip('^')) && depth == 0 && searches) items.Add(anything);
        while (!AtEnd && Current is not ('|' or ')'))
        {
            if (depth == 0 && Current == '$' && (at + 1 == runes.Length || runes[at + 1] == '|'))
            {
                at++;
                return new Pattern.Sequence(items);
            }
            items.Add(ParseRepeated());
        }
        if (depth == 0 && searches) items.Add(anything);
        return new Pattern.Sequence(items);
    }

    private Pattern ParseRepeated()
    {
        var start = at;
        var item = ParseItem();
        if (ParseBounds() is not var (min, max)) return item;
        // A lazy quantifier matches the same texts.
        Skip('?');
        if (!AtEnd && Current is '*' or '+' or '?' || StartsBounds()) throw Problem(at, "a quantifier after a quantifier", "put the first one into a group");
        if (max < min) throw Problem(start, $"the bounds {{{min},{max}}}, the larger one first", "exchange them");
        return new Pattern.Repeat(item, min, max);
    }

    private (int Min, int? Max)? ParseBounds()
    {
        if (Skip('*')) return (0, null);
        if (Skip('+')) return (1, null);
        if (Skip('?')) return (0, 1);
        if (!StartsBounds()) return null;
        var start = at++;
        var min = ParseCount(start);
        var max = Skip(',') ? Current == '}' ? (int?)null : ParseCount(start) : min;
        at++;
        return (min, max);
    }

    /// <summary>Whether {n}, {n,} or {n,m} begins here; any other brace is a character.</summary>
    private bool StartsBounds()
    {
        if (AtEnd || Current != '{') return false;
        var i = at + 1;
        var digits = i;
        while (i < runes.Length && runes[i] is >= '0' and <= '9') i++;
        if (i == digits) return false;
        if (i < runes.Length && runes[i] == ',') for (i++; i < runes.Length && runes[i] is >= '0' and <= '9';) i++;
        return i < runes.Length && runes[i] == '}';
    }

    private int ParseCount(int start)
    {
        var count = 0;
        for (; Current is >= '0' and <= '9'; at++)
            if ((count = count * 10 + Current - '0') > MostRepetitions) throw Problem(start, $"a repetition of more than {MostRepetitions} times", "use * or + for any number");
        return count;
    }

    private Pattern ParseItem()
    {
        var start = at++;
        switch (runes[start])
        {
            case '.': return new Pattern.Class(LineBreaks.Negate());
            case '[': return new Pattern.Class(ParseClass(start));
            case '(': return ParseGroup(start);
            case '\\': return new Pattern.Class(ParseEscape(start));
            case '*' or '+' or '?': throw Problem(start, "a quantifier with nothing before it", "put \\ before it to mean the character");
            case '^' or '$': throw Problem(start, "an anchor within the expression", "leave it out: the whole text is matched anyway");
            default: return new Pattern.Class(CodePointSet.Of(runes[start]));
        }
    }

    private Pattern ParseGroup(int start)
    {
        if (Skip('?') && !Skip(':')) SkipName(start);
        if (++depth > DeepestGroup) throw Problem(start, $"more than {DeepestGroup} groups within each other", "flatten them");
        var inside = ParseAlternatives();
        depth--;
        return Skip(')') ? inside : throw Problem(start, "a ( without its )", "close it");
    }

    /// <summary>(?&lt;name&gt;…) is a group; all else that begins with (? is not supported.</summary>
    private void SkipName(int start)
    {
        if (!Skip('<') || AtEnd || Current is '=' or '!') throw Problem(start, "a group that looks around or sets options", "only (…), (?:…) and (?<name>…) can be followed");
        while (!AtEnd && Current != '>') at++;
        if (!Skip('>')) throw Problem(start, "a group name without its >", "close it");
    }

    private CodePointSet ParseClass(int start)
    {
        var negated = Skip('^');
        if (!AtEnd && Current == ']') throw Problem(start, "a class of nothing, or one that begins with ]", "put \\ before the ] to mean the character");
        var set = CodePointSet.Of("");
        while (true)
        {
            if (AtEnd) throw Problem(start, "a [ without its ]", "close it");
            if (Skip(']')) break;
            if (Current == '-' && at + 1 < runes.Length && runes[at + 1] == '[') throw Problem(at + 1, "a class taken from a class", "put \\ before the [ to mean the character");
            var place = at;
            var (first, single) = ParseClassItem();
            if (!AtEnd && Current == '-' && at + 1 < runes.Length && runes[at + 1] is not (']' or '['))
            {
                at++;
                var (last, lastSingle) = ParseClassItem();
                if (!single || !lastSingle) throw Problem(place, "a range that begins or ends with a class", "put \\ before the - to mean the character");
                var (low, high) = (first.Ranges[0].Low, last.Ranges[0].Low);
                if (low > high) throw Problem(place, "a range whose end comes before its beginning", "exchange them");
                first = CodePointSet.Range(low, high);
            }
            set = set.Union(first);
        }
        return negated ? set.Negate() : set;
    }

    private (CodePointSet Set, bool Single) ParseClassItem()
    {
        var start = at++;
        if (runes[start] == '[' && !AtEnd && Current is ':' or '.' or '=') throw Problem(start, "a POSIX class", "spell it out");
        if (runes[start] != '\\') return (CodePointSet.Of(runes[start]), true);
        if (Skip('b')) return (CodePointSet.Of('\b'), true);
        if (Skip('-')) return (CodePointSet.Of('-'), true);
        var set = ParseEscape(start);
        return (set, set.Ranges.Count == 1 && set.Ranges[0].Low == set.Ranges[0].High);
    }

    /// <summary>What stands after a backslash.</summary>
    private CodePointSet ParseEscape(int start)
    {
        if (AtEnd) throw Problem(start, "a \\ at the end", "put the character after it");
        var kind = runes[at++];
        switch (kind)
        {
            case 'd': return Digits;
            case 'D': return Digits.Negate();
            case 'w': return Word;
            case 'W': return Word.Negate();
            case 's': return Blank;
            case 'S': return Blank.Negate();
            case 't': return CodePointSet.Of('\t');
            case 'n': return CodePointSet.Of('\n');
            case 'r': return CodePointSet.Of('\r');
            case 'f': return CodePointSet.Of('\f');
            case 'v': return CodePointSet.Of('\v');
            case 'x': return CodePointSet.Of(ParseHex(start, 2));
            case 'u': return CodePointSet.Of(ParseHex(start, 4));
            case '/' or '-' or '"' or '\'' or ' ' or '#' or '&' or '~' or '@' or '%' or '!' or ',' or ':' or ';' or '<' or '>' or '=' or '_': return CodePointSet.Of(kind);
            default:
                return kind < 0x80 && Special.Contains((char)kind) ? CodePointSet.Of(kind) : throw Problem(start, $"\\{new Rune(kind)}",
                    "supported are \\d \\D \\w \\W \\s \\S \\t \\n \\r \\f \\v \\xHH \\uHHHH and \\ before a sign; back-references, \\b and \\p are not");
        }
    }

    private int ParseHex(int start, int digits)
    {
        var place = at < places.Length ? places[at] : text.Length;
        if (place + digits > text.Length || !int.TryParse(text.AsSpan(place, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            throw Problem(start, $"an escape without its {digits} hexadecimal digits", "add them");
        if (value is >= 0xD800 and <= 0xDFFF) throw Problem(start, "half a surrogate pair", "write the character itself");
        at += digits;
        return value;
    }

    private bool Skip(char expected)
    {
        if (AtEnd || Current != expected) return false;
        at++;
        return true;
    }

    private InvalidDataException Problem(int index, string found, string advice)
    {
        var place = index < places.Length ? places[index] : text.Length;
        return new InvalidDataException($"The regular expression holds {found} at character {place}, before '{text.Substring(place, Math.Min(20, text.Length - place))}'; expected an expression that can be followed without looking back: {advice}.");
    }
}

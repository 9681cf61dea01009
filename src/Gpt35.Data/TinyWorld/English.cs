namespace Gpt35.Data.TinyWorld;

/// <summary>The little grammar that every generator shares.</summary>
internal static class English
{
    private static readonly string[] s_numbers =
    [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
    ];

    /// <summary>0 to 20 in words.</summary>
    public static string NumberWord(int number) => s_numbers[number];

    public static IReadOnlyList<string> NumberWords => s_numbers;

    public static string Capitalised(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..];

    /// <summary>Capital first letter and full stop.</summary>
    public static string Sentence(string clause) => Capitalised(clause) + ".";

    /// <summary>The noun with its indefinite article.</summary>
    public static string A(string noun) => (noun[0] is 'a' or 'e' or 'i' or 'o' ? "an " : "a ") + noun;

    /// <summary>"a", "a and b", "a, b and c".</summary>
    public static string JoinAnd(IReadOnlyList<string> items) => items.Count switch
    {
        1 => items[0],
        _ => string.Join(", ", items.Take(items.Count - 1)) + " and " + items[^1],
    };

    /// <summary>"1 apple", "2 apples".</summary>
    public static string Count(int number, string plural) => number == 1 ? $"1 {plural[..^1]}" : $"{number} {plural}";
}

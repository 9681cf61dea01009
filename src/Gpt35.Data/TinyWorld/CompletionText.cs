namespace Gpt35.Data.TinyWorld;

/// <summary>A completion cut into words and sentences, the way all checks see it.</summary>
internal sealed class CompletionText
{
    private static readonly char[] s_ends = ['.', '!', '?'];

    public CompletionText(string text)
    {
        Text = text.Trim();
        Words = [.. Split(Text)];
        Sentences = [.. SplitSentences(Text)];
    }

    public string Text { get; }

    /// <summary>Lower-case words and numbers; possessive endings dropped, contractions spelled out ("can't" is "can", "not").</summary>
    public IReadOnlyList<string> Words { get; }

    public IReadOnlyList<string> Sentences { get; }

    /// <summary>Ends with a full stop, exclamation mark or question mark, or is too short to need one.</summary>
    public bool EndsCleanly => Text.Length > 0 && (s_ends.Contains(Text[^1]) || Words.Count <= 3 && char.IsLetterOrDigit(Text[^1]));

    public bool Has(string word) => Words.Contains(word);

    public bool HasPhrase(string phrase) => (" " + string.Join(' ', Words) + " ").Contains($" {phrase} ", StringComparison.Ordinal);

    /// <summary>Numbers in digits or words, in order.</summary>
    public IReadOnlyList<int> Numbers => [.. Words.Select(NumberOf).OfType<int>()];

    /// <summary>The words of any text, as a completion's are cut.</summary>
    public static IEnumerable<string> Split(string text)
    {
        for (var i = 0; i < text.Length;)
        {
            var start = i;
            while (i < text.Length && (char.IsLetterOrDigit(text[i]) || text[i] == '\'' && i > start && i + 1 < text.Length && char.IsLetter(text[i + 1]))) i++;
            if (i == start) { i++; continue; }
            foreach (var word in Plain(text[start..i].ToLowerInvariant())) yield return word;
        }
    }

    public static int? NumberOf(string word)
    {
        if (int.TryParse(word, out var number)) return number;
        var index = English.NumberWords.ToList().IndexOf(word);
        return index < 0 ? null : index;
    }

    private static string[] Plain(string word) => word switch
    {
        "can't" or "cannot" => ["can", "not"],
        "won't" => ["will", "not"],
        _ when word.EndsWith("n't", StringComparison.Ordinal) => [word[..^3], "not"],
        _ when word.EndsWith("'s", StringComparison.Ordinal) => [word[..^2]],
        _ => [word],
    };

    private static IEnumerable<string> SplitSentences(string text)
    {
        var start = 0;
        for (var i = 0; i < text.Length; i++)
            if (text[i] == '\n' || s_ends.Contains(text[i]) && (i + 1 == text.Length || char.IsWhiteSpace(text[i + 1])))
            {
                var sentence = text[start..(i + 1)].Trim();
                if (sentence.Length > 0) yield return sentence;
                start = i + 1;
            }
        if (text[start..].Trim() is { Length: > 0 } rest) yield return rest;
    }
}

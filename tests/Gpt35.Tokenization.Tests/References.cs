using Microsoft.ML.Tokenizers;
using SharpToken;

namespace Gpt35.Tokenization.Tests;

/// <summary>
/// Ours against the libraries people use. Both match a pattern over UTF-16, in which a character beyond the basic plane is two surrogates and so
/// neither letter nor number, and ignore the case of .NET, in which ſ is no s. tiktoken's own pattern is over code points. Where a string holds such
/// a character, and only there, ours may differ from a library, and must then give what <see cref="CodePointOracle"/> gives. Microsoft's library also
/// cuts at the spelling of a special token where it then encodes it as text; ours and SharpToken's do not.
/// </summary>
internal static class References
{
    public static readonly TiktokenTokenizer Microsoft = TiktokenTokenizer.CreateForEncoding("cl100k_base");
    public static readonly Dictionary<string, GptEncoding> Sharp = KnownVocabularies.Names.ToDictionary(name => name, GptEncoding.GetEncoding);

    public static readonly HashSet<string> None = [];

    public static TheoryData<string, string> Pairs => new()
    {
        { "cl100k_base", "Microsoft.ML.Tokenizers" },
        { "cl100k_base", "SharpToken" },
        { "r50k_base", "SharpToken" },
        { "p50k_base", "SharpToken" },
    };

    /// <summary>False where ours and the library differ, for a good reason.</summary>
    public static bool AssertSame(string vocabulary, string library, Tokenizer tokenizer, string text)
    {
        var expected = library == "SharpToken" ? Sharp[vocabulary].Encode(text, None, None) : Microsoft.EncodeToIds(WellFormed(text));
        var ours = tokenizer.Encode(text);
        if (ours.AsSpan().SequenceEqual(expected as int[] ?? [.. expected])) return true;
        Assert.True(CodePointOracle.Explains(text) || library != "SharpToken" && text.Contains(SpecialTokens.EndOfText), $"{vocabulary}, {library}: \"{Escaped(text)}\": {string.Join(' ', expected)}, but ours {string.Join(' ', ours)}");
        Assert.Equal(CodePointOracle.Encode(vocabulary, text), ours);
        return false;
    }

    /// <summary>With U+FFFD for half surrogates, as ours, SharpToken and tiktoken read them; Microsoft's library makes bytes of them that are no UTF-8.</summary>
    private static string WellFormed(string text) => string.Concat(text.EnumerateRunes());

    private static string Escaped(string text) => string.Concat(text.Select(c => c is >= ' ' and <= '~' ? c.ToString() : $"\\u{(int)c:x4}"));
}

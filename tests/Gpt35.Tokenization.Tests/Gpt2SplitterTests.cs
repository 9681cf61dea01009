using System.Text;
using System.Text.RegularExpressions;
using CsCheck;

namespace Gpt35.Tokenization.Tests;

public partial class Gpt2SplitterTests
{
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    private static partial Regex Pattern { get; }

    [Theory]
    [InlineData("Hello world", "Hello| world")]
    [InlineData("I've  said: you'll", "I|'ve| | said|:| you|'ll")]
    [InlineData("a\n\nb\n", "a|\n|\n|b|\n")]
    [InlineData("  x", " | x")]
    [InlineData("x   ", "x|   ")]
    [InlineData("in 1592, 3rd", "in| 1592|,| 3|rd")]
    [InlineData("!'s 's", "!'|s| '|s")]
    [InlineData("DON'T", "DON|'|T")]
    [InlineData("𝒜𠀀 𝟘!", "𝒜𠀀| 𝟘|!")]
    [InlineData("", "")]
    public void Words_are_those_of_GPT_2(string text, string expected) => Assert.Equal(expected, string.Join('|', Split(text)));

    [Fact]
    public void Words_are_those_of_the_regular_expression_for_any_text() => Texts.AnyString.Sample(text =>
    {
        text = ReplaceLoneSurrogates(text);
        Assert.Equal(SplitByPattern(text), Split(text));
    }, iter: 20_000);

    [Fact]
    public void Every_character_of_the_basic_plane_is_of_the_kind_the_regular_expression_sees()
    {
        for (var i = 0; i <= char.MaxValue; i++)
        {
            if (char.IsSurrogate((char)i)) continue;
            var text = $"a{(char)i}1{(char)i} {(char)i}!{(char)i}  {(char)i}";
            Assert.Equal(SplitByPattern(text), Split(text));
        }
    }

    [Fact]
    public void Bytes_that_are_no_UTF_8_are_symbols()
    {
        byte[] text = [(byte)'a', 0xFF, 0xE2, 0x82, (byte)'!', (byte)' ', 0x80, (byte)'b'];
        Assert.Equal([1, 5, 7, 8], Ends(text));
    }

    [Fact]
    public void Any_bytes_are_cut_into_words_without_gap() => Texts.AnyBytes.Sample(bytes =>
    {
        var start = 0;
        foreach (var end in Ends(bytes))
        {
            Assert.True(end > start);
            start = end;
        }
        Assert.Equal(bytes.Length, start);
    });

    private static List<int> Ends(byte[] bytes)
    {
        var ends = new List<int>();
        for (var start = 0; start < bytes.Length; start = ends[^1]) ends.Add(Gpt2Splitter.NextEnd(bytes, start));
        return ends;
    }

    private static IEnumerable<string> Split(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var start = 0;
        foreach (var end in Ends(bytes))
        {
            yield return Encoding.UTF8.GetString(bytes[start..end]);
            start = end;
        }
    }

    /// <summary>.NET's patterns see surrogates, not code points, so a character of the same kind stands in for each pair.</summary>
    private static IEnumerable<string> SplitByPattern(string text)
    {
        var runes = text.EnumerateRunes().ToArray();
        var basic = string.Concat(runes.Select(rune => rune.IsBmp ? rune.ToString() : Rune.IsLetter(rune) ? "ж" : Rune.IsNumber(rune) ? "٣" : "☃"));
        return Pattern.Matches(basic).Select(match => string.Concat(runes[match.Index..(match.Index + match.Length)]));
    }

    private static string ReplaceLoneSurrogates(string text) => string.Concat(text.EnumerateRunes());
}

using System.Text;
using System.Text.RegularExpressions;
using CsCheck;

namespace Gpt35.Tokenization.Tests;

public class Cl100kSplitterTests
{
    [Theory]
    [InlineData("Hello world", "Hello| world")]
    [InlineData("I've DON'T we'LL x'", "I|'ve| DON|'T| we|'LL| x|'")]
    [InlineData("12345", "123|45")]
    [InlineData(" 7 x", " |7| x")]
    [InlineData("a.b (c)", "a|.b| (|c|)")]
    [InlineData("end.\n\nNext", "end|.\n\n|Next")]
    [InlineData("a \n \n  b", "a| \n \n| | b")]
    [InlineData("\tx\t\ty", "\tx|\t|\ty")]
    [InlineData("x   ", "x|   ")]
    [InlineData("🦊fox 𝒜", "🦊fox| 𝒜")]
    [InlineData("'ſo", "'ſ|o")]
    public void Words_are_those_of_cl100k(string text, string expected) => Assert.Equal(expected, string.Join('|', Split(PreTokenizer.Cl100k, text)));

    [Fact]
    public void Words_are_those_of_the_regular_expression_for_any_text() => Texts.AnyString.Sample(text =>
    {
        text = string.Concat(text.EnumerateRunes());
        Assert.Equal(CodePointOracle.Words("cl100k_base", text).Select(Encoding.UTF8.GetString), Split(PreTokenizer.Cl100k, text));
    }, iter: 20_000);

    [Fact]
    public void Qwen_2_has_every_digit_alone()
    {
        Assert.Equal(["a", "1", "2", "3", " b"], Split(PreTokenizer.Qwen2, "a123 b"));
        Texts.AnyString.Sample(text =>
        {
            var expected = Split(PreTokenizer.Cl100k, text).SelectMany(word => Regex.IsMatch(word, @"^\p{N}") ? word.EnumerateRunes().Select(rune => rune.ToString()) : [word]);
            // A number beyond the basic plane is none for .NET's pattern.
            if (!text.Contains('\uD835') && !text.Contains('\uD800')) Assert.Equal(expected, Split(PreTokenizer.Qwen2, text));
        }, iter: 2000);
    }

    [Fact]
    public void Every_character_of_the_basic_plane_is_of_the_kind_the_regular_expression_sees()
    {
        for (var i = 0; i <= char.MaxValue; i++)
        {
            if (char.IsSurrogate((char)i)) continue;
            var text = $"a{(char)i}1{(char)i} {(char)i}!{(char)i}  {(char)i}'{(char)i}\n{(char)i}";
            Assert.Equal(CodePointOracle.Words("cl100k_base", text).Select(Encoding.UTF8.GetString), Split(PreTokenizer.Cl100k, text));
        }
    }

    [Fact]
    public void Text_cut_at_a_safe_place_has_the_words_of_the_whole() =>
        Gen.Select(Texts.AnyBytes, Texts.AnyBytes, Gen.Enum<PreTokenizer>()).Sample((left, right, which) =>
        {
            byte[] text = [.. left, .. right];
            var cut = text.Length == 0 ? 0 : PreTokenizers.SafeCut(text, left.Length);
            Assert.InRange(cut, 0, left.Length);
            Assert.Equal(Ends(which, text), Ends(which, text[..cut]).Concat(Ends(which, text[cut..]).Select(end => end + cut)));
        }, iter: 5000);

    private static List<int> Ends(PreTokenizer which, byte[] bytes)
    {
        var ends = new List<int>();
        for (var start = 0; start < bytes.Length; start = ends[^1]) ends.Add(which.NextEnd(bytes, start));
        return ends;
    }

    private static IEnumerable<string> Split(PreTokenizer which, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var start = 0;
        foreach (var end in Ends(which, bytes))
        {
            yield return Encoding.UTF8.GetString(bytes[start..end]);
            start = end;
        }
    }
}

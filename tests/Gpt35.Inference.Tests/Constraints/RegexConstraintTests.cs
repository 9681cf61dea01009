using System.Text.RegularExpressions;
using Gpt35.Inference.Constraints;

namespace Gpt35.Inference.Tests.Constraints;

public sealed class RegexConstraintTests
{
    private static OutputConstraint Of(string pattern) => OutputConstraint.Regex(pattern, Documents.Tokenizer);

    /// <summary>.NET's own engine; it counts UTF-16 units, so a character beyond the first plane is shown to it as one that is not.</summary>
    private static bool Matches(string pattern, string text) =>
        Regex.IsMatch(Regex.Replace(text, "[\uD800-\uDBFF][\uDC00-\uDFFF]", "\uE000"), $@"^(?:{pattern})(?!\n)$", RegexOptions.ECMAScript);

    [Theory]
    [InlineData("abc")]
    [InlineData("^a+b*c?$")]
    [InlineData("(ab|cd){2,3}")]
    [InlineData("[a-c]{0,4}x")]
    [InlineData(@"\d{3}-\d{3}")]
    [InlineData(@"[^a-z\s]+")]
    [InlineData(@"(?:a|(?<n>b(c|d)))*?z")]
    [InlineData(".{1,8}")]
    [InlineData(@"\x41\u20ac[\d\-]+")]
    [InlineData("€{2}|é+")]
    [InlineData(@"\{a{x}\[")]
    public void What_is_written_matches(string pattern)
    {
        var constraint = Of(pattern);
        for (var seed = 0; seed < 12; seed++)
        {
            var (text, _, _) = Documents.Write(constraint, seed, 40, hostile: seed % 2 == 1);
            Assert.True(Matches(pattern.Replace(@"\{a{x}\[", @"\{a\{x\}\["), text), $"{pattern} does not match what seed {seed} gave: {text}");
        }
        Documents.AssertMasksAreExact(constraint, 7);
    }

    /// <summary>Random expressions over a small alphabet, held against .NET's engine in both directions.</summary>
    [Fact]
    public void Any_expression_accepts_what_it_matches_and_nothing_else()
    {
        for (var seed = 0; seed < 150; seed++)
        {
            var random = new Random(seed);
            var pattern = RandomPattern(random, 3);
            var constraint = Of(pattern);
            for (var i = 0; i < 40; i++)
            {
                var text = new string([.. Enumerable.Range(0, random.Next(7)).Select(_ => "abc1 _"[random.Next(6)])]);
                Assert.True(Matches(pattern, text) == Documents.Allows(constraint, text, bytewise: i % 2 == 0), $"seed {seed}: '{pattern}' and '{text}'");
            }
            var (written, _, _) = Documents.Write(constraint, seed, 30, hostile: true);
            Assert.True(Matches(pattern, written), $"seed {seed}: '{pattern}' gave '{written}'");
            if (seed % 10 == 0) Documents.AssertMasksAreExact(constraint, seed, 8);
        }
    }

    private static string RandomPattern(Random random, int depth)
    {
        var items = Enumerable.Range(0, 1 + random.Next(3)).Select(_ => Item());
        return string.Join(random.Next(3) == 0 ? "|" : "", items);

        string Item()
        {
            var item = random.Next(depth > 0 ? 9 : 7) switch
            {
                0 or 1 => "abc1"[random.Next(4)].ToString(),
                2 => ".",
                3 => "[ab]",
                4 => "[^a-b]",
                5 => @"\" + "dwsDWS"[random.Next(6)],
                6 => @"[\d_-]",
                _ => $"({(random.Next(2) == 0 ? "?:" : "")}{RandomPattern(random, depth - 1)})",
            };
            return item + (random.Next(6) switch { 0 => "*", 1 => "+", 2 => "?", 3 => "{1,3}", 4 => "{2}", _ => "" });
        }
    }

    [Theory]
    [InlineData("a(b", "a ( without its ) at character 1")]
    [InlineData("ab)", "a ) without its ( at character 2")]
    [InlineData("[ab", "a [ without its ] at character 0")]
    [InlineData("a**", "a quantifier after a quantifier at character 2")]
    [InlineData("*a", "a quantifier with nothing before it at character 0")]
    [InlineData("a{3,2}", "the larger one first at character 0")]
    [InlineData("x{1001}", "a repetition of more than 1000 times at character 1")]
    [InlineData(@"(a)\1", @"\1 at character 3")]
    [InlineData(@"a\b", @"\b at character 1")]
    [InlineData(@"\p{L}", @"\p at character 0")]
    [InlineData("(?=a)", "looks around or sets options at character 0")]
    [InlineData("(?<!a)b", "looks around or sets options at character 0")]
    [InlineData("(?i)a", "looks around or sets options at character 0")]
    [InlineData("a$b", "an anchor within the expression at character 1")]
    [InlineData("[z-a]", "whose end comes before its beginning at character 1")]
    [InlineData(@"[\d-z]", "begins or ends with a class at character 1")]
    [InlineData("[a-z-[aeiou]]", "a class taken from a class at character 5")]
    [InlineData(@"a\", @"a \ at the end at character 1")]
    [InlineData(@"\ud800", "half a surrogate pair at character 0")]
    [InlineData("(((a{1000}){1000}){1000})", "more than 60000 states")]
    public void What_cannot_be_followed_is_refused_with_its_place(string pattern, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Of(pattern)).Message);

    [Fact]
    public void Thousands_of_groups_within_each_other_are_refused() =>
        Assert.Contains("more than 100 groups", Assert.Throws<InvalidDataException>(() => Of(new string('(', 60_000) + "a" + new string(')', 60_000))).Message);

    [Fact]
    public void An_expression_that_nothing_matches_is_refused() =>
        Assert.Contains("no document satisfies it", Assert.Throws<InvalidDataException>(() => Of(@"a[^\s\S]")).Message);

    /// <summary>(x+x+)+y needs exponential time from an engine that backtracks.</summary>
    [Fact]
    public void Nothing_backtracks()
    {
        Assert.False(Documents.Allows(Of("(x+x+)+y"), new string('x', 5000)));
        Assert.True(Documents.Allows(Of("(x+x+)+y"), new string('x', 5000) + "y"));
        Assert.True(Documents.Allows(Of("(a|b)*a(a|b){12}"), string.Concat(Enumerable.Repeat("ab", 200)) + "abbbbbbbbbbbb"));
    }

    [Fact]
    public void Ranges_of_code_points_are_the_same_ranges_of_utf8()
    {
        var random = new Random(5);
        for (var trial = 0; trial < 200; trial++)
        {
            int[] ends = [random.Next(0x110000), trial % 2 == 0 ? random.Next(0x900) : random.Next(0x110000)];
            var set = CodePointSet.Range(ends.Min(), ends.Max());
            foreach (var codePoint in Enumerable.Range(0, 300).Select(_ => random.Next(0x110000)).Concat(ends).Concat([ends.Min() - 1, ends.Max() + 1, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000]))
            {
                if (!System.Text.Rune.IsValid(codePoint)) continue;
                var bytes = System.Text.Encoding.UTF8.GetBytes(new System.Text.Rune(codePoint).ToString());
                var inside = set.Utf8().Count(sequence => sequence.Length == bytes.Length && sequence.Zip(bytes).All(pair => pair.First.Low <= pair.Second && pair.Second <= pair.First.High));
                Assert.Equal(ends.Min() <= codePoint && codePoint <= ends.Max() ? 1 : 0, inside);
            }
        }
    }
}

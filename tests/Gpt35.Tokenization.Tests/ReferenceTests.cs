using System.Text;

namespace Gpt35.Tokenization.Tests;

/// <summary>Random text against the libraries; see <see cref="References"/> for where they may differ.</summary>
public class ReferenceTests
{
    private const int RandomStrings = 100_000;

    [Theory, MemberData(nameof(References.Pairs), MemberType = typeof(References))]
    public void Ids_of_random_Unicode_are_those_of_the_libraries_or_of_code_points(string vocabulary, string library)
    {
        var tokenizer = Tokenizer.Load(vocabulary);
        var random = new Random(20261123);
        int different = 0;
        for (var i = 0; i < RandomStrings; i++)
            if (!References.AssertSame(vocabulary, library, tokenizer, RandomText.Next(random))) different++;
        TestContext.Current.SendDiagnosticMessage($"{vocabulary}, {library}: {different} of {RandomStrings} strings differ, each explained by code points.");
        Assert.InRange(different, 1, RandomStrings / 3);                     // the explanation is needed, and stays the exception
    }

    [Theory, MemberData(nameof(References.Pairs), MemberType = typeof(References))]
    public void Ids_of_random_bytes_are_those_of_the_libraries_for_the_text_they_decode_to(string vocabulary, string library)
    {
        var tokenizer = Tokenizer.Load(vocabulary);
        var random = new Random(5);
        for (var i = 0; i < 5_000; i++)
        {
            var bytes = new byte[random.Next(200)];
            random.NextBytes(bytes);
            References.AssertSame(vocabulary, library, tokenizer, Encoding.Latin1.GetString(bytes));
            References.AssertSame(vocabulary, library, tokenizer, Encoding.UTF8.GetString(bytes));
            Assert.Equal(bytes, tokenizer.DecodeBytes(tokenizer.EncodeBytes(bytes)));
        }
    }

    [Fact]
    public void P50k_edit_is_p50k_base_with_more_special_tokens()
    {
        var random = new Random(7);
        for (var i = 0; i < 1000; i++)
        {
            var text = RandomText.Next(random);
            Assert.Equal(Tokenizer.Load("p50k_base").Encode(text), Tokenizer.Load("p50k_edit").Encode(text));
        }
        Assert.Equal(References.Sharp["p50k_edit"].Encode("a<|fim_suffix|>b", new HashSet<string> { "<|fim_suffix|>" }, References.None), Tokenizer.Load("p50k_edit").Encode("a<|fim_suffix|>b", SpecialTokenHandling.Allow));
    }

    [Theory]
    [InlineData("𝒜𝒷c", "𝒜𝒷c")]
    [InlineData("🦊fox", "🦊fox")]
    [InlineData("𝟘𝟙𝟚𝟛", "𝟘𝟙𝟚|𝟛")]
    [InlineData("it'ſx", "it|'ſ|x")]
    public void Cl100k_words_are_those_of_code_points_where_the_libraries_see_surrogates(string text, string words) =>
        Assert.Equal(words.Split('|'), CodePointOracle.Words("cl100k_base", text).Select(Encoding.UTF8.GetString));

    [Fact]
    public void Half_a_surrogate_pair_is_U_FFFD_as_for_SharpToken_while_Microsofts_ids_decode_to_no_UTF_8()
    {
        var tokenizer = Tokenizer.Load("cl100k_base");
        Assert.Equal(tokenizer.Encode("a\uFFFDb"), tokenizer.Encode("a\uDF73b"));
        Assert.Equal(References.Sharp["cl100k_base"].Encode("a\uDF73b", References.None, References.None), tokenizer.Encode("a\uDF73b"));
        Assert.Equal([(byte)'a', 0xED, 0xBD, 0xB3, (byte)'b'], tokenizer.DecodeBytes([.. References.Microsoft.EncodeToIds("a\uDF73b")]));
    }
}

using System.IO.Compression;
using System.Text;
using Gpt35.Tests;
using Microsoft.ML.Tokenizers;
using SharpToken;

namespace Gpt35.Tokenization.Tests;

/// <summary>
/// Ours against the libraries people use. Both match a pattern over UTF-16, in which a character beyond the basic plane is two surrogates and so
/// neither letter nor number, and ignore the case of .NET, in which ſ is no s. tiktoken's own pattern is over code points. Where a string holds such
/// a character, and only there, ours may differ from a library, and must then give what <see cref="CodePointOracle"/> gives. Microsoft's library also
/// cuts at the spelling of a special token where it then encodes it as text; ours and SharpToken's do not.
/// </summary>
public class ReferenceTests
{
    private const int RandomStrings = 100_000;

    private static readonly TiktokenTokenizer Microsoft = TiktokenTokenizer.CreateForEncoding("cl100k_base");
    private static readonly Dictionary<string, GptEncoding> Sharp = KnownVocabularies.Names.ToDictionary(name => name, GptEncoding.GetEncoding);

    private static readonly HashSet<string> None = [];

    public static TheoryData<string, string> Pairs => new()
    {
        { "cl100k_base", "Microsoft.ML.Tokenizers" },
        { "cl100k_base", "SharpToken" },
        { "r50k_base", "SharpToken" },
        { "p50k_base", "SharpToken" },
    };

    public static TheoryData<string> RealTexts =>
        ["tinyshakespeare.txt", "tinystories_a.txt", "tinystories_b.txt", "wikitext2.test.txt", "wikitext2.valid.txt.gz", "wiki_demo.txt.gz", "c4_demo.jsonl.gz"];

    [Theory, MemberData(nameof(RealTexts))]
    public void Ids_of_real_text_are_those_of_the_libraries(string file)
    {
        var text = ReadShared(file);
        foreach (var row in Pairs)
        {
            var (vocabulary, library) = row.Data;
            var tokenizer = Tokenizer.Load(vocabulary);
            // By line, so that a difference is small and no library is slow on account of length; and as one text.
            foreach (var line in text.Split('\n')) AssertSame(vocabulary, library, tokenizer, line);
        }
        Assert.Equal(Sharp["cl100k_base"].Encode(text, None, None), Tokenizer.Load("cl100k_base").Encode(text));
    }

    [Theory, MemberData(nameof(Pairs))]
    public void Ids_of_random_Unicode_are_those_of_the_libraries_or_of_code_points(string vocabulary, string library)
    {
        var tokenizer = Tokenizer.Load(vocabulary);
        var random = new Random(20261123);
        int different = 0;
        for (var i = 0; i < RandomStrings; i++)
            if (!AssertSame(vocabulary, library, tokenizer, RandomText.Next(random))) different++;
        TestContext.Current.SendDiagnosticMessage($"{vocabulary}, {library}: {different} of {RandomStrings} strings differ, each explained by code points.");
        Assert.InRange(different, 1, RandomStrings / 3);                     // the explanation is needed, and stays the exception
    }

    [Theory, MemberData(nameof(Pairs))]
    public void Ids_of_random_bytes_are_those_of_the_libraries_for_the_text_they_decode_to(string vocabulary, string library)
    {
        var tokenizer = Tokenizer.Load(vocabulary);
        var random = new Random(5);
        for (var i = 0; i < 5_000; i++)
        {
            var bytes = new byte[random.Next(200)];
            random.NextBytes(bytes);
            AssertSame(vocabulary, library, tokenizer, Encoding.Latin1.GetString(bytes));
            AssertSame(vocabulary, library, tokenizer, Encoding.UTF8.GetString(bytes));
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
        Assert.Equal(Sharp["p50k_edit"].Encode("a<|fim_suffix|>b", new HashSet<string> { "<|fim_suffix|>" }, None), Tokenizer.Load("p50k_edit").Encode("a<|fim_suffix|>b", SpecialTokenHandling.Allow));
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
        Assert.Equal(Sharp["cl100k_base"].Encode("a\uDF73b", None, None), tokenizer.Encode("a\uDF73b"));
        Assert.Equal([(byte)'a', 0xED, 0xBD, 0xB3, (byte)'b'], tokenizer.DecodeBytes([.. Microsoft.EncodeToIds("a\uDF73b")]));
    }

    /// <summary>False where ours and the library differ, for a good reason.</summary>
    private static bool AssertSame(string vocabulary, string library, Tokenizer tokenizer, string text)
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

    private static string ReadShared(string file)
    {
        using var stream = File.OpenRead(SharedData.Require($"text/{file}"));
        using var reader = new StreamReader(file.EndsWith(".gz") ? new GZipStream(stream, CompressionMode.Decompress) : stream);
        return reader.ReadToEnd();
    }
}

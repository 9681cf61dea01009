using System.IO.Compression;
using Gpt35.Tests;

namespace Gpt35.Tokenization.Tests;

/// <summary>Real text has the ids of both libraries, without exception.</summary>
public class RealTextReferenceTests
{
    public static TheoryData<string> RealTexts =>
        ["tinyshakespeare.txt", "tinystories_a.txt", "tinystories_b.txt", "wikitext2.test.txt", "wikitext2.valid.txt.gz", "wiki_demo.txt.gz", "c4_demo.jsonl.gz"];

    [Theory, MemberData(nameof(RealTexts))]
    public void Ids_of_real_text_are_those_of_the_libraries(string file)
    {
        var text = ReadShared(file);
        foreach (var row in References.Pairs)
        {
            var (vocabulary, library) = row.Data;
            var tokenizer = Tokenizer.Load(vocabulary);
            // By line, so that a difference is small and no library is slow on account of length; and as one text.
            foreach (var line in text.Split('\n')) Assert.True(References.AssertSame(vocabulary, library, tokenizer, line) || line.Contains(SpecialTokens.EndOfText));
        }
        Assert.Equal(References.Sharp["cl100k_base"].Encode(text, References.None, References.None), Tokenizer.Load("cl100k_base").Encode(text));
    }

    private static string ReadShared(string file)
    {
        using var stream = File.OpenRead(SharedData.Require($"text/{file}"));
        using var reader = new StreamReader(file.EndsWith(".gz") ? new GZipStream(stream, CompressionMode.Decompress) : stream);
        return reader.ReadToEnd();
    }
}

using Gpt35.Tests;

namespace Gpt35.Tokenization.Tests;

public sealed class TokenizerPartsTests : IDisposable
{
    private static readonly Tokenizer Trained = BpeTrainer.Train(["the cat sat on the mat, the cat sat"], new BpeTrainerOptions { VocabSize = 270 });

    private readonly string folder = Directory.CreateTempSubdirectory("gpt35-parts-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_tokenizer_is_its_parts()
    {
        var parts = Trained.ToParts();
        var back = Tokenizer.FromParts(parts, "parts");
        Assert.Equal(Trained.Encode("the cat sat, é🦊"), back.Encode("the cat sat, é🦊"));
        Assert.Equal(Trained.SpecialTokens, back.SpecialTokens);
        Assert.Equal(parts.Merges, back.ToParts().Merges);
    }

    [Theory]
    [InlineData("a byte is missing", "no token")]
    [InlineData("a token twice", "second time")]
    [InlineData("a token is empty", "empty")]
    [InlineData("a foreign character", "U+4E2D")]
    [InlineData("a merge of one", "left right")]
    [InlineData("a merge of nothing", "an ordinary token")]
    [InlineData("too few types", "one for each")]
    public void Parts_that_contradict_each_other_are_refused(string damage, string named)
    {
        var parts = Trained.ToParts();
        var (tokens, kinds, merges) = (parts.Tokens.ToArray(), parts.Kinds.ToArray(), parts.Merges.ToArray());
        switch (damage)
        {
            case "a byte is missing": kinds[5] = TokenKind.Unused; break;
            case "a token twice": tokens[260] = tokens[261]; break;
            case "a token is empty": tokens[260] = ""; break;
            case "a foreign character": tokens[260] = "中"; break;
            case "a merge of one": merges[0] = "the"; break;
            case "a merge of nothing": merges[0] = "zz yy"; break;
            case "too few types": kinds = kinds[1..]; break;
        }
        var error = Assert.Throws<InvalidDataException>(() => Tokenizer.FromParts(parts with { Tokens = tokens, Kinds = kinds, Merges = merges }, "m.gguf"));
        Assert.StartsWith("m.gguf: ", error.Message);
        Assert.Contains(named, error.Message);
    }

    [Fact]
    public void A_llama2_c_tokenizer_is_a_sentencepiece_model_from_then_on()
    {
        var tokenizer = Tokenizer.Load(SharedData.Require("models/tok512.bin"));
        Assert.Equal((512, 1, 2, true), (tokenizer.VocabSize, tokenizer.StartOfText, tokenizer.EndOfText, tokenizer.AddsSpace));
        tokenizer.Save(folder);
        var saved = Tokenizer.Load(folder);
        foreach (var line in File.ReadLines(SharedData.Require("text/tinystories_a.txt")).Where(line => line.Length > 0).Take(20)) Assert.Equal(tokenizer.Encode(line), saved.Encode(line));
        var parts = saved.ToParts();
        Assert.Equal((TokenKind.Unknown, TokenKind.Control, TokenKind.Byte, TokenKind.Normal), (parts.Kinds[0], parts.Kinds[1], parts.Kinds[3], parts.Kinds[259]));
        Assert.Equal(parts.Scores, Tokenizer.FromParts(parts, "parts").ToParts().Scores);
    }

    [Fact]
    public void Of_llama_2s_two_files_the_sentencepiece_model_counts()
    {
        File.WriteAllBytes(Path.Combine(folder, "tokenizer.model"), SentencePieceProto.Of(["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>"), "▁", "a"]));
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), """{ "model": { "type": "BPE", "byte_fallback": true } }""");
        Assert.Equal(261, Tokenizer.Load(folder).VocabSize);
    }
}

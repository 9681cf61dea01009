using CsCheck;

namespace Gpt35.Tokenization.Tests;

public class SpecialTokenTests
{
    private static readonly Tokenizer Cl100k = Tokenizer.Load("cl100k_base");

    [Theory]
    [InlineData("r50k_base", 50257, "<|endoftext|>", 50256)]
    [InlineData("p50k_base", 50281, "<|endoftext|>", 50256)]
    [InlineData("p50k_edit", 50284, "<|fim_suffix|>", 50283)]
    [InlineData("cl100k_base", 100277, "<|endofprompt|>", 100276)]
    [InlineData("cl100k_base", 100277, "<|im_start|>", 100264)]
    [InlineData("cl100k_base", 100277, "<|im_end|>", 100265)]
    [InlineData("cl100k_base", 100277, "<|fim_prefix|>", 100258)]
    public void Named_vocabularies_have_the_sizes_and_special_tokens_of_tiktoken(string name, int size, string special, int id)
    {
        var tokenizer = Tokenizer.Load(name);
        Assert.Equal(size, tokenizer.VocabSize);
        Assert.Equal(id, tokenizer.SpecialTokens[special]);
        Assert.Equal([id], tokenizer.Encode(special, SpecialTokenHandling.Allow));
        Assert.Equal(special, tokenizer.Decode([id], includeSpecial: true));
    }

    [Fact]
    public void Allowed_special_tokens_stand_between_the_ids_of_the_texts_around_them()
    {
        var ids = Cl100k.Encode("<|im_start|>user\nhi<|im_end|>", SpecialTokenHandling.Allow);
        Assert.Equal([100264, .. Cl100k.Encode("user\nhi"), 100265], ids);
    }

    [Fact]
    public void A_refused_special_token_is_named_with_its_place()
    {
        var error = Assert.Throws<InvalidDataException>(() => Cl100k.Encode("é <|im_end|>", SpecialTokenHandling.Refuse));
        Assert.Contains("<|im_end|> at byte 3", error.Message);
        Assert.Equal(Cl100k.Encode("<|im_|end|>"), Cl100k.Encode("<|im_|end|>", SpecialTokenHandling.Refuse));
    }

    [Fact]
    public void No_text_becomes_a_special_token_and_all_of_it_comes_back() =>
        Gen.OneOf(Texts.AnyOf([.. Cl100k.SpecialTokens.Keys, "<|", "|>", "endoftext"]), Texts.AnyString).Array[0, 8].Select(string.Concat).Sample(text =>
        {
            var ids = Cl100k.Encode(text);
            Assert.DoesNotContain(ids, Cl100k.SpecialTokens.Values.Contains);
            Assert.Equal(string.Concat(text.EnumerateRunes()), Cl100k.Decode(ids));
            Assert.Equal(string.Concat(text.EnumerateRunes()), Cl100k.Decode(Cl100k.Encode(text, SpecialTokenHandling.Allow), includeSpecial: true));
        }, iter: 2000);

    [Fact]
    public void Unused_ids_of_a_vocabulary_are_refused()
    {
        Assert.False(Cl100k.HasToken(100261));
        Assert.Throws<InvalidDataException>(() => Cl100k.Decode([100261]));
    }
}

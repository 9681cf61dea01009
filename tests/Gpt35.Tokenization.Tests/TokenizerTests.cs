using System.Text;
using CsCheck;

namespace Gpt35.Tokenization.Tests;

public class TokenizerTests
{
    private static readonly Tokenizer Small = Texts.Small;

    [Fact]
    public void Any_bytes_come_back_exactly() =>
        Texts.AnyBytes.Sample(bytes => Assert.Equal(bytes, Small.DecodeBytes(Small.EncodeBytes(bytes))));

    [Fact]
    public void Any_text_comes_back_with_half_surrogates_replaced() =>
        Texts.AnyString.Sample(text => Assert.Equal(string.Concat(text.EnumerateRunes()), Small.Decode(Small.Encode(text))));

    [Fact]
    public void Text_and_its_UTF_8_bytes_have_the_same_ids() =>
        Texts.AnyString.Sample(text => Assert.Equal(Small.Encode(text), Small.EncodeBytes(Encoding.UTF8.GetBytes(text))));

    [Fact]
    public void Half_a_surrogate_pair_is_encoded_as_the_replacement_character() =>
        Assert.Equal(Small.EncodeBytes("a\uFFFDb"u8), Small.Encode("a\uD83Eb"));

    [Fact]
    public void No_text_encodes_to_a_special_token()
    {
        var spellings = Texts.AnyOf([.. SpecialTokens.Default, "<|", "|>", "endoftext", "im_start"]);
        var trained = Texts.Train(600, [.. Enumerable.Repeat(string.Concat(SpecialTokens.Default), 20)]);
        Gen.OneOf(spellings, Texts.AnyString).Array[0, 8].Select(string.Concat).Sample(text =>
        {
            var ids = trained.Encode(text);
            Assert.DoesNotContain(ids, trained.SpecialTokens.Values.Contains);
            Assert.Equal(string.Concat(text.EnumerateRunes()), trained.Decode(ids));
        });
    }

    [Fact]
    public void Special_tokens_decode_to_nothing_or_to_their_name()
    {
        int[] ids = [Small.SpecialTokens[SpecialTokens.ImStart], .. Small.Encode("user\nhi"), Small.SpecialTokens[SpecialTokens.ImEnd]];
        Assert.Equal("user\nhi", Small.Decode(ids));
        Assert.Equal("<|im_start|>user\nhi<|im_end|>", Small.Decode(ids, includeSpecial: true));
    }

    [Fact]
    public void A_vocabulary_without_end_of_text_says_so_when_asked_for_it()
    {
        var tokenizer = Texts.Train(new BpeTrainerOptions { VocabSize = 300, SpecialTokens = ["<|im_end|>"] }, "text");
        var error = Assert.Throws<InvalidDataException>(() => tokenizer.EndOfText);
        Assert.Contains("no special token <|endoftext|>", error.Message);
        Assert.Contains("<|im_end|>", error.Message);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(400)]
    [InlineData(int.MaxValue)]
    public void An_id_of_another_vocabulary_is_refused(int id)
    {
        var error = Assert.Throws<InvalidDataException>(() => Small.Decode([0, id]));
        Assert.Contains($"Id {id} is not in the vocabulary, whose ids run from 0 to 399", error.Message);
    }

    [Fact]
    public void Remembered_words_are_encoded_as_at_first_sight()
    {
        // More distinct words than the cache has places, so that words drive each other out.
        var text = string.Concat(Enumerable.Range(0, 100_000).Select(i => $" {i:x}"));
        var tokenizer = Texts.Train(500, text[..5000]);
        var first = tokenizer.Encode(text);
        Assert.Equal(first, tokenizer.Encode(text));
        Assert.Equal(text, tokenizer.Decode(first));
    }

    [Fact]
    public void Threads_that_share_a_tokenizer_get_the_ids_of_one_thread()
    {
        var texts = Enumerable.Range(0, 64).Select(i => string.Concat(Enumerable.Range(i * 31, 500).Select(n => $" {n}{Texts.Prose[n % 80]}"))).ToArray();
        var alone = texts.Select(text => Small.Encode(text)).ToArray();
        var shared = Texts.Train(400, Texts.Prose, Texts.Prose);             // as Small, with an empty cache
        var together = new int[texts.Length][];
        Parallel.For(0, texts.Length, i => together[i] = shared.Encode(texts[i]));
        Assert.Equal(alone, together);
    }

    [Fact]
    public void Nothing_encodes_to_nothing()
    {
        Assert.Empty(Small.Encode(""));
        Assert.Empty(Small.DecodeBytes([]));
        Assert.Equal("", Small.Decode([]));
    }
}

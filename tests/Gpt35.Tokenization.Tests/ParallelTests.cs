using System.Text;

namespace Gpt35.Tokenization.Tests;

public class ParallelTests
{
    [Theory]
    [InlineData("r50k_base")]
    [InlineData("cl100k_base")]
    public void One_long_text_has_the_same_ids_on_any_number_of_threads(string vocabulary)
    {
        var random = new Random(3);
        var text = string.Concat(Enumerable.Range(0, 40_000).Select(_ => RandomText.Next(random)));
        var bytes = Encoding.UTF8.GetBytes(text);
        var tokenizer = Tokenizer.Load(vocabulary);
        var expected = tokenizer.EncodeBytes(bytes);
        foreach (var threads in (int[])[1, 2, 3, 0]) Assert.Equal(expected, tokenizer.EncodeParallel(bytes, threads));
        Assert.Equal(expected, tokenizer.EncodeParallel(text));
    }

    [Fact]
    public void A_long_text_without_a_place_to_cut_is_encoded_all_the_same()
    {
        var tokenizer = Tokenizer.Load("cl100k_base");
        var bytes = Encoding.UTF8.GetBytes(new string('=', 300_000) + new string('x', 300_000));
        Assert.Equal(tokenizer.EncodeBytes(bytes), tokenizer.EncodeParallel(bytes, 2));
    }

    [Fact]
    public void A_batch_has_the_ids_of_its_texts()
    {
        var tokenizer = Tokenizer.Load("cl100k_base");
        var random = new Random(4);
        var texts = Enumerable.Range(0, 500).Select(_ => RandomText.Next(random)).ToArray();
        Assert.Equal(texts.Select(text => tokenizer.Encode(text)), tokenizer.EncodeBatch(texts, threads: 2));
        var error = Assert.Throws<InvalidDataException>(() => tokenizer.EncodeBatch(["a", "<|endoftext|>"], SpecialTokenHandling.Refuse, 2));
        Assert.Contains("<|endoftext|>", error.Message);
    }

    [Fact]
    public void Encoding_again_allocates_the_result_alone()
    {
        var tokenizer = Tokenizer.Load("cl100k_base");
        var text = string.Concat(Enumerable.Repeat(Texts.Prose, 20));
        var length = 0;
        for (var i = 0; i < 3; i++) length = tokenizer.Encode(text).Length;
        var before = GC.GetAllocatedBytesForCurrentThread();
        tokenizer.Encode(text);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 4 * length, 4 * length + 64);
    }
}

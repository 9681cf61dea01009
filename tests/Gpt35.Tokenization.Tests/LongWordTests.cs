using System.Text;
using CsCheck;

namespace Gpt35.Tokenization.Tests;

/// <summary>Windows give what merging the whole word gives.</summary>
public class LongWordTests
{
    private static readonly Vocabulary Cl100k = Tokenizer.Load("cl100k_base").Vocabulary;
    private static readonly BpeMerger Merger = new(Cl100k);

    public static TheoryData<string> Alphabets => ["a", "ab", "aaaaab", "abcdefghijklmnopqrstuvwxyz", "-", "=- ", "ж東a", "etaoin shrdlu", "\\/*#"];

    [Theory, MemberData(nameof(Alphabets))]
    public void Windows_give_the_ids_of_the_whole(string alphabet) =>
        Gen.Char[alphabet].Array[65, 3000].Select(letters => new string(letters)).Sample(word => AssertSame(Merger, Cl100k, Encoding.UTF8.GetBytes(word)), iter: 60);

    [Fact]
    public void Windows_give_the_ids_of_the_whole_for_any_bytes() =>
        Gen.Byte.Array[65, 2000].Sample(word => AssertSame(Merger, Cl100k, word), iter: 200);

    [Fact]
    public void Windows_give_the_ids_of_the_whole_for_vocabularies_made_to_reach_far()
    {
        // Of few letters and long repetitions, so that merges depend on letters far away and tokens outgrow the windows.
        var word = Gen.OneOf(Gen.Char["ab"].Array[65, 400], Gen.Int[65, 700].Select(length => Enumerable.Repeat('a', length).ToArray()),
            Gen.Select(Gen.Char["abc"].Array[1, 9], Gen.Int[20, 60]).Select((unit, times) => Enumerable.Repeat(unit, times).SelectMany(c => c).ToArray()));
        Gen.Select(word.Array[1, 3], word, Gen.Int[262, 340]).Sample((corpus, text, size) =>
        {
            var vocabulary = Texts.Train(size, [.. corpus.Select(letters => new string(letters))]).Vocabulary;
            AssertSame(new BpeMerger(vocabulary), vocabulary, Encoding.ASCII.GetBytes(text));
        }, iter: 400);
    }

    [Fact]
    public void Five_million_equal_letters_are_their_longest_tokens()
    {
        var ids = Tokenizer.Load("cl100k_base").Encode(new string('a', 5_000_000));
        Assert.Equal(5_000_000 / 8, ids.Length);
        Assert.Single(ids.Distinct());
    }

    private static void AssertSame(BpeMerger merger, Vocabulary vocabulary, byte[] word)
    {
        var windows = new IdBuffer(16);
        var whole = new IdBuffer(16);
        new LongWord(merger, vocabulary).Encode(word, ref windows);
        merger.EncodeByHeap(word, ref whole);
        Assert.Equal(whole.ToArray(), windows.ToArray());
    }
}

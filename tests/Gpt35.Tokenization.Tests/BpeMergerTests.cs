using CsCheck;

namespace Gpt35.Tokenization.Tests;

public class BpeMergerTests
{
    /// <summary>Of few letters, so that merges overlap and reach back as often as can be.</summary>
    private static readonly Gen<string> Repetitive = Gen.OneOf(
        Gen.Char["aab"].Array[0, 300].Select(letters => new string(letters)),
        Gen.Char["abcd"].Array[0, 80].Select(letters => new string(letters)),
        Gen.Int[0, 200].Select(length => new string('a', length)));

    [Fact]
    public void Scan_and_heap_give_what_the_definition_gives() =>
        Gen.Select(Repetitive, Repetitive.Array[1, 4], Gen.Int[259, 300]).Sample((word, corpus, size) =>
        {
            var vocabulary = Texts.Train(size, corpus).Vocabulary;
            var merger = new BpeMerger(vocabulary);
            var bytes = System.Text.Encoding.ASCII.GetBytes(word);
            var expected = ByDefinition(vocabulary, bytes);
            Assert.Equal(expected, Run(bytes, merger.EncodeByHeap));
            if (bytes.Length <= BpeMerger.LongestScan) Assert.Equal(expected, Run(bytes, merger.EncodeByScan));
        }, iter: 500);

    [Fact]
    public void A_merge_of_low_rank_that_another_merge_makes_possible_goes_first()
    {
        // Hand-made ranks: 0 (ab, c), 1 (a, b), 2 (c, d). abcd: (a,b) leaves ab c d, and then (ab,c) precedes (c,d).
        var spellings = ByteAlphabet.InOrder.Select(value => (string?)ByteAlphabet.CharOf(value).ToString()).Concat(["ab", "abc", "cd"]).ToArray();
        int a = Array.IndexOf(spellings, "a"), b = a + 1, c = a + 2, d = a + 3;
        var vocabulary = new Vocabulary(spellings, [new Merge(256, c, 257), new Merge(a, b, 256), new Merge(c, d, 258)], []);
        var merger = new BpeMerger(vocabulary);
        Assert.Equal([257, d], Run("abcd"u8.ToArray(), merger.EncodeByScan));
        Assert.Equal([257, d], Run("abcd"u8.ToArray(), merger.EncodeByHeap));
    }

    [Fact]
    public void A_million_letters_in_one_word_are_encoded_like_any_other()
    {
        const int length = 1_000_000;
        var tokenizer = Texts.Train(259 + 6, new string('a', 64), new string('a', 64));     // a, aa, a⁴, … a⁶⁴
        var ids = tokenizer.Encode(new string('a', length));
        Assert.Equal(length / 64, ids.Length);
        Assert.All(ids, id => Assert.Equal(64, tokenizer.TokenBytes(id).Length));
    }

    private static int[] ByDefinition(Vocabulary vocabulary, byte[] word)
    {
        var rankOf = vocabulary.Merges.Index().ToDictionary(merge => (merge.Item.Left, merge.Item.Right), merge => merge.Index);
        var ids = word.Select(value => vocabulary.ByteIds[value]).ToList();
        while (true)
        {
            var (rank, at) = Enumerable.Range(0, Math.Max(0, ids.Count - 1))
                .Select(i => (Rank: rankOf.GetValueOrDefault((ids[i], ids[i + 1]), -1), At: i))
                .Where(candidate => candidate.Rank >= 0)
                .DefaultIfEmpty((-1, -1)).Min();
            if (rank < 0) return [.. ids];
            ids[at] = vocabulary.Merges[rank].Result;
            ids.RemoveAt(at + 1);
        }
    }

    private delegate void Encoder(ReadOnlySpan<byte> word, ref IdBuffer output);

    private static int[] Run(byte[] word, Encoder encode)
    {
        var output = new IdBuffer(0);
        encode(word, ref output);
        return output.ToArray();
    }
}

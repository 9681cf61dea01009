using CsCheck;

namespace Gpt35.Tokenization.Tests;

public class BpeTrainerTests
{
    [Fact]
    public void Merges_of_a_small_corpus_are_those_done_by_hand()
    {
        // Words: hug ×10, Ġpug ×5, Ġpun ×12, Ġbun ×4, Ġhugs ×5. Ids of the bytes: b 65, s 82, u 84, Ġ 220.
        //  u,g 20 · Ġ,p 17 · p,u 17 · u,n 16 · h,u 15 …             -> ug   256
        //  Ġ,p 17 · u,n 16 · h,ug 15 · p,u 12 …                     -> Ġp   257
        //  u,n 16 · h,ug 15 · Ġp,u 12 …                             -> un   258
        //  h,ug 15 · Ġp,un 12 …                                     -> hug  259
        //  Ġp,un 12 · Ġp,ug 5 · Ġ,hug 5 · hug,s 5 …                 -> Ġpun 260
        //  Ġ,hug 5 · Ġp,ug 5 · hug,s 5: a tie, left ids 220 257 259 -> Ġhug 261
        //  Ġp,ug 5 · Ġhug,s 5: left ids 257 261                     -> Ġpug 262, Ġhugs 263
        //  b,un 4 · Ġ,b 4: left ids 65 220                          -> bun  264, Ġbun 265
        var documents = Repeat("hug", 10).Concat(Repeat(" pug", 5)).Concat(Repeat(" pun", 12)).Concat(Repeat(" bun", 4)).Concat(Repeat(" hugs", 5));
        var vocabulary = Texts.Train(new BpeTrainerOptions { VocabSize = 1000 }, documents).Vocabulary;
        Assert.Equal(
            ["u g", "Ġ p", "u n", "h ug", "Ġp un", "Ġ hug", "Ġp ug", "Ġhug s", "b un", "Ġ bun"],
            vocabulary.Merges.Select(merge => $"{vocabulary.SpellingOf(merge.Left)} {vocabulary.SpellingOf(merge.Right)}"));
    }

    [Fact]
    public void Ids_are_bytes_then_merges_then_special_tokens()
    {
        var tokenizer = Texts.Train(300, Texts.Prose, Texts.Prose);
        Assert.Equal(300, tokenizer.VocabSize);
        Assert.Equal([0, 220, 188], tokenizer.EncodeBytes("!"u8).Concat(tokenizer.EncodeBytes(" "u8)).Concat(tokenizer.EncodeBytes([0])));
        Assert.Equal(Enumerable.Range(256, 41), tokenizer.Vocabulary.Merges.Select(merge => merge.Result));
        Assert.Equal([297, 298, 299], SpecialTokens.Default.Select(name => tokenizer.SpecialTokens[name]));
    }

    [Fact]
    public void Merges_are_those_of_recounting_everything_after_every_merge() =>
        Gen.Select(Gen.Char["aaabbc "].Array[0, 60].Select(letters => new string(letters)).Array[1, 6], Gen.Int[259, 320], Gen.Int[1, 4])
            .Sample((corpus, size, minFrequency) =>
            {
                var options = new BpeTrainerOptions { VocabSize = size, MinFrequency = minFrequency };
                var learned = Texts.Train(options, corpus).Vocabulary;
                var expected = ByRecounting(corpus, options);
                Assert.Equal(expected, learned.Merges.Select(merge => (learned.SpellingOf(merge.Left)!, learned.SpellingOf(merge.Right)!)));
            }, iter: 400);

    [Fact]
    public void The_order_of_documents_does_not_matter() =>
        Texts.AnyString.Array[1, 10].Sample(documents =>
        {
            var forward = Texts.Train(330, documents).Vocabulary.Merges;
            Assert.Equal(forward, Texts.Train(330, [.. documents.Reverse()]).Vocabulary.Merges);
        }, iter: 100);

    [Fact]
    public void Pairs_below_the_minimum_frequency_are_not_merged()
    {
        var tokenizer = Texts.Train(new BpeTrainerOptions { VocabSize = 400, MinFrequency = 3 }, "ab ab ab cd cd");
        Assert.Equal("ab| | |c|d", Texts.Cut(tokenizer, "ab  cd"));
    }

    [Fact]
    public void A_small_corpus_gives_a_small_vocabulary()
    {
        var tokenizer = Texts.Train(50_000, "abab");
        Assert.Equal(256 + 1 + 3, tokenizer.VocabSize);
        Assert.Equal(257, tokenizer.EndOfText);
    }

    [Fact]
    public void No_merge_spells_a_special_token()
    {
        var options = new BpeTrainerOptions { VocabSize = 400, SpecialTokens = ["stop", "Ġstop"] };
        var tokenizer = Texts.Train(options, Repeat(" stop stops", 50));
        Assert.DoesNotContain(tokenizer.Encode("stop stop stops"), tokenizer.SpecialTokens.Values.Contains);
        Assert.True(tokenizer.Encode("stop").Length > 1);
    }

    [Fact]
    public void An_empty_corpus_leaves_the_bytes() => Assert.Equal(259, Texts.Train(1000).VocabSize);

    [Fact]
    public void Progress_ends_at_the_size_reached()
    {
        var reports = new Reports();
        Texts.Train(new BpeTrainerOptions { VocabSize = 270, Progress = reports }, Texts.Prose);
        Assert.Equal(new BpeTrainingProgress(System.Text.Encoding.UTF8.GetByteCount(Texts.Prose), 270, 270), reports[^1]);
    }

    [Fact]
    public void Cancelling_stops_the_training()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => BpeTrainer.Train(["text"], new BpeTrainerOptions { VocabSize = 300 }, source.Token));
    }

    [Theory]
    [InlineData(258, 2, "<|a|>", "at least 259")]
    [InlineData(300, 0, "<|a|>", "Minimum frequency 0")]
    [InlineData(300, 2, "<|b|>", "\"<|b|>\" is listed twice")]
    [InlineData(300, 2, "a", "\"a\" cannot name a special token")]
    [InlineData(300, 2, "", "\"\" cannot name a special token")]
    public void Options_that_cannot_work_are_refused(int size, int minFrequency, string special, string message)
    {
        var options = new BpeTrainerOptions { VocabSize = size, MinFrequency = minFrequency, SpecialTokens = [special, "<|b|>", "<|c|>"] };
        var error = Assert.Throws<InvalidDataException>(() => Texts.Train(options));
        Assert.Contains(message, error.Message);
    }

    private static IEnumerable<string> Repeat(string document, int times) => Enumerable.Repeat(document, times);

    private sealed class Reports : List<BpeTrainingProgress>, IProgress<BpeTrainingProgress>
    {
        public void Report(BpeTrainingProgress value) => Add(value);
    }

    /// <summary>The definition: count all pairs of neighbours, merge the best everywhere from the left, start again.</summary>
    private static List<(string, string)> ByRecounting(string[] corpus, BpeTrainerOptions options)
    {
        var ids = ByteAlphabet.InOrder.Select((value, id) => (Spelling: ByteAlphabet.CharOf(value).ToString(), id)).ToDictionary();
        var words = corpus.SelectMany(Words).Select(word => word.Select(value => ByteAlphabet.CharOf(value).ToString()).ToList()).ToList();
        var merges = new List<(string, string)>();
        while (ids.Count < options.VocabSize - options.SpecialTokens.Count)
        {
            var best = words.SelectMany(word => word.Zip(word.Skip(1))).CountBy(pair => pair)
                .Where(pair => pair.Value >= options.MinFrequency)
                .OrderByDescending(pair => pair.Value).ThenBy(pair => ids[pair.Key.First]).ThenBy(pair => ids[pair.Key.Second])
                .Select(pair => pair.Key).FirstOrDefault();
            if (best.First is null) break;
            if (!merges.Contains(best)) merges.Add(best);
            ids.TryAdd(best.First + best.Second, ids.Count);
            foreach (var word in words)
            {
                for (var i = 0; i + 1 < word.Count; i++)
                {
                    if ((word[i], word[i + 1]) != best) continue;
                    word[i] += word[i + 1];
                    word.RemoveAt(i + 1);
                }
            }
        }
        return merges;
    }

    private static IEnumerable<byte[]> Words(string text)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        for (int start = 0, end; start < bytes.Length; start = end)
        {
            end = Gpt2Splitter.NextEnd(bytes, start);
            yield return bytes[start..end];
        }
    }
}

using CsCheck;
using Gpt35.Data.TinyWorld;

namespace Gpt35.Data.Tests;

public class NearDuplicateTests
{
    [Theory]
    [InlineData("The cat sat, on the MAT!", "the cat sat on the mat")]
    [InlineData("don't — 3.14 Ünïté", "don t 3 14 ünïté")]
    [InlineData("汉字 and かな", "汉 字 and か な")]
    [InlineData("a\u0301b 𝔘𝔫 𠀀x", "a\u0301b 𝔘𝔫 𠀀 x")]
    [InlineData(" ,.! \n", "")]
    public void Words_are_lower_case_runs_of_letters_marks_and_digits(string text, string words) => Assert.Equal(words, new NormalizedWords(text).Text);

    [Fact]
    public void The_jaccard_index_of_worked_examples()
    {
        // Runs of two words: {the cat, cat sat, sat on, on the, the mat} and {the cat, cat sat, sat on, on the, the rug}: 4 of 6.
        var pairs = new Shingling(2);
        Assert.Equal(4.0 / 6, Shingling.Jaccard(pairs.Of("The cat sat on the mat."), pairs.Of("the cat sat on the rug")), 12);
        // Runs of three characters: {abc, bcd, cde} and {abc, bcx}: 1 of 4.
        var threes = new Shingling(3, Characters: true);
        Assert.Equal(1.0 / 4, Shingling.Jaccard(threes.Of("abcde"), threes.Of("ABCX")), 12);
        // "a b a b a" has the runs {a b, b a}, each once.
        Assert.Equal(2, pairs.Of("a b a b a").Length);
        Assert.Equal(1, Shingling.Jaccard(pairs.Of("short"), pairs.Of("Short!")));
        Assert.Equal(0, Shingling.Jaccard(pairs.Of("!!!"), pairs.Of("???")));
        Assert.Equal(1, Shingling.Jaccard(pairs.Of("!!!"), pairs.Of("!!!")));
    }

    [Fact]
    public void A_signature_is_the_smallest_value_of_each_function()
    {
        // h1(x) = x, h2(x) = 3x + 1, h3(x) = −x (mod 2^64), over {5, 2, 9}.
        var hash = new MinHash([1, 3, ulong.MaxValue], [0, 1, 0]);
        Assert.Equal([2, 7, ulong.MaxValue - 8], hash.Signature([5, 2, 9]));
    }

    [Fact]
    public void Signatures_agree_as_often_as_the_sets_overlap()
    {
        var random = new SeededRandom(11);
        var hash = new MinHash(4096, seed: 3);
        foreach (var shared in (int[])[5, 20, 50, 90])
        {
            ulong[] Set(IEnumerable<ulong> common) => [.. common.Concat(Enumerable.Range(0, 100 - shared).Select(_ => random.NextUInt64()))];
            ulong[] common = [.. Enumerable.Range(0, shared).Select(_ => random.NextUInt64())];
            var (a, b) = (hash.Signature(Set(common)), hash.Signature(Set(common)));
            var jaccard = shared / (200.0 - shared);
            var agree = a.Zip(b).Count(pair => pair.First == pair.Second) / 4096.0;
            Assert.Equal(jaccard, agree, 5 * Math.Sqrt(jaccard * (1 - jaccard) / 4096));
        }
    }

    [Fact]
    public void Bands_are_the_most_selective_that_keep_the_promise_at_the_threshold()
    {
        Assert.Equal(new LshBands(18, 7), new NearDuplicateOptions().Bands);
        Assert.Equal(1 - Math.Pow(1 - Math.Pow(0.8, 7), 18), new LshBands(18, 7).ProbabilityAt(0.8), 12);
        Gen.Select(Gen.Double[0.05, 1], Gen.Int[16, 256]).Sample((threshold, functions) =>
        {
            var bands = LshBands.For(threshold, functions, 0.95);
            Assert.InRange(bands.Bands * bands.Rows, 1, functions);
            Assert.True(bands.Rows == 1 || bands.ProbabilityAt(threshold) >= 0.95);
            Assert.True(bands.Rows == functions || new LshBands(functions / (bands.Rows + 1), bands.Rows + 1).ProbabilityAt(threshold) < 0.95);
        }, iter: 200);
    }

    [Theory]
    [InlineData(0.60)]
    [InlineData(0.80)]
    [InlineData(0.90)]
    public void Pairs_share_a_band_with_the_documented_probability(double jaccard)
    {
        var bands = new NearDuplicateOptions().Bands;
        var random = new SeededRandom(7);
        const int Trials = 2000, Either = 200;
        var both = (int)Math.Round(jaccard * Either);
        var hits = 0;
        for (var trial = 0; trial < Trials; trial++)
        {
            var hash = new MinHash(bands.Bands * bands.Rows, (ulong)trial);
            ulong[] all = [.. Enumerable.Range(0, Either).Select(_ => random.NextUInt64())];
            var only = (Either - both) / 2;
            var a = hash.Signature(all.AsSpan(0, both + only));
            var b = hash.Signature([.. all[..both], .. all[(both + only)..]]);
            if (bands.Keys(a).Intersect(bands.Keys(b)).Any()) hits++;
        }
        var promised = bands.ProbabilityAt(jaccard);
        Assert.Equal(promised, hits / (double)Trials, 5 * Math.Sqrt(promised * (1 - promised) / Trials));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Texts of a few words, many of them variations of one another.</summary>
    private static readonly Gen<List<string>> Texts = Gen.Select(Gen.Int[0, 5].Array[1, 12], Gen.Int[0, 3]).Select((words, noise) =>
        string.Join(' ', words.Select(word => $"w{word}")) + (noise == 0 ? " x" : "")).List[0, 40];

    [Fact]
    public void With_every_pair_compared_the_result_is_that_of_brute_force() => Texts.Sample(texts =>
    {
        // One row per band: whatever has a shingle in 256 functions' minimum in common is compared, so misses are practically excluded at this likeness.
        var options = new NearDuplicateOptions { Threshold = 0.5, Shingles = new Shingling(2), Functions = 256, Recall = 1 - 1e-12 };
        var sets = texts.ConvertAll(options.Shingles.Of);
        var kept = new List<int>();
        var expected = new List<NearDuplicate>();
        for (var i = 0; i < texts.Count; i++)
        {
            var best = kept.Select(j => (Index: j, Jaccard: Shingling.Jaccard(sets[i], sets[j]))).Where(other => other.Jaccard >= 0.5)
                .OrderByDescending(other => other.Jaccard).ThenBy(other => other.Index).FirstOrDefault((Index: -1, Jaccard: 0.0));
            if (best.Index >= 0) expected.Add(new NearDuplicate(i, best.Index, best.Jaccard));
            else kept.Add(i);
        }
        Assert.Equal(expected, NearDuplicates.Find(() => texts, options, Cancel));
    }, iter: 100);

    [Fact]
    public void A_changed_word_in_a_long_text_is_found_and_another_answer_to_the_same_question_is_not()
    {
        var text = string.Join(' ', Enumerable.Range(0, 200).Select(i => $"word{i}"));
        var found = Assert.Single(NearDuplicates.Find(() => [text, "something else", text.Replace("word100 ", "other ")], new NearDuplicateOptions(), Cancel));
        Assert.Equal((2, 0), (found.Index, found.Original));
        Assert.Equal(191 / 201.0, found.Jaccard, 12);                    // 196 runs each, 5 of them changed
        IReadOnlyList<string>[] rows = [[text, "yes"], [text, "no"], [text + " indeed", "Yes."]];
        Assert.Equal(2, Assert.Single(NearDuplicates.Find(() => rows, new NearDuplicateOptions(), Cancel)).Index);
    }

    [Fact]
    public void A_third_that_is_like_only_the_dropped_one_is_kept()
    {
        string Words(int from, int to) => string.Join(' ', Enumerable.Range(from, to - from).Select(i => $"w{i}"));
        // Runs of one word: 0–100 and 10–110 share 90 of 110 (0.818); 10–110 and 20–120 likewise; 0–100 and 20–120 share 80 of 120.
        var options = new NearDuplicateOptions { Shingles = new Shingling(1) };
        Assert.Equal([1], NearDuplicates.Find(() => [Words(0, 100), Words(10, 110), Words(20, 120)], options, Cancel).Select(found => found.Index));
    }

    [Fact]
    public void Exact_duplicates_name_the_first_of_them()
    {
        var seen = new ExactDuplicates();
        Assert.Equal([null, null, 0, null, 1, 0], ((string[])["a", "b", "a", "A", "b", "a"]).Select(seen.Add));
    }

    [Fact]
    public void Cancelling_stops_the_search()
    {
        using var cancel = new CancellationTokenSource();
        cancel.Cancel();
        Assert.Throws<OperationCanceledException>(() => NearDuplicates.Find(() => ["a"], new NearDuplicateOptions(), cancel.Token));
    }
}

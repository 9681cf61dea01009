using CsCheck;
using Gpt35.Inference.Speculation;

namespace Gpt35.Inference.Tests.Speculation;

public sealed class PromptLookupTests
{
    private static int[] Guess(PromptLookup lookup, int[] text, int most)
    {
        var guess = new int[most];
        return guess[..lookup.Guess(text, guess)];
    }

    [Fact]
    public void What_followed_the_end_of_the_text_before_is_guessed()
    {
        var lookup = new PromptLookup();
        Assert.Equal([4, 5, 6], Guess(lookup, [1, 2, 3, 4, 5, 6, 7, 2, 3], 3));
        Assert.Equal([9, 1], Guess(lookup, [2, 3, 4, 3, 9, 1, 3], 2));                      // of places alike, the last
        Assert.Equal([4, 8], Guess(lookup, [1, 2, 3, 4, 8, 3, 9, 1, 2, 3], 2));             // the longer match before the later one
        Assert.Equal([7, 5, 6, 7, 5], Guess(lookup, [5, 6, 7, 5, 6], 5));                   // what repeats itself goes on
        Assert.Equal([5, 5, 5], Guess(lookup, [5, 5], 3));
        Assert.Empty(Guess(lookup, [1, 2, 3], 3));
        Assert.Empty(Guess(lookup, [1], 3));
        Assert.Empty(Guess(lookup, [], 3));
        Assert.Empty(Guess(lookup with { ShortestMatch = 2 }, [1, 3, 2, 3], 3));
    }

    /// <summary>Against the definition: for n from the longest down, the last place before the end where the last n tokens stand.</summary>
    [Fact]
    public void It_finds_the_last_place_of_the_longest_match_within_the_window()
    {
        Gen.Select(Gen.Int[0, 3].Array[1, 40], Gen.Int[1, 4], Gen.Int[5, 45], Gen.Int[1, 6]).Sample((text, longest, window, most) =>
        {
            var seen = text[Math.Max(0, text.Length - window)..];
            int[] expected = [];
            for (var n = longest; n > 0 && expected.Length == 0; n--)
                for (var end = seen.Length - 1; end >= n && expected.Length == 0; end--)
                    if (seen.AsSpan(end - n, n).SequenceEqual(seen.AsSpan(Math.Max(0, seen.Length - n))))
                    {
                        List<int> goesOn = [.. seen];
                        while (goesOn.Count < seen.Length + most) goesOn.Add(goesOn[goesOn.Count - (seen.Length - end)]);
                        expected = [.. goesOn.Skip(seen.Length)];
                    }
            // Where the match stands before the end, what followed it there is what comes; past the end, it repeats.
            for (var i = 0; i < expected.Length; i++) Assert.InRange(expected[i], 0, 3);
            Assert.Equal(expected, Guess(new PromptLookup { LongestMatch = longest, Window = window }, text, most));
        }, iter: 5000);
    }

    [Fact]
    public void A_guess_allocates_nothing()
    {
        var (text, guess, lookup) = (Enumerable.Range(0, 5000).Select(i => i * i % 97).ToArray(), new int[8], new PromptLookup());
        lookup.Guess(text, guess);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 1; i < 200; i++) lookup.Guess(text.AsSpan(0, 25 * i), guess);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    /// <summary>Against the best ratio of expected tokens, counted one by one, to cost.</summary>
    [Fact]
    public void The_length_of_a_guess_is_the_one_that_pays_most()
    {
        Gen.Select(Gen.Double[0, 1], Gen.Double[0.01, 0.9], Gen.Int[1, 12]).Sample((rate, cost, most) =>
        {
            var chosen = new GuessLength(rate).Next(cost, most);
            for (var other = 0; other <= most; other++) Assert.True(Worth(chosen) >= Worth(other) - 1e-12);

            double Worth(int count) => Enumerable.Range(0, count + 1).Sum(i => Math.Pow(rate, i)) / (1 + cost * count);
        });
    }

    [Fact]
    public void Guesses_that_are_never_right_become_rare_and_come_back_when_they_are()
    {
        var length = new GuessLength(GuessLength.FirstRate);
        int guessed = 0, passes = 0;
        for (; passes < 1000; passes++)
        {
            var next = length.Next(0.3, 8);
            guessed += next;
            length.Learn(0, missed: next > 0);
        }
        Assert.InRange(guessed, 8, 50);
        for (passes = 0; passes < 1000; passes++) length.Learn(length.Next(0.3, 8), missed: false);
        Assert.Equal(8, length.Next(0.3, 8));
    }
}

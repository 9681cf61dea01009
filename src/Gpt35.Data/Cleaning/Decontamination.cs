namespace Gpt35.Data;

/// <summary>Words that a text has in common with a test.</summary>
/// <param name="Words">The words, in lower case without punctuation.</param>
/// <param name="Test">Where the test has them.</param>
public readonly record struct Overlap(string Words, string Test);

/// <summary>
/// Finds texts that share a run of words with test data (Brown et al. 2020, appendix C: runs of 13 words, of 8 where a test is short). Words are compared in lower case without
/// punctuation (<see cref="NormalizedWords"/>). Hits of the hash are verified word by word, so none is found that is not there and none is missed.
/// Memory: about 70 bytes per word of the tests; nothing for the texts that are looked at.
/// </summary>
/// <param name="words">Length of the runs n.</param>
/// <param name="shortest">A test of fewer words than n, but at least this many, is looked for as a whole; one with fewer still is ignored, because it occurs by chance.</param>
public sealed class Decontamination(int words = Decontamination.DefaultWords, int shortest = Decontamination.DefaultShortest)
{
    public const int DefaultWords = 13, DefaultShortest = 8;

    private readonly List<(NormalizedWords Words, string Place)> tests = [];
    private readonly SortedDictionary<int, Dictionary<ulong, (int Test, int First)>> runs = new(Comparer<int>.Create((a, b) => b.CompareTo(a)));    // by length in words, longest first, then by hash

    /// <summary>Tests that were too short to look for.</summary>
    public int Ignored { get; private set; }

    /// <summary>Adds a test.</summary>
    /// <param name="text">Its text.</param>
    /// <param name="place">Where it stands, for messages.</param>
    public void AddTest(string text, string place)
    {
        var test = new NormalizedWords(text);
        var length = Math.Min(words, test.Count);
        if (length < Math.Max(1, Math.Min(shortest, words)))
        {
            Ignored++;
            return;
        }
        tests.Add((test, place));
        if (!runs.TryGetValue(length, out var table)) runs.Add(length, table = []);
        for (var first = 0; first + length <= test.Count; first++)
            if (Lookup(table, test, first, length, out var free) is null) table.Add(free, (tests.Count - 1, first));

    }

    /// <summary>The first run of words that a text shares with a test, the longest runs looked for first; null where there is none.</summary>
    public Overlap? Find(string text)
    {
        if (runs.Count == 0) return null;
        var found = new NormalizedWords(text);
        foreach (var (length, table) in runs)
            for (var first = 0; first + length <= found.Count; first++)
                if (Lookup(table, found, first, length, out _) is { } place) return new Overlap(found.Gram(first, length).ToString(), tests[place.Test].Place);
        return null;
    }

    /// <summary>Where a table has a run of words; null where it does not, and then the free key for it. Another run of the same hash takes the next key.</summary>
    private (int Test, int First)? Lookup(Dictionary<ulong, (int Test, int First)> table, NormalizedWords words, int first, int length, out ulong key)
    {
        for (key = words.Hash(first, length); table.TryGetValue(key, out var place); key++)
            if (tests[place.Test].Words.Gram(place.First, length).SequenceEqual(words.Gram(first, length))) return place;
        return null;
    }
}

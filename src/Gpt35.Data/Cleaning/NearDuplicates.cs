namespace Gpt35.Data;

/// <summary>How alike two texts must be to count as one, and how hard to look. Defaults: Lee et al. 2022 (runs of 5 words, Jaccard 0.8) unless noted.</summary>
public sealed record NearDuplicateOptions
{
    /// <summary>What likeness is measured on.</summary>
    public Shingling Shingles { get; init; } = new(5);

    /// <summary>Jaccard index of the runs from which two texts count as one; above 0, at most 1.</summary>
    public double Threshold { get; init; } = 0.8;

    /// <summary>MinHash functions; more find more and take longer.</summary>
    public int Functions { get; init; } = 128;

    /// <summary>Least probability with which a pair just at the threshold is found; more alike pairs are found more surely.</summary>
    public double Recall { get; init; } = 0.95;

    /// <summary>Fixes the functions.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Threads at a time; 0: all cores.</summary>
    public int Threads { get; init; }

    /// <summary>The bands that follow from the other settings: 18 of 7 rows at the defaults.</summary>
    public LshBands Bands => LshBands.For(Threshold, Functions, Recall);
}

/// <summary>A text that nearly repeats an earlier one.</summary>
/// <param name="Index">Its place, from 0.</param>
/// <param name="Original">The earlier text, which is kept.</param>
/// <param name="Jaccard">How alike they are.</param>
public readonly record struct NearDuplicate(int Index, int Original, double Jaccard);

/// <summary>
/// Near-duplicates by MinHash and banding, every hit verified with the exact Jaccard index of the shingles. A text is a duplicate when a text before it, itself no duplicate, is at least as alike
/// as the threshold; so what remains holds no such pair, but for those that banding misses (<see cref="LshBands.ProbabilityAt"/>).
/// A text may consist of parts, such as a question and its answer; then all parts have to be alike, because the same question with another answer is no duplicate.
/// The texts are read twice. Memory: up to 24 bytes per band and text (432 at the defaults) while looking, and 8 per distinct shingle of the texts that share a band with another and are kept.
/// </summary>
public static class NearDuplicates
{
    private const int Batch = 1024;

    /// <param name="texts">The texts from the start, each in its parts; called twice and has to give the same.</param>
    /// <param name="options">What counts as a duplicate.</param>
    /// <param name="cancel">Stops.</param>
    public static IReadOnlyList<NearDuplicate> Find(Func<IEnumerable<IReadOnlyList<string>>> texts, NearDuplicateOptions options, CancellationToken cancel = default)
    {
        var bands = options.Bands;
        var keys = BandKeys(texts(), options, bands, cancel);
        var shared = Repeated(keys);
        var buckets = shared.ToDictionary(key => key, _ => new List<(int Index, ulong[][] Shingles)>());
        var found = new List<NearDuplicate>();
        var candidates = texts().Index().Where(text => KeysOf(text.Index).Any(shared.Contains));
        foreach (var batch in candidates.Chunk(Batch))
        {
            cancel.ThrowIfCancellationRequested();
            foreach (var (index, shingles) in InParallel.Map(batch, options.Threads, text => (text.Index, ShinglesOf(text.Item, options))))
            {
                var mine = KeysOf(index).Where(shared.Contains).ToList();
                if (MostAlike(mine.SelectMany(key => buckets[key]).DistinctBy(text => text.Index), shingles) is { } original && original.Jaccard >= options.Threshold)
                    found.Add(new NearDuplicate(index, original.Index, original.Jaccard));
                else foreach (var key in mine) buckets[key].Add((index, shingles));
            }
        }
        return found;

        ArraySegment<ulong> KeysOf(int index) => new(keys, index * bands.Bands, bands.Bands);
    }

    /// <summary>As <see cref="Find(Func{IEnumerable{IReadOnlyList{string}}}, NearDuplicateOptions, CancellationToken)"/>, for texts of one part.</summary>
    public static IReadOnlyList<NearDuplicate> Find(Func<IEnumerable<string>> texts, NearDuplicateOptions options, CancellationToken cancel = default) =>
        Find(() => texts().Select(text => (IReadOnlyList<string>)[text]), options, cancel);

    /// <summary>How alike the least alike parts are; 0 where the numbers of parts differ.</summary>
    private static double Jaccard(ulong[][] a, ulong[][] b)
    {
        if (a.Length != b.Length) return 0;
        var least = 1.0;
        for (var i = 0; i < a.Length && least > 0; i++) least = Math.Min(least, Shingling.Jaccard(a[i], b[i]));
        return least;
    }

    private static (int Index, double Jaccard)? MostAlike(IEnumerable<(int Index, ulong[][] Shingles)> kept, ulong[][] shingles)
    {
        (int Index, double Jaccard)? best = null;
        foreach (var (index, other) in kept)
            if (Jaccard(shingles, other) is var jaccard && (best is null || jaccard > best.Value.Jaccard || (jaccard == best.Value.Jaccard && index < best.Value.Index))) best = (index, jaccard);
        return best;
    }

    private static ulong[][] ShinglesOf(IReadOnlyList<string> parts, NearDuplicateOptions options) => [.. parts.Select(options.Shingles.Of)];

    /// <summary>The band keys of each text, one text after another.</summary>
    private static ulong[] BandKeys(IEnumerable<IReadOnlyList<string>> texts, NearDuplicateOptions options, LshBands bands, CancellationToken cancel)
    {
        var hash = new MinHash(bands.Bands * bands.Rows, options.Seed);
        var keys = new List<ulong>();
        foreach (var batch in texts.Chunk(Batch))
        {
            cancel.ThrowIfCancellationRequested();
            foreach (var signature in InParallel.Map(batch, options.Threads, parts => hash.Signature(ShinglesOf(parts, options)))) keys.AddRange(bands.Keys(signature));
        }
        return [.. keys];
    }

    /// <summary>The keys that occur more than once.</summary>
    private static HashSet<ulong> Repeated(ulong[] keys)
    {
        var sorted = (ulong[])keys.Clone();
        Array.Sort(sorted);
        var repeated = new HashSet<ulong>();
        for (var i = 1; i < sorted.Length; i++)
            if (sorted[i] == sorted[i - 1]) repeated.Add(sorted[i]);
        return repeated;
    }
}

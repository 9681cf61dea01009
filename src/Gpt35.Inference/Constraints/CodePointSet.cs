using System.Text;

namespace Gpt35.Inference.Constraints;

/// <summary>A set of Unicode code points as disjoint ranges by rising value, ends included. Surrogates, which no UTF-8 can hold, are never in it.</summary>
internal sealed class CodePointSet
{
    public const int Last = 0x10FFFF;

    public static readonly CodePointSet All = new([(0, Last)]);

    private CodePointSet(IEnumerable<(int Low, int High)> ranges) => Ranges = Normalise(ranges);

    public IReadOnlyList<(int Low, int High)> Ranges { get; }

    public bool IsEmpty => Ranges.Count == 0;

    public static CodePointSet Of(int codePoint) => new([(codePoint, codePoint)]);

    public static CodePointSet Range(int low, int high) => new([(low, high)]);

    /// <summary>The characters of a text.</summary>
    public static CodePointSet Of(string characters) => new(characters.EnumerateRunes().Select(rune => (rune.Value, rune.Value)));

    public CodePointSet Union(CodePointSet other) => new(Ranges.Concat(other.Ranges));

    public CodePointSet Except(CodePointSet other) => other.Negate().Intersect(this);

    public CodePointSet Intersect(CodePointSet other) => new(
        from a in Ranges
        from b in other.Ranges
        let low = Math.Max(a.Low, b.Low)
        let high = Math.Min(a.High, b.High)
        where low <= high
        select (low, high));

    public CodePointSet Negate()
    {
        var gaps = new List<(int, int)>();
        var next = 0;
        foreach (var (low, high) in Ranges)
        {
            if (low > next) gaps.Add((next, low - 1));
            next = high + 1;
        }
        if (next <= Last) gaps.Add((next, Last));
        return new CodePointSet(gaps);
    }

    public bool Contains(int codePoint) => Ranges.Any(range => range.Low <= codePoint && codePoint <= range.High);

    /// <summary>The set in UTF-8: each item is a range of values for each byte of a sequence, and covers exactly the code points between its ends (Cox 2010, "UTF-8 ranges").</summary>
    public IEnumerable<(byte Low, byte High)[]> Utf8()
    {
        var work = new Stack<(int Low, int High)>(Ranges.Reverse());
        while (work.TryPop(out var range))
        {
            if (CutPoint(range.Low, range.High) is { } cut)
            {
                work.Push((cut, range.High));
                work.Push((range.Low, cut - 1));
                continue;
            }
            byte[] low = Bytes(range.Low), high = Bytes(range.High);
            yield return [.. low.Zip(high)];
        }
    }

    /// <summary>Where a range must be cut so that its bytes vary independently; null where they do.</summary>
    private static int? CutPoint(int low, int high)
    {
        foreach (var border in (int[])[0x80, 0x800, 0x10000])
            if (low < border && high >= border) return border;
        for (var bits = 6; bits <= 18; bits += 6)
        {
            var mask = (1 << bits) - 1;
            if (high < 0x80 || (low & ~mask) == (high & ~mask)) continue;
            if ((low & mask) != 0) return (low | mask) + 1;
            if ((high & mask) != mask) return high & ~mask;
        }
        return null;
    }

    private static byte[] Bytes(int codePoint) => Encoding.UTF8.GetBytes(new Rune(codePoint).ToString());

    private static List<(int Low, int High)> Normalise(IEnumerable<(int Low, int High)> ranges)
    {
        var sorted = ranges.SelectMany(WithoutSurrogates).OrderBy(range => range.Low);
        var merged = new List<(int Low, int High)>();
        foreach (var range in sorted)
            if (merged.Count > 0 && range.Low <= merged[^1].High + 1) merged[^1] = (merged[^1].Low, Math.Max(merged[^1].High, range.High));
            else merged.Add(range);
        return merged;
    }

    private static IEnumerable<(int Low, int High)> WithoutSurrogates((int Low, int High) range)
    {
        if (range.Low <= Math.Min(range.High, 0xD7FF)) yield return (range.Low, Math.Min(range.High, 0xD7FF));
        if (Math.Max(range.Low, 0xE000) <= range.High) yield return (Math.Max(range.Low, 0xE000), range.High);
    }
}

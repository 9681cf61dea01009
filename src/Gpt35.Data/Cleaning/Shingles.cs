namespace Gpt35.Data;

/// <summary>What the likeness of two texts is measured on: all runs of <paramref name="Size"/> words, or characters, of the text in lower case without punctuation.</summary>
/// <param name="Size">Words or characters of a run; a shorter text is one run.</param>
/// <param name="Characters">Characters (UTF-16 units of the words joined by blanks) instead of words.</param>
public readonly record struct Shingling(int Size, bool Characters = false)
{
    /// <summary>The runs of a text as distinct 64-bit hashes in ascending order; a text with neither letter nor digit is one run as it stands.</summary>
    public ulong[] Of(string text)
    {
        var words = new NormalizedWords(text);
        if (words.Count == 0) return [NormalizedWords.Hash(text)];
        var all = Characters ? OfCharacters(words.Text) : OfWords(words);
        Array.Sort(all);
        return Distinct(all);
    }

    private ulong[] OfWords(NormalizedWords words)
    {
        var size = Math.Min(Size, words.Count);
        var hashes = new ulong[words.Count - size + 1];
        for (var i = 0; i < hashes.Length; i++) hashes[i] = words.Hash(i, size);
        return hashes;
    }

    private ulong[] OfCharacters(string text)
    {
        var size = Math.Min(Size, text.Length);
        var hashes = new ulong[text.Length - size + 1];
        for (var i = 0; i < hashes.Length; i++) hashes[i] = NormalizedWords.Hash(text.AsSpan(i, size));
        return hashes;
    }

    private static ulong[] Distinct(ulong[] sorted)
    {
        var kept = 1;
        for (var i = 1; i < sorted.Length; i++)
            if (sorted[i] != sorted[kept - 1]) sorted[kept++] = sorted[i];
        return sorted[..kept];
    }

    /// <summary>|A ∩ B| / |A ∪ B| of two sets in ascending order; 0 where both are empty.</summary>
    public static double Jaccard(ReadOnlySpan<ulong> a, ReadOnlySpan<ulong> b)
    {
        int i = 0, j = 0, both = 0;
        while (i < a.Length && j < b.Length)
        {
            if (a[i] == b[j])
            {
                both++;
                i++;
                j++;
            }
            else if (a[i] < b[j]) i++;
            else j++;
        }
        var either = a.Length + b.Length - both;
        return either == 0 ? 0 : (double)both / either;
    }
}

using System.Globalization;
using System.Numerics;
using System.Text;

namespace Gpt35.Data;

/// <summary>
/// A text as it is compared with others: its words in lower case, one blank between them. A word is a run of letters, combining marks and digits; every other
/// character separates (Brown et al. 2020, appendix C, ignore punctuation and case likewise). Scripts written without blanks (Han, Hiragana, Katakana) count each character as a word.
/// </summary>
internal sealed class NormalizedWords
{
    private const ulong Odd = 0x9E3779B97F4A7C15;

    private readonly List<(int Start, int End, ulong Hash)> words = [];

    public NormalizedWords(string text)
    {
        var normalized = new StringBuilder(text.Length + 1);
        var start = -1;
        ulong hash = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            var (isWord, alone) = (IsWordPart(rune), IsWordAlone(rune.Value));
            if (start >= 0 && (!isWord || alone)) EndWord();
            if (!isWord) continue;
            if (start < 0)
            {
                if (normalized.Length > 0) normalized.Append(' ');
                (start, hash) = (normalized.Length, Odd);
            }
            var lower = Rune.ToLowerInvariant(rune);
            normalized.Append(lower);
            hash = Combine(hash, (ulong)lower.Value);
            if (alone) EndWord();
        }
        if (start >= 0) EndWord();
        Text = normalized.ToString();

        void EndWord()
        {
            words.Add((start, normalized.Length, hash));
            start = -1;
        }
    }

    /// <summary>All words, joined.</summary>
    public string Text { get; }

    /// <summary>Number of words.</summary>
    public int Count => words.Count;

    /// <summary>Words <paramref name="first"/> … <paramref name="first"/> + <paramref name="count"/> − 1 as text.</summary>
    public ReadOnlySpan<char> Gram(int first, int count) => Text.AsSpan()[words[first].Start..words[first + count - 1].End];

    /// <summary>64-bit hash of those words; the same words have the same hash in every text.</summary>
    public ulong Hash(int first, int count)
    {
        ulong hash = 0;
        for (var i = first; i < first + count; i++) hash = Combine(hash, words[i].Hash);
        return Finish(hash);
    }

    /// <summary>64-bit hash of characters.</summary>
    public static ulong Hash(ReadOnlySpan<char> characters)
    {
        ulong hash = 0;
        foreach (var character in characters) hash = Combine(hash, character);
        return Finish(hash);
    }

    private static ulong Combine(ulong hash, ulong next) => (BitOperations.RotateLeft(hash, 29) ^ next) * Odd;

    /// <summary>The finaliser of SplitMix64 (Steele et al. 2014): every bit depends on every bit.</summary>
    private static ulong Finish(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    private static bool IsWordPart(Rune rune) => Rune.IsLetterOrDigit(rune) || Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    private static bool IsWordAlone(int value) =>
        value is (>= 0x3041 and <= 0x30FF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x4E00 and <= 0x9FFF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x20000 and <= 0x3134F);
}

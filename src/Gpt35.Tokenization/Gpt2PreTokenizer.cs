using System.Globalization;
using System.Text;

namespace Gpt35.Tokenization;

/// <summary>
/// Cuts UTF-8 text into the words inside which merges happen, exactly as GPT-2's pattern
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c> does over code points
/// (openai/gpt-2, encoder.py). A byte that is not part of valid UTF-8 counts as a symbol, neither letter, number nor space.
/// </summary>
internal static class Gpt2PreTokenizer
{
    private enum Kind : byte { Symbol, Letter, Number, Space }

    private static readonly Kind[] BasicPlane = ClassifyBasicPlane();

    /// <summary>End of the word that begins at <paramref name="start"/>; <paramref name="start"/> is a position of <paramref name="text"/>.</summary>
    public static int NextEnd(ReadOnlySpan<byte> text, int start)
    {
        var first = text[start];
        if (first == '\'' && ContractionLength(text[(start + 1)..]) is var suffix and > 0) return start + 1 + suffix;
        var body = first == ' ' && start + 1 < text.Length ? start + 1 : start;
        var kind = KindAt(text, body, out var length);
        return kind == Kind.Space ? WhitespaceEnd(text, start) : RunEnd(text, body + length, kind);
    }

    private static int ContractionLength(ReadOnlySpan<byte> afterApostrophe)
    {
        if (afterApostrophe.IsEmpty) return 0;
        switch (afterApostrophe[0])
        {
            case (byte)'s' or (byte)'t' or (byte)'m' or (byte)'d': return 1;
            case (byte)'r' or (byte)'v': return afterApostrophe.Length > 1 && afterApostrophe[1] == 'e' ? 2 : 0;
            case (byte)'l': return afterApostrophe.Length > 1 && afterApostrophe[1] == 'l' ? 2 : 0;
            default: return 0;
        }
    }

    private static int RunEnd(ReadOnlySpan<byte> text, int position, Kind kind)
    {
        while (position < text.Length && KindAt(text, position, out var length) == kind) position += length;
        return position;
    }

    /// <summary>White space keeps all but its last character when a word follows, so that the word can take a leading space.</summary>
    private static int WhitespaceEnd(ReadOnlySpan<byte> text, int start)
    {
        int last = start, end = start;
        while (end < text.Length && KindAt(text, end, out var length) == Kind.Space)
        {
            last = end;
            end += length;
        }
        return end < text.Length && last > start ? last : end;
    }

    private static Kind KindAt(ReadOnlySpan<byte> text, int position, out int length)
    {
        var b = text[position];
        if (b < 0x80)
        {
            length = 1;
            return BasicPlane[b];
        }
        // On invalid input the decoder yields U+FFFD, itself a symbol, and skips only bytes that could not start anything else.
        Rune.DecodeFromUtf8(text[position..], out var rune, out length);
        return rune.IsBmp ? BasicPlane[rune.Value] : Classify(rune.Value);
    }

    private static Kind[] ClassifyBasicPlane()
    {
        var kinds = new Kind[0x10000];
        for (var i = 0; i < kinds.Length; i++) kinds[i] = Classify(i);
        return kinds;
    }

    private static Kind Classify(int codePoint)
    {
        if (codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint)) return Kind.Space;
        return CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Kind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
            _ => Kind.Symbol,
        };
    }
}

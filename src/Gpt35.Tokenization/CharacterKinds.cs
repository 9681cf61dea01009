using System.Globalization;
using System.Text;

namespace Gpt35.Tokenization;

/// <summary>What the splitting patterns distinguish: <c>\p{L}</c>, <c>\p{N}</c>, <c>\s</c>, and everything else.</summary>
internal enum CharacterKind : byte { Symbol, Letter, Number, Space }

/// <summary>
/// Kinds of the characters of UTF-8 text. They are kinds of code points, as tiktoken's and Hugging Face's patterns see them: a letter
/// beyond the basic plane is a letter. A byte that is not part of valid UTF-8 counts as a symbol.
/// </summary>
internal static class CharacterKinds
{
    private static readonly CharacterKind[] BasicPlane = ClassifyBasicPlane();

    /// <summary>Kind of the character that begins at <paramref name="position"/>, and its length in bytes.</summary>
    public static CharacterKind At(ReadOnlySpan<byte> text, int position, out int length)
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

    /// <summary>End of the characters of one kind that begin at <paramref name="position"/>, which may be the end of the text.</summary>
    public static int RunEnd(ReadOnlySpan<byte> text, int position, CharacterKind kind)
    {
        while (position < text.Length && At(text, position, out var length) == kind) position += length;
        return position;
    }

    private static CharacterKind[] ClassifyBasicPlane()
    {
        var kinds = new CharacterKind[0x10000];
        for (var i = 0; i < kinds.Length; i++) kinds[i] = Classify(i);
        return kinds;
    }

    private static CharacterKind Classify(int codePoint)
    {
        if (codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint)) return CharacterKind.Space;
        return CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharacterKind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterKind.Number,
            _ => CharacterKind.Symbol,
        };
    }
}

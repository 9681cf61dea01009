using System.Runtime.CompilerServices;

namespace Gpt35.Tokenization;

/// <summary>
/// Cuts UTF-8 text as cl100k_base's pattern does over code points:
/// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>
/// (openai/tiktoken, tiktoken_ext/openai_public.py). A byte that is not part of valid UTF-8 counts as a symbol.
/// </summary>
internal readonly struct Cl100kSplitter : ISplitter
{
    private const int LongestNumber = 3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int NextEnd(ReadOnlySpan<byte> text, int start) => NextEnd(text, start, LongestNumber);

    /// <param name="text">The text.</param>
    /// <param name="start">A position of it, where a word begins.</param>
    /// <param name="longestNumber">Most digits in one word.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int NextEnd(ReadOnlySpan<byte> text, int start, int longestNumber)
    {
        var kind = CharacterKinds.At(text, start, out var length);
        if (kind == CharacterKind.Letter) return PreTokenizers.LettersEnd(text, start + length);
        // The commonest word of all: a space and letters.
        if (text[start] == ' ' && start + 1 < text.Length && char.IsAsciiLetter((char)text[start + 1])) return PreTokenizers.LettersEnd(text, start + 2);
        return kind == CharacterKind.Number ? NumberEnd(text, start + length, longestNumber - 1) : SymbolOrSpaceEnd(text, start, length, kind);
    }

    private static int NumberEnd(ReadOnlySpan<byte> text, int position, int more)
    {
        while (more-- > 0 && position < text.Length && CharacterKinds.At(text, position, out var length) == CharacterKind.Number) position += length;
        return position;
    }

    private static int SymbolOrSpaceEnd(ReadOnlySpan<byte> text, int start, int length, CharacterKind kind)
    {
        var first = text[start];
        if (first == '\'' && ContractionLength(text[(start + 1)..]) is var suffix and > 0) return start + 1 + suffix;
        var second = start + length;
        if (second < text.Length && first is not ((byte)'\r' or (byte)'\n'))
        {
            var next = CharacterKinds.At(text, second, out var nextLength);
            if (next == CharacterKind.Letter) return PreTokenizers.LettersEnd(text, second + nextLength);
            if (first == ' ' && next == CharacterKind.Symbol) return SymbolsEnd(text, second + nextLength);
        }
        return kind == CharacterKind.Symbol ? SymbolsEnd(text, second) : WhitespaceEnd(text, start);
    }

    /// <summary>Symbols take the line ends after them along.</summary>
    private static int SymbolsEnd(ReadOnlySpan<byte> text, int position)
    {
        position = CharacterKinds.RunEnd(text, position, CharacterKind.Symbol);
        while (position < text.Length && text[position] is (byte)'\r' or (byte)'\n') position++;
        return position;
    }

    /// <summary>
    /// White space ends after its last line end; without one it keeps all but its last character when a word follows, which may take
    /// that one along.
    /// </summary>
    private static int WhitespaceEnd(ReadOnlySpan<byte> text, int start)
    {
        int last = start, end = start, afterLine = 0;
        while (end < text.Length && CharacterKinds.At(text, end, out var length) == CharacterKind.Space)
        {
            last = end;
            end += length;
            if (text[last] is (byte)'\r' or (byte)'\n') afterLine = end;
        }
        if (afterLine > 0) return afterLine;
        return end < text.Length && last > start ? last : end;
    }

    /// <summary>Letters of either case, and ſ (U+017F), which Unicode folds to s: "ignore case" in the pattern is over Unicode.</summary>
    private static int ContractionLength(ReadOnlySpan<byte> afterApostrophe)
    {
        if (afterApostrophe.IsEmpty) return 0;
        var second = afterApostrophe.Length > 1 ? afterApostrophe[1] | 0x20 : 0;
        return (afterApostrophe[0] | 0x20) switch
        {
            's' or 't' or 'm' or 'd' => 1,
            'r' or 'v' => second == 'e' ? 2 : 0,
            'l' => second == 'l' ? 2 : 0,
            _ => afterApostrophe is [0xC5, 0xBF, ..] ? 2 : 0,
        };
    }
}

/// <summary>As <see cref="Cl100kSplitter"/>, with every digit a word of its own.</summary>
internal readonly struct Qwen2Splitter : ISplitter
{
    public static int NextEnd(ReadOnlySpan<byte> text, int start) => Cl100kSplitter.NextEnd(text, start, 1);
}

namespace Gpt35.Tokenization;

/// <summary>
/// Cuts UTF-8 text into the words inside which merges happen, exactly as GPT-2's pattern
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c> does over code points
/// (openai/gpt-2, encoder.py). A byte that is not part of valid UTF-8 counts as a symbol, neither letter, number nor space.
/// </summary>
internal readonly struct Gpt2Splitter : ISplitter
{
    public static int NextEnd(ReadOnlySpan<byte> text, int start)
    {
        var first = text[start];
        if (first == '\'' && ContractionLength(text[(start + 1)..]) is var suffix and > 0) return start + 1 + suffix;
        var body = first == ' ' && start + 1 < text.Length ? start + 1 : start;
        return CharacterKinds.At(text, body, out var length) switch
        {
            CharacterKind.Letter => PreTokenizers.LettersEnd(text, body + length),
            CharacterKind.Space => WhitespaceEnd(text, start),
            var kind => CharacterKinds.RunEnd(text, body + length, kind),
        };
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

    /// <summary>White space keeps all but its last character when a word follows, so that the word can take a leading space.</summary>
    private static int WhitespaceEnd(ReadOnlySpan<byte> text, int start)
    {
        int last = start, end = start;
        while (end < text.Length && CharacterKinds.At(text, end, out var length) == CharacterKind.Space)
        {
            last = end;
            end += length;
        }
        return end < text.Length && last > start ? last : end;
    }
}

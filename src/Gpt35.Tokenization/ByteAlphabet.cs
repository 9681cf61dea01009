namespace Gpt35.Tokenization;

/// <summary>
/// GPT-2's one-to-one map between the 256 bytes and 256 printable characters, in which <c>tokenizer.json</c> spells its tokens
/// (a space is written <c>Ġ</c>). Source: <c>bytes_to_unicode</c> of openai/gpt-2, encoder.py.
/// </summary>
internal static class ByteAlphabet
{
    private const int LastChar = 323;
    private static readonly char[] Chars = new char[256];
    private static readonly short[] Bytes = new short[LastChar + 1];

    static ByteAlphabet()
    {
        var ordered = new byte[256];
        var count = 0;
        for (var b = 0; b < 256; b++)
            if (IsPrintable(b)) Add((char)b, (byte)b);
        var next = (char)256;
        for (var b = 0; b < 256; b++)
            if (!IsPrintable(b)) Add(next++, (byte)b);
        InOrder = ordered;

        void Add(char character, byte value)
        {
            Chars[value] = character;
            Bytes[character] = (short)(value + 1);
            ordered[count++] = value;
        }
    }

    /// <summary>All bytes by ascending character: id i of a newly trained vocabulary is byte <c>InOrder[i]</c>, as in GPT-2.</summary>
    public static IReadOnlyList<byte> InOrder { get; }

    public static char CharOf(byte value) => Chars[value];

    /// <summary>The byte that <paramref name="character"/> stands for; false where it is not in the alphabet.</summary>
    public static bool TryGetByte(char character, out byte value)
    {
        var found = character <= LastChar ? Bytes[character] : 0;
        value = (byte)(found - 1);
        return found > 0;
    }

    /// <summary>The characters of <paramref name="bytes"/>.</summary>
    public static string Spell(ReadOnlySpan<byte> bytes) => string.Create(bytes.Length, bytes, (chars, from) =>
    {
        for (var i = 0; i < chars.Length; i++) chars[i] = Chars[from[i]];
    });

    private static bool IsPrintable(int b) => b is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE and <= 0xFF;
}

using System.Buffers.Binary;

namespace Gpt35.Tokenization;

/// <summary>Hash of a few bytes; the same in every process, and no result depends on it.</summary>
internal static class WordHash
{
    public static ulong Of(ReadOnlySpan<byte> word)
    {
        var length = word.Length;
        var hash = (ulong)length * 0xD6E8FEB86659FD93;
        if (length >= 8)
        {
            for (var i = 0; i + 8 < length; i += 8) hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(word[i..]));
            return Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(word[(length - 8)..]));
        }
        if (length >= 4)
        {
            var low = BinaryPrimitives.ReadUInt32LittleEndian(word);
            var high = BinaryPrimitives.ReadUInt32LittleEndian(word[(length - 4)..]);
            return Mix(hash ^ ((ulong)high << 32 | low));
        }
        return length == 0 ? hash : Mix(hash ^ ((ulong)word[0] << 16 | (ulong)word[length / 2] << 8 | word[length - 1]));
    }

    private static ulong Mix(ulong x)
    {
        x = (x ^ x >> 29) * 0x9E3779B97F4A7C15;
        return x ^ x >> 32;
    }
}

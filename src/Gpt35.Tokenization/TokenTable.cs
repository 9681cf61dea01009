using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gpt35.Tokenization;

/// <summary>Id of a token by its bytes. Nearly all tokens have at most 16 bytes and are compared as two numbers, without a branch on their length.</summary>
internal sealed class TokenTable
{
    public const int NotFound = -1;
    private const int LongestInline = 16;

    /// <summary>Sixteen bytes of ones, then sixteen of zeros: from 16 − n on, a mask that keeps n bytes.</summary>
    private static readonly byte[] Mask = [.. Enumerable.Repeat((byte)0xFF, 16), .. new byte[16]];

    private readonly Entry[] entries;
    private readonly int shift;
    private readonly Dictionary<byte[], int>.AlternateLookup<ReadOnlySpan<byte>> longer =
        new Dictionary<byte[], int>(new BytesComparer()).GetAlternateLookup<ReadOnlySpan<byte>>();

    private struct Entry
    {
        public ulong Low, High;
        public int Length, Id;                                              // Length 0 where free
    }

    public TokenTable(int capacity)
    {
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, 2 * capacity));
        entries = new Entry[size];
        shift = 64 - BitOperations.Log2((uint)size);
    }

    /// <summary>Adds a token that is not in the table; it is not empty.</summary>
    public void Add(ReadOnlySpan<byte> token, int id)
    {
        if (token.Length > LongestInline)
        {
            longer[token] = id;
            return;
        }
        Load(token, 0, token.Length, out var low, out var high);
        ref var entry = ref Slot(low, high, token.Length);
        entry = new Entry { Low = low, High = high, Length = token.Length, Id = id };
    }

    /// <summary>Id of the token with the bytes <paramref name="start"/> to <paramref name="end"/> of the text, or <see cref="NotFound"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Find(ReadOnlySpan<byte> text, int start, int end)
    {
        var length = end - start;
        if (length > LongestInline) return FindLonger(text[start..end]);
        Load(text, start, length, out var low, out var high);
        ref var entry = ref Slot(low, high, length);
        return entry.Length == 0 ? NotFound : entry.Id;
    }

    private int FindLonger(ReadOnlySpan<byte> token) => longer.TryGetValue(token, out var id) ? id : NotFound;

    /// <summary>The entry of a token, or the free one where it belongs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref Entry Slot(ulong low, ulong high, int length)
    {
        var hash = low * 0x9E3779B97F4A7C15;
        hash = (hash ^ hash >> 32 ^ high ^ (ulong)length << 56) * 0xD6E8FEB86659FD93;
        var slot = (int)(hash >> shift);
        while (true)
        {
            ref var entry = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(entries), slot);
            if (entry.Low == low && entry.High == high && entry.Length == length || entry.Length == 0) return ref entry;
            slot = slot + 1 & entries.Length - 1;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(ReadOnlySpan<byte> text, int start, int length, out ulong low, out ulong high)
    {
        if (start + LongestInline > text.Length)
        {
            LoadAtEnd(text.Slice(start, length), out low, out high);
            return;
        }
        var bytes = Vector128.LoadUnsafe(ref MemoryMarshal.GetReference(text), (nuint)start);
        var kept = (bytes & Vector128.LoadUnsafe(ref MemoryMarshal.GetArrayDataReference(Mask), (nuint)(LongestInline - length))).AsUInt64();
        low = kept[0];
        high = kept[1];
    }

    private static void LoadAtEnd(ReadOnlySpan<byte> token, out ulong low, out ulong high)
    {
        Span<ulong> words = [0, 0];
        token.CopyTo(MemoryMarshal.AsBytes(words));
        (low, high) = (words[0], words[1]);
    }

    private sealed class BytesComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);
        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);
        public int GetHashCode(byte[] bytes) => GetHashCode(bytes.AsSpan());
        public int GetHashCode(ReadOnlySpan<byte> bytes) => (int)WordHash.Of(bytes);
        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}

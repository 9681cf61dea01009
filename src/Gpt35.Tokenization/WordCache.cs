using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Gpt35.Tokenization;

/// <summary>
/// Remembers the ids of recent short words, each in one cache line. Bounded: a word that hashes to a taken slot replaces its owner. Threads may
/// share it: a slot carries a version that is odd while it is written, and a reader who sees the version change has found nothing.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer words are rare, and merged each time.</summary>
    public const int LongestWord = 16;

    private const int FewestSlots = 1 << 13, MostSlots = 1 << 16, MostIds = 8;
    private readonly Slot[] slots;

    [StructLayout(LayoutKind.Sequential, Size = 64)]
    private struct Slot
    {
        public int Version;
        public short Length, Count;
        public ulong Low, High;
        public Ids Ids;
    }

    [InlineArray(MostIds)]
    private struct Ids
    {
        private int first;
    }

    /// <param name="vocabSize">V: a small vocabulary stands for small texts, which need no large cache.</param>
    public WordCache(int vocabSize) =>
        slots = new Slot[BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(16L * vocabSize, FewestSlots, MostSlots))];

    /// <summary>Appends the ids of <paramref name="word"/> where it is remembered.</summary>
    public bool TryAppend(ReadOnlySpan<byte> word, ref IdBuffer output)
    {
        var (low, high) = Key(word);
        ref var slot = ref SlotOf(low, high);
        var version = Volatile.Read(ref slot.Version);
        if (slot.Low != low || slot.High != high || slot.Length != word.Length || (version & 1) != 0) return false;
        int count = slot.Count;
        var ids = slot.Ids;
        Volatile.ReadBarrier();
        if (slot.Version != version) return false;
        output.Add(((ReadOnlySpan<int>)ids)[..count]);
        return true;
    }

    public void Remember(ReadOnlySpan<byte> word, ReadOnlySpan<int> ids)
    {
        if (ids.Length > MostIds) return;
        var (low, high) = Key(word);
        ref var slot = ref SlotOf(low, high);
        var version = slot.Version;
        if ((version & 1) != 0 || Interlocked.CompareExchange(ref slot.Version, version + 1, version) != version) return;
        (slot.Low, slot.High) = (low, high);
        (slot.Length, slot.Count) = ((short)word.Length, (short)ids.Length);
        ids.CopyTo(slot.Ids);
        Volatile.Write(ref slot.Version, version + 2);
    }

    private ref Slot SlotOf(ulong low, ulong high)
    {
        var hash = low * 0x9E3779B97F4A7C15;
        hash = (hash ^ hash >> 32 ^ high) * 0xD6E8FEB86659FD93;
        return ref slots[hash >> 40 & (ulong)slots.Length - 1];
    }

    private static (ulong Low, ulong High) Key(ReadOnlySpan<byte> word)
    {
        Span<ulong> key = [0, 0];
        word.CopyTo(MemoryMarshal.AsBytes(key));
        return (key[0], key[1]);
    }
}

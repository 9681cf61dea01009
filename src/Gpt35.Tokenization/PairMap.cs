using System.Numerics;

namespace Gpt35.Tokenization;

/// <summary>Hash map from a pair of ids (both at least 0) to a number; open addressing, at most half full. Reading is thread-safe.</summary>
internal sealed class PairMap
{
    /// <summary>The value of a pair that is not in the map: greater than every rank.</summary>
    public const int NotFound = int.MaxValue;

    private const ulong Free = ulong.MaxValue;
    private Entry[] entries;
    private int count;
    private int shift;

    private struct Entry
    {
        public ulong Key;
        public int Value;
    }

    public PairMap(int capacity = 0)
    {
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, 2 * capacity + 2));
        entries = NewTable(size);
        shift = 64 - BitOperations.Log2((uint)size);
    }

    /// <summary>Value of (<paramref name="left"/>, <paramref name="right"/>), or <see cref="NotFound"/>.</summary>
    public int this[int left, int right]
    {
        get
        {
            var key = Key(left, right);
            ref var entry = ref Find(key);
            return entry.Key == key ? entry.Value : NotFound;
        }
    }

    /// <summary>Place of the value of the pair, added as <see cref="NotFound"/> where it is new. Valid until the next call.</summary>
    public ref int GetOrAdd(int left, int right)
    {
        var key = Key(left, right);
        ref var entry = ref Find(key);
        if (entry.Key == key) return ref entry.Value;
        if (2 * ++count > entries.Length)
        {
            Grow();
            entry = ref Find(key);
        }
        entry.Key = key;
        entry.Value = NotFound;
        return ref entry.Value;
    }

    private static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;

    private static Entry[] NewTable(int size)
    {
        var table = new Entry[size];
        Array.Fill(table, new Entry { Key = Free });
        return table;
    }

    private ref Entry Find(ulong key)
    {
        var table = entries;
        var slot = (int)(key * 0x9E3779B97F4A7C15 >> shift);
        while (table[slot].Key != key && table[slot].Key != Free) slot = slot + 1 & table.Length - 1;
        return ref table[slot];
    }

    private void Grow()
    {
        var old = entries;
        entries = NewTable(checked(2 * old.Length));
        shift--;
        foreach (var entry in old)
            if (entry.Key != Free) Find(entry.Key) = entry;
    }
}

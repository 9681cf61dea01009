namespace Gpt35.Tokenization;

/// <summary>
/// Remembers the ids of recent short words. Bounded: a word that hashes to a taken slot replaces its owner. Lock-free: entries never
/// change after they are published, and a reference is written whole.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer words are rare and would make the bound on memory meaningless.</summary>
    public const int LongestWord = 48;

    private const int Slots = 1 << 16;
    private readonly Entry?[] entries = new Entry?[Slots];

    private sealed class Entry(byte[] word, int[] ids)
    {
        public readonly byte[] Word = word;
        public readonly int[] Ids = ids;
    }

    /// <summary>Ids of <paramref name="word"/>, or null where it is not remembered.</summary>
    public int[]? Find(ReadOnlySpan<byte> word, ulong hash) =>
        entries[hash & Slots - 1] is { } entry && word.SequenceEqual(entry.Word) ? entry.Ids : null;

    public void Remember(ReadOnlySpan<byte> word, ulong hash, ReadOnlySpan<int> ids) =>
        entries[hash & Slots - 1] = new Entry(word.ToArray(), ids.ToArray());
}

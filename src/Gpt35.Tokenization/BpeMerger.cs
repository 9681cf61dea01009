using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gpt35.Tokenization;

/// <summary>
/// Byte-pair encoding of one word: merge the pair of lowest rank, the leftmost among equals, until no pair of neighbours has a
/// rank (Sennrich et al. 2016, algorithm 1). A word of usual length is merged by scanning, O(n²) but fastest there; a longer one in
/// windows (<see cref="LongWord"/>), O(n); and where windows do not fit, by a heap, O(n log n).
/// </summary>
internal sealed class BpeMerger
{
    /// <summary>Up to this many bytes a word is merged by scanning.</summary>
    public const int LongestScan = 64;

    private const int PositionBits = 6;                                     // LongestScan positions
    private readonly Vocabulary vocabulary;
    private readonly PairMap ranks;
    private readonly int[] results;
    private readonly int[] bytePairs = new int[1 << 16];                    // rank of two bytes, by left << 8 | right

    public BpeMerger(Vocabulary vocabulary)
    {
        this.vocabulary = vocabulary;
        (ranks, results) = (vocabulary.Ranks, vocabulary.Results);
        var ids = vocabulary.ByteIds;
        for (var pair = 0; pair < bytePairs.Length; pair++) bytePairs[pair] = ranks[ids[pair >> 8], ids[pair & 0xFF]];
    }

    public void Encode(ReadOnlySpan<byte> word, ref IdBuffer output)
    {
        if (word.Length <= LongestScan) EncodeByScan(word, ref output);
        else new LongWord(this, vocabulary).Encode(word, ref output);
    }

    /// <param name="word">At most <see cref="LongestScan"/> bytes.</param>
    /// <param name="output">Receives the ids.</param>
    internal void EncodeByScan(scoped ReadOnlySpan<byte> word, ref IdBuffer output)
    {
        // Keys are rank and position in one number, so that the least of them names both, and the leftmost wins among equal ranks.
        Span<int> keys = stackalloc int[LongestScan];
        Span<int> ids = stackalloc int[LongestScan];
        Span<byte> next = stackalloc byte[LongestScan + 1];
        Span<byte> previous = stackalloc byte[LongestScan + 1];
        var length = word.Length;
        var padded = length + 7 & ~7;
        keys[..padded].Fill(PairMap.NotFound);
        for (var i = 0; i < length; i++)
        {
            ids[i] = vocabulary.ByteIds[word[i]];
            next[i] = (byte)(i + 1);
            previous[i + 1] = (byte)i;
            if (i + 1 < length) keys[i] = Key(bytePairs[word[i] << 8 | word[i + 1]], i);
        }
        while (Least(keys[..padded]) is var key and not PairMap.NotFound)
        {
            var at = key & LongestScan - 1;
            var absorbed = next[at];
            var after = next[absorbed];
            ids[at] = results[key >> PositionBits];
            keys[absorbed] = PairMap.NotFound;
            next[at] = after;
            previous[after] = (byte)at;
            keys[at] = after < length ? Key(ranks[ids[at], ids[after]], at) : PairMap.NotFound;
            if (at > 0) keys[previous[at]] = Key(ranks[ids[previous[at]], ids[at]], previous[at]);
        }
        for (var i = 0; i < length; i = next[i]) output.Add(ids[i]);
    }

    internal void EncodeByHeap(scoped ReadOnlySpan<byte> word, ref IdBuffer output)
    {
        var rented = ArrayPool<int>.Shared.Rent(checked(4 * word.Length));
        try
        {
            var chain = new Chain(rented, word.Length);
            for (var i = 0; i < word.Length; i++) chain.Ids[i] = vocabulary.ByteIds[word[i]];
            MergeByHeap(chain, word.Length);
            for (var i = 0; i < word.Length; i = chain.Next[i]) output.Add(chain.Ids[i]);
        }
        finally
        {
            ArrayPool<int>.Shared.Return(rented);
        }
    }

    /// <summary>Tokens as a doubly linked list over the positions of their first bytes.</summary>
    private readonly ref struct Chain(Span<int> memory, int length)
    {
        public readonly Span<int> Ids = memory[..length];
        public readonly Span<int> Next = memory[length..(2 * length)];
        public readonly Span<int> Previous = memory[(2 * length)..(3 * length)];
        /// <summary>Rank of the pair that begins here; <see cref="PairMap.NotFound"/> where nothing merges or nothing begins.</summary>
        public readonly Span<int> PairRanks = memory[(3 * length)..(4 * length)];
    }

    private void MergeByHeap(Chain chain, int length)
    {
        var initial = new List<(int, ulong)>();
        for (var i = 0; i < length; i++)
        {
            chain.Next[i] = i + 1;
            chain.Previous[i] = i - 1;
            chain.PairRanks[i] = i + 1 < length ? ranks[chain.Ids[i], chain.Ids[i + 1]] : PairMap.NotFound;
            if (chain.PairRanks[i] != PairMap.NotFound) initial.Add((i, Priority(chain.PairRanks[i], i)));
        }
        var queue = new PriorityQueue<int, ulong>(initial);
        while (queue.TryDequeue(out var at, out var priority))
        {
            var rank = (int)(priority >> 32);
            if (chain.PairRanks[at] != rank) continue;                      // one of the two was merged elsewhere meanwhile
            var absorbed = chain.Next[at];
            var next = chain.Next[absorbed];
            chain.Ids[at] = results[rank];
            chain.PairRanks[absorbed] = PairMap.NotFound;
            chain.Next[at] = next;
            if (next < length) chain.Previous[next] = at;
            Rerank(chain, at, next, length, queue);
            if (chain.Previous[at] is var previous and >= 0) Rerank(chain, previous, at, length, queue);
        }
    }

    private void Rerank(Chain chain, int left, int right, int length, PriorityQueue<int, ulong> queue)
    {
        var rank = right < length ? ranks[chain.Ids[left], chain.Ids[right]] : PairMap.NotFound;
        chain.PairRanks[left] = rank;
        if (rank != PairMap.NotFound) queue.Enqueue(left, Priority(rank, left));
    }

    private static ulong Priority(int rank, int position) => (ulong)rank << 32 | (uint)position;

    private static int Key(int rank, int position) => rank == PairMap.NotFound ? rank : rank << PositionBits | position;

    /// <param name="keys">A multiple of eight.</param>
    private static int Least(ReadOnlySpan<int> keys)
    {
        var least = Vector256.Create(PairMap.NotFound);
        foreach (ref readonly var eight in MemoryMarshal.Cast<int, Vector256<int>>(keys)) least = Vector256.Min(least, eight);
        var four = Vector128.Min(least.GetLower(), least.GetUpper());
        four = Vector128.Min(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        return Math.Min(four[0], four[1]);
    }
}

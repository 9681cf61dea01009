using System.Buffers;

namespace Gpt35.Tokenization;

/// <summary>
/// Byte-pair encoding of one word: merge the pair of lowest rank, the leftmost among equals, until no pair of neighbours has a
/// rank (Sennrich et al. 2016, algorithm 1). Two ways to the same ids: a scan, O(n²) but fastest on words of usual length,
/// and a heap, O(n log n), for the rest.
/// </summary>
internal sealed class BpeMerger(Vocabulary vocabulary)
{
    /// <summary>Up to this many bytes a word is merged by scanning.</summary>
    public const int LongestScan = 64;

    private readonly PairMap ranks = vocabulary.Ranks;
    private readonly int[] byteIds = vocabulary.ByteIds;
    private readonly int[] results = [.. vocabulary.Merges.Select(merge => merge.Result)];

    public void Encode(ReadOnlySpan<byte> word, ref IdBuffer output)
    {
        if (word.Length <= LongestScan) EncodeByScan(word, ref output);
        else EncodeByHeap(word, ref output);
    }

    /// <param name="word">At most <see cref="LongestScan"/> bytes.</param>
    /// <param name="output">Receives the ids.</param>
    internal void EncodeByScan(ReadOnlySpan<byte> word, ref IdBuffer output)
    {
        Span<int> ids = stackalloc int[LongestScan];
        Span<int> pairRanks = stackalloc int[LongestScan];                  // rank of (ids[i], ids[i + 1])
        var count = word.Length;
        for (var i = 0; i < count; i++) ids[i] = byteIds[word[i]];
        for (var i = 0; i < count - 1; i++) pairRanks[i] = ranks[ids[i], ids[i + 1]];

        while (LowestRank(pairRanks[..Math.Max(0, count - 1)], out var at) is var rank and not PairMap.NotFound)
        {
            ids[at] = results[rank];
            ids[(at + 2)..count].CopyTo(ids[(at + 1)..]);
            pairRanks[(at + 1)..(count - 1)].CopyTo(pairRanks[at..]);
            count--;
            if (at > 0) pairRanks[at - 1] = ranks[ids[at - 1], ids[at]];
            if (at < count - 1) pairRanks[at] = ranks[ids[at], ids[at + 1]];
        }
        output.Add(ids[..count]);
    }

    internal void EncodeByHeap(ReadOnlySpan<byte> word, ref IdBuffer output)
    {
        var rented = ArrayPool<int>.Shared.Rent(checked(4 * word.Length));
        try
        {
            var chain = new Chain(rented, word.Length);
            for (var i = 0; i < word.Length; i++) chain.Ids[i] = byteIds[word[i]];
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

    private static int LowestRank(ReadOnlySpan<int> pairRanks, out int at)
    {
        at = 0;
        var lowest = PairMap.NotFound;
        for (var i = 0; i < pairRanks.Length; i++)
        {
            if (pairRanks[i] >= lowest) continue;
            lowest = pairRanks[i];
            at = i;
        }
        return lowest;
    }
}

using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// The pairs (a new row, a query head of the group) of a strip on their way over the sections of their sequence. Few pairs read blocks where they
/// lie; many meet a copy in F32, through the tiles of the matrix product. Both compute every number by the same chain.
/// </summary>
internal unsafe struct PagedWork<W, V, F> where W : struct, ILanes<V> where V : unmanaged where F : struct, IKvFormat
{
    /// <summary>Pairs for which a copy pays.</summary>
    private const int PairsToCopy = 8;
    /// <summary>A row of scores: off the powers of two, so that the rows of a tile do not fall on each other in the cache.</summary>
    private const int ScoreStride = SoftmaxSections.Keys + 16;
    /// <summary>Keys whose values several pairs meet one after the other: few enough for the nearest cache.</summary>
    private const int KeysAtOnce = 64;
    private const int Line = 16;

    private readonly KvPages pages;
    private readonly int group, size, paddedSize, copyWidth;
    private readonly bool copies;
    private readonly float* sums, tops, totals, scores, mixed, tileTops, tileTotals, keyScales, valueScales, copiedKeys, copiedValues;
    private int* blocks;
    private int lastBlock;

    internal PagedWork(KvPages pages, int group, int pairs, int size)
    {
        (this.pages, this.group, this.size) = (pages, group, size);
        paddedSize = Simd.Pieces(size, 4 * W.Count) * 4 * W.Count;
        copyWidth = Simd.Pieces(size, 2 * W.Count) * 2 * W.Count;
        copies = pairs >= PairsToCopy;
        TilePairs = copies ? W.TileRows : pairs;
        const int section = SoftmaxSections.Keys;
        long inQueries = Lines((long)pairs * size), inSums = (long)pairs * paddedSize, inPairs = Lines(pairs), inTile = Lines(TilePairs);
        long inScores = (long)TilePairs * ScoreStride, inMixed = (long)TilePairs * paddedSize;
        long inCopies = copies ? section * (long)(size + copyWidth) : 0;
        Queries = Scratch.ForPart(inQueries + inSums + 2 * inPairs + inScores + inMixed + 2 * inTile + 2 * section + inCopies);
        sums = Queries + inQueries;
        tops = sums + inSums;
        totals = tops + inPairs;
        scores = totals + inPairs;
        mixed = scores + inScores;
        tileTops = mixed + inMixed;
        tileTotals = tileTops + inTile;
        keyScales = tileTotals + inTile;
        valueScales = keyScales + section;
        copiedKeys = valueScales + section;
        copiedValues = copiedKeys + section * (nint)size;
        new Span<float>(totals, pairs).Clear();
    }

    /// <summary>q, (pairs, K), for the owner to fill.</summary>
    internal float* Queries { get; }

    /// <summary>Pairs that <see cref="Score"/> and <see cref="Mix"/> take at a time.</summary>
    internal int TilePairs { get; }

    private static long Lines(long floats) => (floats + Line - 1) / Line * Line;

    /// <summary>Goes to a section.</summary>
    /// <param name="sectionBlocks">Its blocks.</param>
    /// <param name="from">The first of its keys that a pair sees.</param>
    /// <param name="to">One behind the last.</param>
    internal void Open(int* sectionBlocks, int from, int to)
    {
        blocks = sectionBlocks;
        lastBlock = (to - 1) / KvPages.BlockTokens;
        if (F.HasScales) TakeScales(from, to);
        if (!copies) return;
        CopyKeys(from, to);
        CopyValues(from, to);
    }

    /// <summary>Scores of pairs with keys from … to − 1 of the section; some before and behind have no meaning.</summary>
    internal readonly void Score(int pair, int count, int from, int to)
    {
        var q = Queries + (nint)pair * size;
        if (copies)
        {
            var width = 2 * W.Count;
            from = from / width * width;
            var panels = new Panels(copiedKeys + (nint)from * size, width, (nint)width * size);
            var found = new Matrix(scores + from, count, Simd.Pieces(to - from, width) * width, ScoreStride, 1);
            MatrixBlock<W, V>.Multiply(new Matrix(q, count, size), panels, found, Start.Zero);
            return;
        }
        for (var key = from / (4 * W.Count) * 4 * W.Count; key < to; key += 4 * W.Count)
        {
            byte* a = Keys(key), b = Keys(key + W.Count), c = Keys(key + 2 * W.Count), d = Keys(key + 3 * W.Count);
            var i = 0;
            for (; i + 2 <= count; i += 2) PagedKernels<W, V, F>.ScoreTwo(q + i * size, a, b, c, d, size, scores + i * ScoreStride + key, ScoreStride);
            if (i < count) PagedKernels<W, V, F>.ScoreOne(q + i * size, a, b, c, d, size, scores + i * ScoreStride + key);
        }
    }

    /// <summary>Turns the scores of the tile's pair i into e^(scale·score − top), 0 for keys before <paramref name="seenFrom"/> and from <paramref name="seenTo"/> on.</summary>
    internal readonly void Weigh(int i, float scale, int from, int to, int seenFrom, int seenTo) =>
        tileTotals[i] = PagedKernels<W, V, F>.Exponentials(
            scores + i * ScoreStride, scale, from / SoftmaxSections.Sums * SoftmaxSections.Sums, to, seenFrom, seenTo, keyScales, valueScales, tileTops + i);

    /// <summary>Σ weights·values of the tile's pairs over keys from … to − 1 of the section.</summary>
    internal readonly void Mix(int count, int from, int to)
    {
        if (copies)
        {
            var panels = new Panels(copiedValues + (nint)from * copyWidth, copyWidth, 2 * W.Count);
            MatrixBlock<W, V>.Multiply(new Matrix(scores + from, count, to - from, ScoreStride, 1), panels, new Matrix(mixed, count, size, paddedSize, 1), Start.Zero);
            return;
        }
        new Span<float>(mixed, count * paddedSize).Clear();
        for (int end; from < to; from = end)
        {
            end = Math.Min(to, (from / KeysAtOnce + 1) * KeysAtOnce);
            for (var column = 0; column < size; column += 4 * W.Count)
            {
                float* p = scores, o = mixed + column;
                var i = 0;
                for (; i + 2 <= count; i += 2, p += 2 * ScoreStride, o += 2 * paddedSize)
                    PagedKernels<W, V, F>.MixTwo(pages, group, blocks, from, end, column, size, p, ScoreStride, o, paddedSize);
                if (i < count) PagedKernels<W, V, F>.MixOne(pages, group, blocks, from, end, column, size, p, o);
            }
        }
    }

    /// <summary>Adds what the tile's pair i found in the section to what the strip's pair found before.</summary>
    internal readonly void Join(int pair, int i) => SoftmaxSections.Join<W, V>(
        ref tops[pair], ref totals[pair], sums + (nint)pair * paddedSize, tileTops[i], tileTotals[i], mixed + i * paddedSize, size);

    /// <summary>The result of a pair.</summary>
    internal readonly void Finish(int pair, float* o) => SoftmaxSections.Scale<W, V>(sums + (nint)pair * paddedSize, 1 / totals[pair], size, o);

    /// <summary>Where a vector of keys lies; keys that the sequence does not have are others that it has.</summary>
    private readonly byte* Keys(int key) =>
        pages.Keys(blocks[Math.Min(key / KvPages.BlockTokens, lastBlock)], group) + key % KvPages.BlockTokens * pages.Layout.NumberBytes;

    private readonly void TakeScales(int from, int to)
    {
        var behind = pages.Layout.NumbersBytes;
        for (var block = from / KvPages.BlockTokens; block <= (to - 1) / KvPages.BlockTokens; block++)
        {
            var bytes = KvPages.BlockTokens * (uint)sizeof(float);
            Unsafe.CopyBlockUnaligned(keyScales + block * KvPages.BlockTokens, pages.Keys(blocks[block], group) + behind, bytes);
            Unsafe.CopyBlockUnaligned(valueScales + block * KvPages.BlockTokens, pages.Values(blocks[block], group) + behind, bytes);
        }
    }

    /// <summary>Keys as panels of two vectors, (K, 2·Count) each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void CopyKeys(int from, int to)
    {
        var width = 2 * W.Count;
        for (var key = from / width * width; key < to; key += width)
        {
            byte* left = Keys(key), right = Keys(key + W.Count);
            var panel = copiedKeys + (nint)key * size;
            for (var k = 0; k < size; k++, panel += width)
            {
                W.Store(panel, F.Load<W, V>(left, k * KvPages.BlockTokens));
                W.Store(panel + W.Count, F.Load<W, V>(right, k * KvPages.BlockTokens));
            }
        }
    }

    /// <summary>Values as rows of whole panels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void CopyValues(int from, int to)
    {
        for (var key = from; key < to; key++)
        {
            var values = pages.Values(blocks[key / KvPages.BlockTokens], group);
            var target = copiedValues + (nint)key * copyWidth;
            for (var i = 0; i < copyWidth; i += W.Count) W.Store(target + i, F.Load<W, V>(values, key % KvPages.BlockTokens * size + i));
        }
    }
}

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gpt35.Inference;

/// <summary>Sums in a fixed order: results must not depend on where the buffer lies in memory or how wide the registers are, as library reductions may.</summary>
internal static class WeightSums
{
    public const int BlockSize = 256;

    public static int BlockCount(int length) => (length + BlockSize - 1) / BlockSize;

    /// <summary>
    /// Sum of the weights, and of each block of them. Within a block, four sums take turns (weight i goes to sum i mod 4) and are added as
    /// (s0 + s1) + (s2 + s3); blocks are added one after the other.
    /// </summary>
    /// <param name="weights">(n,)</param>
    /// <param name="blocks">Receives the sums of the blocks, (⌈n / 256⌉,).</param>
    public static double Blocks(ReadOnlySpan<float> weights, Span<double> blocks)
    {
        var block = 0;
        // Four blocks at a time: each addition waits for the one before it, other blocks need not.
        for (; (block + 4) * BlockSize <= weights.Length; block += 4) FourBlocks(weights[(block * BlockSize)..], blocks[block..]);
        for (; block < blocks.Length; block++)
            blocks[block] = Block(weights.Slice(block * BlockSize, Math.Min(BlockSize, weights.Length - block * BlockSize)));
        var total = 0.0;
        foreach (var sum in blocks) total += sum;
        return total;
    }

    private static void FourBlocks(ReadOnlySpan<float> weights, Span<double> sums)
    {
        ref var start = ref MemoryMarshal.GetReference(weights[..(4 * BlockSize)]);
        Vector256<double> a = default, b = default, c = default, d = default;
        for (nuint i = 0; i < BlockSize; i += 8)
        {
            Add(ref a, Vector256.LoadUnsafe(ref start, i));
            Add(ref b, Vector256.LoadUnsafe(ref start, i + BlockSize));
            Add(ref c, Vector256.LoadUnsafe(ref start, i + 2 * BlockSize));
            Add(ref d, Vector256.LoadUnsafe(ref start, i + 3 * BlockSize));
        }
        (sums[0], sums[1], sums[2], sums[3]) = (Across(a), Across(b), Across(c), Across(d));
    }

    private static double Block(ReadOnlySpan<float> weights)
    {
        Vector256<double> sums = default;
        var i = 0;
        for (; i + 8 <= weights.Length; i += 8) Add(ref sums, Vector256.Create(weights.Slice(i, 8)));
        double s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
        for (; i + 4 <= weights.Length; i += 4)
        {
            s0 += weights[i];
            s1 += weights[i + 1];
            s2 += weights[i + 2];
            s3 += weights[i + 3];
        }
        for (; i < weights.Length; i++) s0 += weights[i];
        return s0 + s1 + (s2 + s3);
    }

    private static void Add(ref Vector256<double> sums, Vector256<float> eight)
    {
        sums += Vector256.WidenLower(eight);
        sums += Vector256.WidenUpper(eight);
    }

    private static double Across(Vector256<double> sums) => sums[0] + sums[1] + (sums[2] + sums[3]);
}

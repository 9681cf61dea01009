using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// Two groups of rows with their bytes already widened to 16 bits, for as many inputs as make that worth while. The sums over a block run through
/// the units that add F32, which the products leave idle, where additions of whole numbers would take turns with them.
/// </summary>
/// <remarks>
/// A whole number below 2^24, taken for the bits of an F32, is that number times 2^−149, a denormal one at first; adding two such adds the whole
/// numbers, exactly. So all terms have to be positive: the weights are u = q + Z as they are stored, the inputs v = q + 128, and
/// Σ q·q = Σ u·v − 128·Σ u − Z·Σ q. The middle part, raised by <see cref="Lift"/>, is where a sum starts; the last one is taken off when the
/// sum becomes an F32 (2^23 + s has the bits of s in its fraction). Where a thread flushes denormal numbers to zero, it adds whole numbers.
/// </remarks>
internal static unsafe class BlockPanel<W, V, D, F>
    where W : struct, ILanes<V> where V : unmanaged where D : struct, IDotLanes<V> where F : struct, IBlockFormat
{
    internal const int Groups = 2;
    /// <summary>Inputs at a time.</summary>
    internal const int Inputs = 4;
    /// <summary>What makes an input positive.</summary>
    internal const int InputZeroPoint = 128;
    private const int Pairs = 2 * BlockShape.Steps;
    private const int BlockVectors = Groups * (2 + Pairs);
    /// <summary>128·Σ u at most.</summary>
    private const int Lift = InputZeroPoint * byte.MaxValue * BlockShape.Size;
    /// <summary>−128 twice.</summary>
    private const uint MinusInputZeroPoints = 0xFF80FF80;
    private const uint ExponentOf23 = 0x4B000000;

    /// <summary>Floats of working memory.</summary>
    internal static long Length(int blocks) => (long)blocks * BlockVectors * W.Count;

    /// <summary>What is taken off the sums of an input, 2^23 + lift + Z·Σ q.</summary>
    internal static float Excess(int sum) => (1 << 23) + Lift + F.ZeroPoint * sum;

    /// <summary>Widens one group or two: of each block the scales of both, the starts of both, then pair after pair of both.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Fill(BlockWeights weights, int group, int groups, V* panel)
    {
        for (var g = 0; g < groups; g++)
        {
            var quants = weights.Quants + (nint)(group + g) * weights.Blocks * F.Bytes * W.Count;
            var scales = weights.Scales + (nint)(group + g) * weights.Blocks * W.Count;
            var target = panel + g;
            for (var block = 0; block < weights.Blocks; block++, quants += F.Bytes * W.Count, scales += W.Count)
            {
                target[0] = D.LoadHalf(scales);
                var start = target + Groups;
                target += 2 * Groups;
                var sum = W.CreateBits(Lift);
                for (var s = 0; s < BlockShape.Steps; s++, target += 2 * Groups)
                {
                    var bytes = F.Step<W, V, D>(quants, s);
                    V even = D.Even(bytes), odd = D.Odd(bytes), factor = W.CreateBits(MinusInputZeroPoints);
                    sum = W.AddBits(sum, W.AddBits(D.MultiplyPairs(even, factor), D.MultiplyPairs(odd, factor)));
                    target[0] = even;
                    target[Groups] = odd;
                }
                *start = sum;
            }
        }
    }

    /// <summary>Adds the products with four inputs to their sums.</summary>
    /// <param name="panel">Of both groups.</param>
    /// <param name="tile">The first of the inputs in its tile.</param>
    /// <param name="width">Width of the tile, 4 or 8.</param>
    /// <param name="place">The first of the inputs.</param>
    /// <param name="blocks">Blocks.</param>
    /// <param name="y">(2, <see cref="InputTiles.Widest"/>) sums, from the first input on.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal static void Multiply<S>(V* panel, byte* tile, int width, int place, int blocks, V* y) where S : struct, ISums
    {
        nint blockBytes = BlockInputs<W, V, D>.BlockBytes(width);
        var next = y + InputTiles.Widest;
        for (var block = 0; block < blocks; block++, tile += blockBytes)
        {
            V scaleA = panel[0], scaleB = panel[1], startA = panel[2], startB = panel[3];
            V a0 = startA, a1 = startA, a2 = startA, a3 = startA, b0 = startB, b1 = startB, b2 = startB, b3 = startB;
            panel += 2 * Groups;
            var x = (uint*)(tile + 8 * width) + place;
            for (var pair = 0; pair < Pairs; pair++, panel += Groups, x += width)
            {
                V wa = panel[0], wb = panel[1];
                var both = W.CreateBits(x[0]);
                V p0 = D.MultiplyPairs(wa, both), q0 = D.MultiplyPairs(wb, both);
                both = W.CreateBits(x[1]);
                V p1 = D.MultiplyPairs(wa, both), q1 = D.MultiplyPairs(wb, both);
                both = W.CreateBits(x[2]);
                V p2 = D.MultiplyPairs(wa, both), q2 = D.MultiplyPairs(wb, both);
                both = W.CreateBits(x[3]);
                V p3 = D.MultiplyPairs(wa, both), q3 = D.MultiplyPairs(wb, both);
                a0 = S.Add(a0, p0);
                b0 = S.Add(b0, q0);
                a1 = S.Add(a1, p1);
                b1 = S.Add(b1, q1);
                a2 = S.Add(a2, p2);
                b2 = S.Add(b2, q2);
                a3 = S.Add(a3, p3);
                b3 = S.Add(b3, q3);
            }
            float* scales = (float*)tile + place, excess = scales + width;
            Finish(a0, b0, scaleA, scaleB, scales[0], excess[0], y, next);
            Finish(a1, b1, scaleA, scaleB, scales[1], excess[1], y + 1, next + 1);
            Finish(a2, b2, scaleA, scaleB, scales[2], excess[2], y + 2, next + 2);
            Finish(a3, b3, scaleA, scaleB, scales[3], excess[3], y + 3, next + 3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(V a, V b, V scaleA, V scaleB, float scale, float excess, V* ya, V* yb)
    {
        V factor = W.Create(scale), over = W.Create(excess), exponent = W.CreateBits(ExponentOf23);
        *ya = W.MultiplyAdd(W.Subtract(W.XorBits(a, exponent), over), W.Multiply(scaleA, factor), *ya);
        *yb = W.MultiplyAdd(W.Subtract(W.XorBits(b, exponent), over), W.Multiply(scaleB, factor), *yb);
    }

    /// <summary>How two sums of positive whole numbers below 2^24 are added.</summary>
    internal interface ISums
    {
        static abstract V Add(V x, V y);
    }

    /// <summary>As the bits of F32 numbers.</summary>
    internal readonly struct Floats : ISums
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)] public static V Add(V x, V y) => W.Add(x, y);
    }

    /// <summary>As what they are.</summary>
    internal readonly struct WholeNumbers : ISums
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)] public static V Add(V x, V y) => W.AddBits(x, y);
    }
}

/// <summary>Denormal numbers.</summary>
internal static class Denormals
{
    private static float smallest = float.Epsilon;         // not constant, or the compiler would add it up
    [ThreadStatic] private static bool ignored;

    /// <summary>Whether this thread computes with them. Libraries built with -ffast-math make it flush them to zero.</summary>
    internal static bool Kept => !ignored && BitConverter.SingleToInt32Bits(smallest + smallest) == 2;

    /// <summary>Makes kernels on this thread believe that it does not. For tests.</summary>
    internal static bool Ignored { set => ignored = value; }
}

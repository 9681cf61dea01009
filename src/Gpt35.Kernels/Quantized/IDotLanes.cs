using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>
/// What a product of whole numbers needs of a tier, beside <see cref="ILanes{V}"/>. A lane holds four unsigned bytes of one row of weights;
/// they meet four signed bytes of an input, the same for all rows.
/// </summary>
internal unsafe interface IDotLanes<V> where V : unmanaged
{
    /// <summary>Bytes in which <see cref="StoreStep"/> keeps four numbers of an input.</summary>
    static abstract int StepBytes { get; }

    /// <summary>Keeps four whole numbers, each in −127 … 127, as <see cref="Dot"/> wants them: 4 bytes at <paramref name="step"/>, and where a step has more, 4·<paramref name="width"/> bytes on.</summary>
    static abstract void StoreStep(Vector128<int> four, byte* step, int width);

    /// <summary>The low four bits of each byte of x &gt;&gt; shift, shift 0 or 4.</summary>
    static abstract V Nibbles(V x, int shift);

    /// <summary>First half of what <see cref="Dot"/> takes of a line of weights.</summary>
    static abstract V Even(V bytes);
    /// <summary>Second half.</summary>
    static abstract V Odd(V bytes);

    /// <summary>sum + Σ of the four products, exact, in each lane as a whole number.</summary>
    static abstract V Dot(V sum, V even, V odd, byte* step, int width);

    /// <summary>The same for two inputs side by side: the products first, for an addition between them would take the unit of the next one.</summary>
    static abstract void DotTwo(ref V first, ref V second, V even, V odd, byte* step, int width);

    /// <summary>Whether many inputs are faster with weights that are widened once, by <see cref="Even"/> and <see cref="Odd"/>.</summary>
    static abstract bool TakesPanels { get; }

    /// <summary>Σ of two products, of pairs of 16 bits; where panels are taken.</summary>
    static abstract V MultiplyPairs(V x, V y);

    /// <summary>Whole numbers to floats.</summary>
    static abstract V ToFloat(V whole);

    /// <summary>Loads a lane's worth of F16 numbers, neither infinite nor NaN; those come out large.</summary>
    static abstract V LoadHalf(ushort* from);
}

/// <summary>F16 to F32 by moving bits: the exponent's bias is put right by a multiplication, which is exact for subnormal numbers too.</summary>
internal static class HalfBits
{
    /// <summary>Sign, exponent and fraction of a sign-extended F16 that was shifted left by 13.</summary>
    internal const uint Mask = 0x8FFFE000;
    internal const int Shift = 13;
    /// <summary>2^112: 127 − 15.</summary>
    internal const float Scale = 5.192296858534828e33f;
}

namespace Gpt35.Kernels;

/// <summary>
/// Arithmetic on the lanes of one vector type: what a kernel needs of a tier. The JIT compiles each kernel once per
/// implementing struct, with every call below inlined to an instruction.
/// </summary>
internal unsafe interface ILanes<V> where V : unmanaged
{
    static abstract int Count { get; }
    /// <summary>Rows of the main tile of a matrix product: as many as the registers hold at two vectors a row.</summary>
    static abstract int TileRows { get; }

    static abstract V Create(float value);
    static abstract V Load(float* from);
    /// <summary>Numbers of 16 bits, each the upper half of its float.</summary>
    static abstract V LoadBFloat16(ushort* from);
    /// <summary>Whole numbers of 8 bits, as floats.</summary>
    static abstract V LoadInt8(sbyte* from);
    static abstract void Store(float* to, V value);

    static abstract V Add(V x, V y);
    static abstract V Subtract(V x, V y);
    static abstract V Multiply(V x, V y);
    static abstract V Divide(V x, V y);
    /// <summary>x·y + z, rounded once.</summary>
    static abstract V MultiplyAdd(V x, V y, V z);
    static abstract V Sqrt(V x);
    /// <summary>The smaller; y where either is NaN.</summary>
    static abstract V Min(V x, V y);
    /// <summary>The larger; y where either is NaN.</summary>
    static abstract V Max(V x, V y);
    /// <summary>Sum over the lanes, in an order fixed by the tier.</summary>
    static abstract float Sum(V x);
    /// <summary>Largest lane.</summary>
    static abstract float Max(V x);

    /// <summary>All bits set in the lanes where x &lt; y.</summary>
    static abstract V Less(V x, V y);
    /// <summary>All bits set in lanes 0 … n − 1.</summary>
    static abstract V FirstLanes(int n);
    /// <summary>x where the mask is set, y elsewhere.</summary>
    static abstract V Select(V mask, V x, V y);

    /// <summary>The bits of start, start + 1, … as unsigned integers.</summary>
    static abstract V Counters(uint start);
    static abstract V CreateBits(uint bits);
    static abstract V AddBits(V x, V y);
    static abstract V XorBits(V x, V y);
    static abstract V MultiplyBits(V x, V y);
    static abstract V ShiftLeft(V x, int bits);
    static abstract V ShiftRight(V x, int bits);
    /// <summary>All bits set in the lanes where x &lt; y as unsigned integers.</summary>
    static abstract V LessBits(V x, V y);
}

using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// Weights in blocks of 32 along a row, one F16 scale each: w = d·(u − ZeroPoint) with u unsigned. In memory a block of as many rows as a vector
/// has lanes lies together, four numbers of each row in its lane: one step of the product is one vector.
/// </summary>
internal unsafe interface IBlockFormat
{
    static abstract int ZeroPoint { get; }
    /// <summary>Bytes of the whole numbers of a block.</summary>
    static abstract int Bytes { get; }
    /// <summary>Numbers 4·s … 4·s + 3 of a block, of each lane's row, as unsigned bytes.</summary>
    static abstract V Step<W, V, D>(byte* block, int s) where W : struct, ILanes<V> where V : unmanaged where D : struct, IDotLanes<V>;
    /// <summary>A byte of a stored block as the product wants it.</summary>
    static abstract byte FromStored(byte stored);
    /// <summary>Number i of a block, by its bytes in stored order.</summary>
    static abstract int Value(ReadOnlySpan<byte> block, int i);
}

/// <summary>Q8_0: signed bytes, kept with 128 added.</summary>
internal readonly unsafe struct Int8Blocks : IBlockFormat
{
    public static int ZeroPoint => 128;
    public static int Bytes => BlockShape.Size;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Step<W, V, D>(byte* block, int s) where W : struct, ILanes<V> where V : unmanaged where D : struct, IDotLanes<V> =>
        W.Load((float*)(block + s * 4 * W.Count));

    public static byte FromStored(byte stored) => (byte)(stored ^ 0x80);
    public static int Value(ReadOnlySpan<byte> block, int i) => block[i] - ZeroPoint;
}

/// <summary>Q4_0: nibbles with 8 added, the first half of the block in the low ones.</summary>
internal readonly unsafe struct Int4Blocks : IBlockFormat
{
    public static int ZeroPoint => 8;
    public static int Bytes => BlockShape.Size / 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Step<W, V, D>(byte* block, int s) where W : struct, ILanes<V> where V : unmanaged where D : struct, IDotLanes<V> =>
        D.Nibbles(W.Load((float*)(block + (s & 3) * 4 * W.Count)), s & 4);

    public static byte FromStored(byte stored) => stored;
    public static int Value(ReadOnlySpan<byte> block, int i) => (block[i % 16] >> (i / 16 * 4) & 0xF) - ZeroPoint;
}

/// <summary>A block of numbers that share a scale.</summary>
internal static class BlockShape
{
    /// <summary>Numbers in a block.</summary>
    internal const int Size = 32;
    /// <summary>Numbers that a lane takes at a time.</summary>
    internal const int Step = 4;
    internal const int Steps = Size / Step;
}

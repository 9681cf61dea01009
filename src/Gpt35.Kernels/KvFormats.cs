using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>How numbers of a cache are written and read.</summary>
internal unsafe interface IKvFormat
{
    /// <summary>Whether a number counts times the scale of its token and head.</summary>
    static abstract bool HasScales { get; }

    /// <summary>Numbers index … index + Count − 1, without their scale.</summary>
    static abstract V Load<W, V>(byte* numbers, nint index) where W : struct, ILanes<V> where V : unmanaged;

    /// <summary>Writes x to numbers index, index + stride, …</summary>
    /// <returns>The scale.</returns>
    static abstract float Write(float* x, int size, byte* numbers, nint index, nint stride);
}

/// <summary><see cref="KvPrecision.F32"/>.</summary>
internal readonly unsafe struct KvF32 : IKvFormat
{
    public static bool HasScales => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<W, V>(byte* numbers, nint index) where W : struct, ILanes<V> where V : unmanaged => W.Load((float*)numbers + index);

    public static float Write(float* x, int size, byte* numbers, nint index, nint stride)
    {
        var to = (float*)numbers + index;
        for (var i = 0; i < size; i++, to += stride) *to = x[i];
        return 1;
    }
}

/// <summary><see cref="KvPrecision.BF16"/>.</summary>
internal readonly unsafe struct KvBFloat16 : IKvFormat
{
    public static bool HasScales => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<W, V>(byte* numbers, nint index) where W : struct, ILanes<V> where V : unmanaged => W.LoadBFloat16((ushort*)numbers + index);

    public static float Write(float* x, int size, byte* numbers, nint index, nint stride)
    {
        var to = (ushort*)numbers + index;
        for (var i = 0; i < size; i++, to += stride)
        {
            var bits = BitConverter.SingleToUInt32Bits(x[i]);
            *to = (ushort)(float.IsNaN(x[i]) ? 0x7FC0 : bits + 0x7FFF + (bits >> 16 & 1) >> 16);
        }
        return 1;
    }
}

/// <summary><see cref="KvPrecision.Int8"/>.</summary>
internal readonly unsafe struct KvInt8 : IKvFormat
{
    /// <summary>Below this everything is 0; 127/max|x| must be a number.</summary>
    private const float Least = 1e-30f;

    public static bool HasScales => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<W, V>(byte* numbers, nint index) where W : struct, ILanes<V> where V : unmanaged => W.LoadInt8((sbyte*)numbers + index);

    public static float Write(float* x, int size, byte* numbers, nint index, nint stride)
    {
        var to = (sbyte*)numbers + index;
        // Of numbers without their sign the bits rise with the value, and those that are not finite come last.
        uint bits = 0;
        for (var i = 0; i < size; i++) bits = Math.Max(bits, BitConverter.SingleToUInt32Bits(x[i]) & 0x7FFFFFFF);
        var most = BitConverter.UInt32BitsToSingle(bits);
        var inverse = most >= Least && float.IsFinite(most) ? 127 / most : 0;
        // Adding 1.5·2^23 rounds to a whole number, ties to even, which then sits in the low bits.
        for (var i = 0; i < size; i++, to += stride) *to = (sbyte)BitConverter.SingleToInt32Bits(x[i] * inverse + 12582912f);
        // What is not a number, or not finite, must not come back as one.
        return inverse > 0 ? most / 127 : most < Least ? 0 : float.NaN;
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>
/// AVX-512BW: bytes widen to 16 bits and meet in <c>vpmaddwd</c>, which cannot saturate. That is as many instructions a product as
/// <c>vpmaddubsw</c> needs with its signs moved from weight to input, because the widening is shared by all inputs.
/// </summary>
internal readonly unsafe struct Dots512 : IDotLanes<Vector512<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int StepBytes => 8;

    [MethodImpl(Inline)] public static void StoreStep(int* four, byte* step) => PairedStep.Store(four, step);

    [MethodImpl(Inline)]
    public static Vector512<float> Nibbles(Vector512<float> x, int shift) => ((x.AsUInt32() >>> shift) & Vector512.Create(0x0F0F0F0Fu)).AsSingle();

    [MethodImpl(Inline)] public static Vector512<float> Even(Vector512<float> bytes) => (bytes.AsUInt32() & Vector512.Create(0x00FF00FFu)).AsSingle();
    [MethodImpl(Inline)] public static Vector512<float> Odd(Vector512<float> bytes) => (bytes.AsUInt16() >>> 8).AsSingle();

    [MethodImpl(Inline)]
    public static Vector512<float> Dot(Vector512<float> sum, Vector512<float> even, Vector512<float> odd, byte* step)
    {
        var first = Avx512BW.MultiplyAddAdjacent(even.AsInt16(), Vector512.Create(*(int*)step).AsInt16());
        var second = Avx512BW.MultiplyAddAdjacent(odd.AsInt16(), Vector512.Create(*(int*)(step + 4)).AsInt16());
        return (sum.AsInt32() + first + second).AsSingle();
    }

    [MethodImpl(Inline)] public static Vector512<float> ToFloat(Vector512<float> whole) => Vector512.ConvertToSingle(whole.AsInt32());

    [MethodImpl(Inline)]
    public static Vector512<float> LoadHalf(ushort* from)
    {
        var wide = Avx512F.ConvertToVector512Int32(Vector256.Load((short*)from));
        return ((wide << HalfBits.Shift).AsUInt32() & Vector512.Create(HalfBits.Mask)).AsSingle() * HalfBits.Scale;
    }
}

/// <summary>Four whole numbers as two pairs of 16 bits: the first and the third, which the even bytes of a lane meet, then the others.</summary>
internal static unsafe class PairedStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(int* four, byte* step)
    {
        *(int*)step = (four[0] & 0xFFFF) | four[2] << 16;
        *(int*)(step + 4) = (four[1] & 0xFFFF) | four[3] << 16;
    }
}

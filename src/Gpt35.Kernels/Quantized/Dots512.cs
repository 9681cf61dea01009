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
    public static bool TakesPanels => true;

    [MethodImpl(Inline)] public static void StoreStep(Vector128<int> four, byte* step, int width) => PairedStep.Store(four, step, width);

    [MethodImpl(Inline)]
    public static Vector512<float> Nibbles(Vector512<float> x, int shift) => ((x.AsUInt32() >>> shift) & Vector512.Create(0x0F0F0F0Fu)).AsSingle();

    [MethodImpl(Inline)] public static Vector512<float> Even(Vector512<float> bytes) => (bytes.AsUInt32() & Vector512.Create(0x00FF00FFu)).AsSingle();
    [MethodImpl(Inline)] public static Vector512<float> Odd(Vector512<float> bytes) => (bytes.AsUInt16() >>> 8).AsSingle();

    [MethodImpl(Inline)]
    public static Vector512<float> Dot(Vector512<float> sum, Vector512<float> even, Vector512<float> odd, byte* step, int width)
    {
        var first = Avx512BW.MultiplyAddAdjacent(even.AsInt16(), Vector512.Create(*(int*)step).AsInt16());
        var second = Avx512BW.MultiplyAddAdjacent(odd.AsInt16(), Vector512.Create(((int*)step)[width]).AsInt16());
        return (sum.AsInt32() + first + second).AsSingle();
    }

    [MethodImpl(Inline)]
    public static void DotTwo(ref Vector512<float> first, ref Vector512<float> second, Vector512<float> even, Vector512<float> odd, byte* step, int width)
    {
        var inputs = (int*)step;
        Vector512<float> p = MultiplyPairs(even, Vector512.Create(inputs[0]).AsSingle()), q = MultiplyPairs(even, Vector512.Create(inputs[1]).AsSingle());
        first = Lanes512.AddBits(first, p);
        second = Lanes512.AddBits(second, q);
        p = MultiplyPairs(odd, Vector512.Create(inputs[width]).AsSingle());
        q = MultiplyPairs(odd, Vector512.Create(inputs[width + 1]).AsSingle());
        first = Lanes512.AddBits(first, p);
        second = Lanes512.AddBits(second, q);
    }

    [MethodImpl(Inline)]
    public static Vector512<float> MultiplyPairs(Vector512<float> x, Vector512<float> y) => Avx512BW.MultiplyAddAdjacent(x.AsInt16(), y.AsInt16()).AsSingle();

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
    internal static void Store(Vector128<int> four, byte* step, int width)
    {
        var pairs = (four & Vector128.Create(0xFFFF)) | (Vector128.Shuffle(four, Vector128.Create(2, 3, 2, 3)) << 16);
        ((int*)step)[0] = pairs[0];
        ((int*)step)[width] = pairs[1];
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>AVX2: as <see cref="Dots512"/>, at half the width.</summary>
internal readonly unsafe struct Dots256 : IDotLanes<Vector256<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int StepBytes => 8;
    public static bool TakesPanels => false;

    [MethodImpl(Inline)] public static void StoreStep(Vector128<int> four, byte* step, int width) => PairedStep.Store(four, step, width);

    [MethodImpl(Inline)]
    public static Vector256<float> Nibbles(Vector256<float> x, int shift) => ((x.AsUInt32() >>> shift) & Vector256.Create(0x0F0F0F0Fu)).AsSingle();

    [MethodImpl(Inline)] public static Vector256<float> Even(Vector256<float> bytes) => (bytes.AsUInt32() & Vector256.Create(0x00FF00FFu)).AsSingle();
    [MethodImpl(Inline)] public static Vector256<float> Odd(Vector256<float> bytes) => (bytes.AsUInt16() >>> 8).AsSingle();

    [MethodImpl(Inline)]
    public static Vector256<float> Dot(Vector256<float> sum, Vector256<float> even, Vector256<float> odd, byte* step, int width)
    {
        var first = Avx2.MultiplyAddAdjacent(even.AsInt16(), Vector256.Create(*(int*)step).AsInt16());
        var second = Avx2.MultiplyAddAdjacent(odd.AsInt16(), Vector256.Create(((int*)step)[width]).AsInt16());
        return (sum.AsInt32() + first + second).AsSingle();
    }

    [MethodImpl(Inline)]
    public static void DotTwo(ref Vector256<float> first, ref Vector256<float> second, Vector256<float> even, Vector256<float> odd, byte* step, int width)
    {
        first = Dot(first, even, odd, step, width);
        second = Dot(second, even, odd, step + sizeof(int), width);
    }

    [MethodImpl(Inline)]
    public static Vector256<float> MultiplyPairs(Vector256<float> x, Vector256<float> y) => Avx2.MultiplyAddAdjacent(x.AsInt16(), y.AsInt16()).AsSingle();

    [MethodImpl(Inline)] public static Vector256<float> ToFloat(Vector256<float> whole) => Vector256.ConvertToSingle(whole.AsInt32());

    [MethodImpl(Inline)]
    public static Vector256<float> LoadHalf(ushort* from)
    {
        var wide = Avx2.ConvertToVector256Int32(Vector128.Load((short*)from));
        return ((wide << HalfBits.Shift).AsUInt32() & Vector256.Create(HalfBits.Mask)).AsSingle() * HalfBits.Scale;
    }
}

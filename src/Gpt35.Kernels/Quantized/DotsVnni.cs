using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>AVX-VNNI at 256 bits: <c>vpdpbusd</c> multiplies four unsigned by four signed bytes and adds them up in one instruction, without saturation.</summary>
internal readonly unsafe struct DotsVnni : IDotLanes<Vector256<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int StepBytes => 4;
    public static bool TakesPanels => false;

    [MethodImpl(Inline)]
    public static void StoreStep(Vector128<int> four, byte* step, int width) =>
        *(uint*)step = (byte)four[0] | (uint)(byte)four[1] << 8 | (uint)(byte)four[2] << 16 | (uint)(byte)four[3] << 24;

    [MethodImpl(Inline)] public static Vector256<float> Nibbles(Vector256<float> x, int shift) => Dots256.Nibbles(x, shift);
    [MethodImpl(Inline)] public static Vector256<float> Even(Vector256<float> bytes) => bytes;
    [MethodImpl(Inline)] public static Vector256<float> Odd(Vector256<float> bytes) => bytes;

    [MethodImpl(Inline)]
    public static Vector256<float> Dot(Vector256<float> sum, Vector256<float> even, Vector256<float> odd, byte* step, int width) =>
        AvxVnni.MultiplyWideningAndAdd(sum.AsInt32(), even.AsByte(), Vector256.Create(*(int*)step).AsSByte()).AsSingle();

    [MethodImpl(Inline)]
    public static void DotTwo(ref Vector256<float> first, ref Vector256<float> second, Vector256<float> even, Vector256<float> odd, byte* step, int width)
    {
        first = Dot(first, even, odd, step, width);
        second = Dot(second, even, odd, step + sizeof(int), width);
    }

    [MethodImpl(Inline)] public static Vector256<float> MultiplyPairs(Vector256<float> x, Vector256<float> y) => Dots256.MultiplyPairs(x, y);
    [MethodImpl(Inline)] public static Vector256<float> ToFloat(Vector256<float> whole) => Dots256.ToFloat(whole);
    [MethodImpl(Inline)] public static Vector256<float> LoadHalf(ushort* from) => Dots256.LoadHalf(from);
}

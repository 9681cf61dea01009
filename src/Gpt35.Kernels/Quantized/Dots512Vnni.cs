using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>AVX512-VNNI: bytes as they are, multiplied by <see cref="VnniKernels"/>. What stands here says what those compute.</summary>
internal readonly unsafe struct Dots512Vnni : IDotLanes<Vector512<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int StepBytes => 4;
    public static bool TakesPanels => false;

    [MethodImpl(Inline)]
    public static void StoreStep(Vector128<int> four, byte* step, int width) => *(int*)step = Vector128.Narrow(Vector128.Narrow(four, four), Vector128<short>.Zero).AsInt32()[0];

    /// <summary>Keeps the 32 whole numbers of a block as eight times <see cref="StoreStep"/> does, and returns their sum.</summary>
    [MethodImpl(Inline)]
    internal static int StoreBlock(int* whole, int zeroPoint, byte* step, int width)
    {
        Vector512<int> low = Vector512.Load(whole), high = Vector512.Load(whole + 16), zero = Vector512.Create(zeroPoint);
        var bytes = Vector256.Create(Avx512F.ConvertToVector128SByte(low + zero), Avx512F.ConvertToVector128SByte(high + zero)).AsInt32();
        if (width == 1) bytes.Store((int*)step);
        else
            for (var i = 0; i < BlockShape.Steps; i++, step += width * sizeof(int)) *(int*)step = bytes[i];
        return Vector512.Sum(low + high);
    }

    [MethodImpl(Inline)] public static Vector512<float> Nibbles(Vector512<float> x, int shift) => Dots512.Nibbles(x, shift);
    [MethodImpl(Inline)] public static Vector512<float> Even(Vector512<float> bytes) => Dots512.Even(bytes);
    [MethodImpl(Inline)] public static Vector512<float> Odd(Vector512<float> bytes) => Dots512.Odd(bytes);

    [MethodImpl(Inline)]
    public static Vector512<float> Dot(Vector512<float> sum, Vector512<float> even, Vector512<float> odd, byte* step, int width)
    {
        var signed = Vector512.Create(*(int*)step).AsInt16();
        return Lanes512.AddBits(Lanes512.AddBits(sum, MultiplyPairs(even, ((signed << 8) >> 8).AsSingle())), MultiplyPairs(odd, (signed >> 8).AsSingle()));
    }

    [MethodImpl(Inline)]
    public static void DotTwo(ref Vector512<float> first, ref Vector512<float> second, Vector512<float> even, Vector512<float> odd, byte* step, int width)
    {
        first = Dot(first, even, odd, step, width);
        second = Dot(second, even, odd, step + sizeof(int), width);
    }

    [MethodImpl(Inline)] public static Vector512<float> MultiplyPairs(Vector512<float> x, Vector512<float> y) => Dots512.MultiplyPairs(x, y);
    [MethodImpl(Inline)] public static Vector512<float> ToFloat(Vector512<float> whole) => Dots512.ToFloat(whole);
    [MethodImpl(Inline)] public static Vector512<float> LoadHalf(ushort* from) => Dots512.LoadHalf(from);
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>Any processor: bytes widen to 32 bits.</summary>
internal readonly unsafe struct Dots128 : IDotLanes<Vector128<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int StepBytes => 8;
    public static bool TakesPanels => false;

    [MethodImpl(Inline)] public static void StoreStep(Vector128<int> four, byte* step, int width) => PairedStep.Store(four, step, width);

    [MethodImpl(Inline)]
    public static Vector128<float> Nibbles(Vector128<float> x, int shift) => ((x.AsUInt32() >>> shift) & Vector128.Create(0x0F0F0F0Fu)).AsSingle();

    [MethodImpl(Inline)] public static Vector128<float> Even(Vector128<float> bytes) => (bytes.AsUInt32() & Vector128.Create(0x00FF00FFu)).AsSingle();
    [MethodImpl(Inline)] public static Vector128<float> Odd(Vector128<float> bytes) => (bytes.AsUInt16() >>> 8).AsSingle();

    [MethodImpl(Inline)]
    public static Vector128<float> Dot(Vector128<float> sum, Vector128<float> even, Vector128<float> odd, byte* step, int width)
    {
        short* first = (short*)step, second = first + 2 * width;
        return (sum.AsInt32() + Low(even) * first[0] + High(even) * first[1] + Low(odd) * second[0] + High(odd) * second[1]).AsSingle();
    }

    [MethodImpl(Inline)]
    public static void DotTwo(ref Vector128<float> first, ref Vector128<float> second, Vector128<float> even, Vector128<float> odd, byte* step, int width)
    {
        first = Dot(first, even, odd, step, width);
        second = Dot(second, even, odd, step + sizeof(int), width);
    }

    [MethodImpl(Inline)]
    public static Vector128<float> MultiplyPairs(Vector128<float> x, Vector128<float> y) =>
        (((x.AsInt32() << 16) >> 16) * ((y.AsInt32() << 16) >> 16) + (x.AsInt32() >> 16) * (y.AsInt32() >> 16)).AsSingle();

    [MethodImpl(Inline)] public static Vector128<float> ToFloat(Vector128<float> whole) => Vector128.ConvertToSingle(whole.AsInt32());

    [MethodImpl(Inline)]
    public static Vector128<float> LoadHalf(ushort* from)
    {
        var wide = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(long*)from).AsInt16());
        return ((wide << HalfBits.Shift).AsUInt32() & Vector128.Create(HalfBits.Mask)).AsSingle() * HalfBits.Scale;
    }

    [MethodImpl(Inline)] private static Vector128<int> Low(Vector128<float> pairs) => pairs.AsInt32() & Vector128.Create(0xFFFF);
    [MethodImpl(Inline)] private static Vector128<int> High(Vector128<float> pairs) => pairs.AsInt32() >>> 16;
}

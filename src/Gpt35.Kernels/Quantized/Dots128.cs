using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>Any processor: bytes widen to 32 bits.</summary>
internal readonly unsafe struct Dots128 : IDotLanes<Vector128<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int StepBytes => 8;

    [MethodImpl(Inline)] public static void StoreStep(int* four, byte* step) => PairedStep.Store(four, step);

    [MethodImpl(Inline)]
    public static Vector128<float> Nibbles(Vector128<float> x, int shift) => ((x.AsUInt32() >>> shift) & Vector128.Create(0x0F0F0F0Fu)).AsSingle();

    [MethodImpl(Inline)] public static Vector128<float> Even(Vector128<float> bytes) => (bytes.AsUInt32() & Vector128.Create(0x00FF00FFu)).AsSingle();
    [MethodImpl(Inline)] public static Vector128<float> Odd(Vector128<float> bytes) => (bytes.AsUInt16() >>> 8).AsSingle();

    [MethodImpl(Inline)]
    public static Vector128<float> Dot(Vector128<float> sum, Vector128<float> even, Vector128<float> odd, byte* step)
    {
        var pairs = (short*)step;
        return (sum.AsInt32() + Low(even) * pairs[0] + High(even) * pairs[1] + Low(odd) * pairs[2] + High(odd) * pairs[3]).AsSingle();
    }

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

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>Four lanes on any processor; without fused multiply-add in hardware the runtime computes the same bits in software.</summary>
internal readonly unsafe struct Lanes128 : ILanes<Vector128<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int Count => 4;
    public static int TileRows => 6;

    [MethodImpl(Inline)] public static Vector128<float> Create(float value) => Vector128.Create(value);
    [MethodImpl(Inline)] public static Vector128<float> Load(float* from) => Vector128.Load(from);
    [MethodImpl(Inline)]
    public static Vector128<float> LoadBFloat16(ushort* from) => (Vector128.WidenLower(Vector128.CreateScalar(*(ulong*)from).AsUInt16()) << 16).AsSingle();
    [MethodImpl(Inline)]
    public static Vector128<float> LoadInt8(sbyte* from) => Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalar(*(uint*)from).AsSByte())));
    [MethodImpl(Inline)] public static void Store(float* to, Vector128<float> value) => Vector128.Store(value, to);

    [MethodImpl(Inline)] public static Vector128<float> Add(Vector128<float> x, Vector128<float> y) => x + y;
    [MethodImpl(Inline)] public static Vector128<float> Subtract(Vector128<float> x, Vector128<float> y) => x - y;
    [MethodImpl(Inline)] public static Vector128<float> Multiply(Vector128<float> x, Vector128<float> y) => x * y;
    [MethodImpl(Inline)] public static Vector128<float> Divide(Vector128<float> x, Vector128<float> y) => x / y;
    [MethodImpl(Inline)]
    public static Vector128<float> MultiplyAdd(Vector128<float> x, Vector128<float> y, Vector128<float> z) => Vector128.FusedMultiplyAdd(x, y, z);
    [MethodImpl(Inline)] public static Vector128<float> Sqrt(Vector128<float> x) => Vector128.Sqrt(x);
    [MethodImpl(Inline)] public static Vector128<float> Min(Vector128<float> x, Vector128<float> y) => Vector128.MinNative(x, y);
    [MethodImpl(Inline)] public static Vector128<float> Max(Vector128<float> x, Vector128<float> y) => Vector128.MaxNative(x, y);
    [MethodImpl(Inline)] public static float Sum(Vector128<float> x) => Vector128.Sum(x);
    [MethodImpl(Inline)] public static float Max(Vector128<float> x) => Math.Max(Math.Max(x[0], x[1]), Math.Max(x[2], x[3]));

    [MethodImpl(Inline)] public static Vector128<float> Less(Vector128<float> x, Vector128<float> y) => Vector128.LessThan(x, y);
    [MethodImpl(Inline)]
    public static Vector128<float> FirstLanes(int n) => Vector128.LessThan(Vector128<int>.Indices, Vector128.Create(n)).AsSingle();
    [MethodImpl(Inline)]
    public static Vector128<float> Select(Vector128<float> mask, Vector128<float> x, Vector128<float> y) => Vector128.ConditionalSelect(mask, x, y);

    [MethodImpl(Inline)] public static Vector128<float> Counters(uint start) => (Vector128<uint>.Indices + Vector128.Create(start)).AsSingle();
    [MethodImpl(Inline)] public static Vector128<float> CreateBits(uint bits) => Vector128.Create(bits).AsSingle();
    [MethodImpl(Inline)]
    public static Vector128<float> AddBits(Vector128<float> x, Vector128<float> y) => (x.AsUInt32() + y.AsUInt32()).AsSingle();
    [MethodImpl(Inline)]
    public static Vector128<float> XorBits(Vector128<float> x, Vector128<float> y) => (x.AsUInt32() ^ y.AsUInt32()).AsSingle();
    [MethodImpl(Inline)]
    public static Vector128<float> MultiplyBits(Vector128<float> x, Vector128<float> y) => (x.AsUInt32() * y.AsUInt32()).AsSingle();
    [MethodImpl(Inline)] public static Vector128<float> ShiftLeft(Vector128<float> x, int bits) => (x.AsUInt32() << bits).AsSingle();
    [MethodImpl(Inline)] public static Vector128<float> ShiftRight(Vector128<float> x, int bits) => (x.AsUInt32() >>> bits).AsSingle();
    [MethodImpl(Inline)]
    public static Vector128<float> LessBits(Vector128<float> x, Vector128<float> y) => Vector128.LessThan(x.AsUInt32(), y.AsUInt32()).AsSingle();
}

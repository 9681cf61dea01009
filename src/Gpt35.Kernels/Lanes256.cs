using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>AVX2 with FMA: 8 lanes, 16 registers.</summary>
internal readonly unsafe struct Lanes256 : ILanes<Vector256<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int Count => 8;
    public static int TileRows => 6;

    [MethodImpl(Inline)] public static Vector256<float> Create(float value) => Vector256.Create(value);
    [MethodImpl(Inline)] public static Vector256<float> Load(float* from) => Vector256.Load(from);
    [MethodImpl(Inline)]
    public static Vector256<float> LoadBFloat16(ushort* from) => (Avx2.ConvertToVector256Int32(Vector128.Load(from)) << 16).AsSingle();
    [MethodImpl(Inline)]
    public static Vector256<float> LoadInt8(sbyte* from) => Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(from));
    [MethodImpl(Inline)] public static void Store(float* to, Vector256<float> value) => Vector256.Store(value, to);

    [MethodImpl(Inline)] public static Vector256<float> Add(Vector256<float> x, Vector256<float> y) => x + y;
    [MethodImpl(Inline)] public static Vector256<float> Subtract(Vector256<float> x, Vector256<float> y) => x - y;
    [MethodImpl(Inline)] public static Vector256<float> Multiply(Vector256<float> x, Vector256<float> y) => x * y;
    [MethodImpl(Inline)] public static Vector256<float> Divide(Vector256<float> x, Vector256<float> y) => x / y;
    [MethodImpl(Inline)]
    public static Vector256<float> MultiplyAdd(Vector256<float> x, Vector256<float> y, Vector256<float> z) => Vector256.FusedMultiplyAdd(x, y, z);
    [MethodImpl(Inline)] public static Vector256<float> Sqrt(Vector256<float> x) => Vector256.Sqrt(x);
    [MethodImpl(Inline)] public static Vector256<float> Min(Vector256<float> x, Vector256<float> y) => Vector256.MinNative(x, y);
    [MethodImpl(Inline)] public static Vector256<float> Max(Vector256<float> x, Vector256<float> y) => Vector256.MaxNative(x, y);
    [MethodImpl(Inline)] public static float Sum(Vector256<float> x) => Vector256.Sum(x);
    [MethodImpl(Inline)] public static float Max(Vector256<float> x) => Lanes128.Max(Lanes128.Max(x.GetLower(), x.GetUpper()));

    [MethodImpl(Inline)] public static Vector256<float> Less(Vector256<float> x, Vector256<float> y) => Vector256.LessThan(x, y);
    [MethodImpl(Inline)]
    public static Vector256<float> FirstLanes(int n) => Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(n)).AsSingle();
    [MethodImpl(Inline)]
    public static Vector256<float> Select(Vector256<float> mask, Vector256<float> x, Vector256<float> y) => Vector256.ConditionalSelect(mask, x, y);

    [MethodImpl(Inline)] public static Vector256<float> Counters(uint start) => (Vector256<uint>.Indices + Vector256.Create(start)).AsSingle();
    [MethodImpl(Inline)] public static Vector256<float> CreateBits(uint bits) => Vector256.Create(bits).AsSingle();
    [MethodImpl(Inline)]
    public static Vector256<float> AddBits(Vector256<float> x, Vector256<float> y) => (x.AsUInt32() + y.AsUInt32()).AsSingle();
    [MethodImpl(Inline)]
    public static Vector256<float> XorBits(Vector256<float> x, Vector256<float> y) => (x.AsUInt32() ^ y.AsUInt32()).AsSingle();
    [MethodImpl(Inline)]
    public static Vector256<float> MultiplyBits(Vector256<float> x, Vector256<float> y) => (x.AsUInt32() * y.AsUInt32()).AsSingle();
    [MethodImpl(Inline)] public static Vector256<float> ShiftLeft(Vector256<float> x, int bits) => (x.AsUInt32() << bits).AsSingle();
    [MethodImpl(Inline)] public static Vector256<float> ShiftRight(Vector256<float> x, int bits) => (x.AsUInt32() >>> bits).AsSingle();
    [MethodImpl(Inline)]
    public static Vector256<float> LessBits(Vector256<float> x, Vector256<float> y) => Vector256.LessThan(x.AsUInt32(), y.AsUInt32()).AsSingle();
}

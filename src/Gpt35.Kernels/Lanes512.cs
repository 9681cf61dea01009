using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>AVX-512: 16 lanes, 32 registers.</summary>
internal readonly unsafe struct Lanes512 : ILanes<Vector512<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int Count => 16;
    public static int TileRows => 12;

    [MethodImpl(Inline)] public static Vector512<float> Create(float value) => Vector512.Create(value);
    [MethodImpl(Inline)] public static Vector512<float> Load(float* from) => Vector512.Load(from);
    [MethodImpl(Inline)]
    public static Vector512<float> LoadBFloat16(ushort* from) => (Avx512F.ConvertToVector512UInt32(Vector256.Load(from)) << 16).AsSingle();
    [MethodImpl(Inline)]
    public static Vector512<float> LoadInt8(sbyte* from) => Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(from)));
    [MethodImpl(Inline)] public static void Store(float* to, Vector512<float> value) => Vector512.Store(value, to);

    [MethodImpl(Inline)] public static Vector512<float> Add(Vector512<float> x, Vector512<float> y) => x + y;
    [MethodImpl(Inline)] public static Vector512<float> Subtract(Vector512<float> x, Vector512<float> y) => x - y;
    [MethodImpl(Inline)] public static Vector512<float> Multiply(Vector512<float> x, Vector512<float> y) => x * y;
    [MethodImpl(Inline)] public static Vector512<float> Divide(Vector512<float> x, Vector512<float> y) => x / y;
    [MethodImpl(Inline)]
    public static Vector512<float> MultiplyAdd(Vector512<float> x, Vector512<float> y, Vector512<float> z) => Vector512.FusedMultiplyAdd(x, y, z);
    [MethodImpl(Inline)] public static Vector512<float> Sqrt(Vector512<float> x) => Vector512.Sqrt(x);
    [MethodImpl(Inline)] public static Vector512<float> Min(Vector512<float> x, Vector512<float> y) => Vector512.MinNative(x, y);
    [MethodImpl(Inline)] public static Vector512<float> Max(Vector512<float> x, Vector512<float> y) => Vector512.MaxNative(x, y);
    [MethodImpl(Inline)] public static float Sum(Vector512<float> x) => Vector512.Sum(x);
    [MethodImpl(Inline)] public static float Max(Vector512<float> x) => Lanes256.Max(Lanes256.Max(x.GetLower(), x.GetUpper()));

    [MethodImpl(Inline)] public static Vector512<float> Less(Vector512<float> x, Vector512<float> y) => Vector512.LessThan(x, y);
    [MethodImpl(Inline)]
    public static Vector512<float> FirstLanes(int n) => Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(n)).AsSingle();
    [MethodImpl(Inline)]
    public static Vector512<float> Select(Vector512<float> mask, Vector512<float> x, Vector512<float> y) => Vector512.ConditionalSelect(mask, x, y);

    [MethodImpl(Inline)] public static Vector512<float> Counters(uint start) => (Vector512<uint>.Indices + Vector512.Create(start)).AsSingle();
    [MethodImpl(Inline)] public static Vector512<float> CreateBits(uint bits) => Vector512.Create(bits).AsSingle();
    [MethodImpl(Inline)]
    public static Vector512<float> AddBits(Vector512<float> x, Vector512<float> y) => (x.AsUInt32() + y.AsUInt32()).AsSingle();
    [MethodImpl(Inline)]
    public static Vector512<float> XorBits(Vector512<float> x, Vector512<float> y) => (x.AsUInt32() ^ y.AsUInt32()).AsSingle();
    [MethodImpl(Inline)]
    public static Vector512<float> MultiplyBits(Vector512<float> x, Vector512<float> y) => (x.AsUInt32() * y.AsUInt32()).AsSingle();
    [MethodImpl(Inline)] public static Vector512<float> ShiftLeft(Vector512<float> x, int bits) => (x.AsUInt32() << bits).AsSingle();
    [MethodImpl(Inline)] public static Vector512<float> ShiftRight(Vector512<float> x, int bits) => (x.AsUInt32() >>> bits).AsSingle();
    [MethodImpl(Inline)]
    public static Vector512<float> LessBits(Vector512<float> x, Vector512<float> y) => Vector512.LessThan(x.AsUInt32(), y.AsUInt32()).AsSingle();
}

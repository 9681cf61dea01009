using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>Transposition in registers.</summary>
internal static unsafe class Transpose
{
    internal static bool IsFast => Avx.IsSupported;

    /// <summary>to[j·toStride + i] = from[i·fromStride + j] for i, j &lt; 8. Needs AVX.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Eight(float* from, nint fromStride, float* to, nint toStride)
    {
        // Halves of rows i and i + 4 share a register, so that only in-lane shuffles remain.
        var a = Halves(from, fromStride, 0);
        var b = Halves(from, fromStride, 1);
        var c = Halves(from, fromStride, 2);
        var d = Halves(from, fromStride, 3);
        Four(a, b, c, d, to, toStride);
        a = Halves(from + 4, fromStride, 0);
        b = Halves(from + 4, fromStride, 1);
        c = Halves(from + 4, fromStride, 2);
        d = Halves(from + 4, fromStride, 3);
        Four(a, b, c, d, to + 4 * toStride, toStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(float* from, nint stride, nint row) =>
        Vector256.Create(Vector128.Load(from + row * stride), Vector128.Load(from + (row + 4) * stride));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d, float* to, nint stride)
    {
        Vector256<float> ab = Avx.UnpackLow(a, b), cd = Avx.UnpackLow(c, d);
        Vector256.Store(Avx.Shuffle(ab, cd, 0b01_00_01_00), to);
        Vector256.Store(Avx.Shuffle(ab, cd, 0b11_10_11_10), to + stride);
        ab = Avx.UnpackHigh(a, b);
        cd = Avx.UnpackHigh(c, d);
        Vector256.Store(Avx.Shuffle(ab, cd, 0b01_00_01_00), to + 2 * stride);
        Vector256.Store(Avx.Shuffle(ab, cd, 0b11_10_11_10), to + 3 * stride);
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>
/// A matrix rounded to bfloat16 and laid out for a product: (⌈K/2⌉, width) words of 32 bits, each with numbers k (lower half) and k + 1 (upper half) of
/// a column. Columns of B, or rows of A taken as columns of Aᵀ.
/// </summary>
internal static unsafe class BFloat16Panel
{
    /// <summary>Rows of A in a strip.</summary>
    internal const int Rows = 8;
    /// <summary>Columns of B in a panel. Eight rows by three vectors are 24 sums, and with a row of B 27 of 32 registers.</summary>
    internal const int Columns = Vectors * VectorColumns, Vectors = 3, VectorColumns = 16;

    private const int ColumnsAcross = 4, DepthAcross = 32;
    private const uint QuietNaN = 0x7FC0_0000;

    /// <summary>The nearest bfloat16, ties to the even one, in the lower 16 bits; every not-a-number becomes the same.</summary>
    internal static uint Round(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? QuietNaN >> 16 : (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    }

    /// <summary>Packs a (K, n) view with n ≤ width; columns beyond n, and the number behind an odd K, become zeros.</summary>
    /// <param name="b">(K, n), any strides.</param>
    /// <param name="to">Receives (⌈K/2⌉, width).</param>
    /// <param name="width">Rows of a strip or columns of a panel, a multiple of the lanes.</param>
    /// <param name="tier">What the caller computes in: a strip is narrower than a vector of the widest.</param>
    internal static void Pack<W, V>(Matrix b, uint* to, int width, SimdTier tier) where W : struct, ILanes<V> where V : unmanaged
    {
        if (b.ColumnCount < width) new Span<uint>(to, Simd.Pieces(b.RowCount, 2) * width).Clear();
        int depth = 0, columns = 0;
        if (b.ColumnStride == 1)
        {
            columns = b.ColumnCount / W.Count * W.Count;
            Side<W, V>(b.Data, b.RowStride, b.RowCount, columns, to, width);
        }
        else if (b.RowStride == 1 && tier == SimdTier.Vector512 && Avx512BW.IsSupported)
        {
            depth = b.RowCount / DepthAcross * DepthAcross;
            columns = b.ColumnCount / ColumnsAcross * ColumnsAcross;
            for (var j = 0; j < columns; j += ColumnsAcross) Across(b.Data + (nint)j * b.ColumnStride, b.ColumnStride, depth, to + j, width);
            Elements(b.Columns(0, columns), to, width, depth, 0);
        }
        Elements(b, to, width, 0, columns);
    }

    /// <summary>Columns that lie side by side: two rows make a row of words, lane by lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Side<W, V>(float* from, nint stride, int depth, int columns, uint* to, int width) where W : struct, ILanes<V> where V : unmanaged
    {
        for (; depth > 1; depth -= 2, from += 2 * stride, to += width)
            for (var j = 0; j < columns; j += W.Count)
                W.Store((float*)to + j, W.XorBits(
                    W.ShiftRight(Rounded<W, V>(W.Load(from + j)), 16), W.ShiftLeft(W.ShiftRight(Rounded<W, V>(W.Load(from + stride + j)), 16), 16)));
        if (depth == 1)
            for (var j = 0; j < columns; j += W.Count)
                W.Store((float*)to + j, W.ShiftRight(Rounded<W, V>(W.Load(from + j)), 16));
    }

    /// <summary>Four columns that lie end to end: of 32 numbers of each, two unpackings leave words 4L + i of all four in lane L.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Across(float* from, nint stride, int depth, uint* to, nint width)
    {
        for (var k = 0; k < depth; k += DepthAcross, from += DepthAcross, to += DepthAcross / 2 * width)
        {
            Vector512<uint> a = Words(from), b = Words(from + stride), c = Words(from + 2 * stride), d = Words(from + 3 * stride);
            Vector512<ulong> ab = Avx512F.UnpackLow(a, b).AsUInt64(), cd = Avx512F.UnpackLow(c, d).AsUInt64();
            Scatter(Avx512F.UnpackLow(ab, cd), to, width);
            Scatter(Avx512F.UnpackHigh(ab, cd), to + width, width);
            ab = Avx512F.UnpackHigh(a, b).AsUInt64();
            cd = Avx512F.UnpackHigh(c, d).AsUInt64();
            Scatter(Avx512F.UnpackLow(ab, cd), to + 2 * width, width);
            Scatter(Avx512F.UnpackHigh(ab, cd), to + 3 * width, width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scatter(Vector512<ulong> words, uint* to, nint width)
    {
        var four = words.AsUInt32();
        Vector128.Store(four.GetLower().GetLower(), to);
        Vector128.Store(four.GetLower().GetUpper(), to + 4 * width);
        Vector128.Store(four.GetUpper().GetLower(), to + 8 * width);
        Vector128.Store(four.GetUpper().GetUpper(), to + 12 * width);
    }

    /// <summary>32 numbers as 16 words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Words(float* from)
    {
        var upperHalves = (Vector512<ushort>.Indices << 1) | Vector512<ushort>.One;
        return Avx512BW.PermuteVar32x16x2(Rounded(Vector512.Load(from)).AsUInt16(), upperHalves, Rounded(Vector512.Load(from + 16)).AsUInt16()).AsUInt32();
    }

    // Not by way of the lanes: so many small methods in one are more than the compiler inlines.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Rounded(Vector512<float> x)
    {
        var near = x.AsUInt32() + Vector512.Create(0x7FFFu) + ((x.AsUInt32() >>> 16) & Vector512<uint>.One);
        return Vector512.ConditionalSelect(Vector512.Equals(x, x).AsUInt32(), near, Vector512.Create(QuietNaN));
    }

    /// <summary><see cref="Round"/> in the upper halves; anything in the lower ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Rounded<W, V>(V x) where W : struct, ILanes<V> where V : unmanaged
    {
        var near = W.AddBits(W.AddBits(x, W.CreateBits(0x7FFF)), W.ShiftRight(W.ShiftLeft(x, 15), 31));
        return W.Select(W.LessBits(W.CreateBits(0xFF00_0000), W.ShiftLeft(x, 1)), W.CreateBits(QuietNaN), near);
    }

    /// <summary>Words of rows from <paramref name="row"/>, which is even, and columns from <paramref name="column"/> on, one by one.</summary>
    private static void Elements(Matrix b, uint* to, int width, int row, int column)
    {
        for (var k = row; k < b.RowCount; k += 2)
            for (var j = column; j < b.ColumnCount; j++)
            {
                var at = b.Data + (nint)k * b.RowStride + (nint)j * b.ColumnStride;
                to[(nint)(k / 2) * width + j] = Round(*at) | (k + 1 < b.RowCount ? Round(at[b.RowStride]) << 16 : 0);
            }
    }
}

using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>A tile of C from a strip of A and a panel of B, both as <see cref="BFloat16Panel"/> lays them out.</summary>
internal unsafe interface IBFloat16Tile
{
    /// <summary>c = start + a·b over <paramref name="pairs"/> words, at least one, for 1 … 8 rows and 1 … 3 vectors of 16 columns; <paramref name="next"/> is the tile of C that will follow.</summary>
    static abstract void Multiply(uint* a, uint* b, int pairs, int rows, int vectors, float* start, nint startRow, float* c, nint cRow, float* next);
}

/// <summary>In AVX512-BF16.</summary>
internal readonly unsafe struct BFloat16MachineTile : IBFloat16Tile
{
    public static void Multiply(uint* a, uint* b, int pairs, int rows, int vectors, float* start, nint startRow, float* c, nint cRow, float* next) =>
        BFloat16Kernels.Multiply(a, b, pairs, rows, vectors, start, startRow, c, cRow, next);
}

/// <summary>
/// The same bits by fused multiply-adds, for processors without the instruction. It looks whether a factor or a sum came near the numbers that the instruction takes for zero,
/// and computes such a tile again element by element.
/// </summary>
internal readonly unsafe struct BFloat16LaneTile<W, V> : IBFloat16Tile where W : struct, ILanes<V> where V : unmanaged
{
    /// <summary>Twice the bits of the smallest normal number, its sign shifted out, less one.</summary>
    private const uint Smallest = 0x00FF_FFFF;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(uint* a, uint* b, int pairs, int rows, int vectors, float* start, nint startRow, float* c, nint cRow, float* next)
    {
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < vectors * BFloat16Panel.VectorColumns; j += W.Count)
            {
                float* from = start + i * startRow + j, to = c + i * cRow + j;
                if (!Vector(a + i, b + j, pairs, from, to)) Elements(a + i, b + j, pairs, from, to);
            }
    }

    /// <summary>Stores one vector of sums; false, and nothing stored, if one of them was tiny on the way, or a factor is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool Vector(uint* a, uint* b, int pairs, float* start, float* c)
    {
        V sum = W.Load(start), least = Size(sum);
        for (; pairs > 0; pairs--, a += BFloat16Panel.Rows, b += BFloat16Panel.Columns)
        {
            var words = W.Load((float*)b);
            V upper = W.CreateBits(*a & 0xFFFF_0000), lower = W.CreateBits(*a << 16);
            V upperOfB = W.ShiftLeft(W.ShiftRight(words, 16), 16), lowerOfB = W.ShiftLeft(words, 16);
            least = Lesser(Lesser(Lesser(least, Size(upper)), Lesser(Size(lower), Size(upperOfB))), Size(lowerOfB));
            sum = W.MultiplyAdd(upper, upperOfB, sum);
            least = Lesser(least, Size(sum));
            sum = W.MultiplyAdd(lower, lowerOfB, sum);
            least = Lesser(least, Size(sum));
        }
        var sizes = stackalloc uint[W.Count];
        W.Store((float*)sizes, least);
        for (var lane = 0; lane < W.Count; lane++)
            if (sizes[lane] <= Smallest) return false;
        W.Store(c, sum);
        return true;
    }

    /// <summary>Bits that grow with |x|, those of zero the largest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Size(V x) => W.AddBits(W.ShiftLeft(x, 1), W.CreateBits(uint.MaxValue));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Lesser(V x, V y) => W.Select(W.LessBits(x, y), x, y);

    private static void Elements(uint* a, uint* b, int pairs, float* start, float* c)
    {
        for (var lane = 0; lane < W.Count; lane++)
        {
            var sum = start[lane];
            for (var k = 0; k < pairs; k++) sum = BFloat16Gemm.MultiplyAddPair(a[k * BFloat16Panel.Rows], b[k * BFloat16Panel.Columns + lane], sum);
            c[lane] = sum;
        }
    }
}

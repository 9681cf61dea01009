using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// y_tn = b_n + Σ_k w_nk·x_tk with weights of 16 bits, one chain of fused multiply-adds over k: the bits of <see cref="Gemm"/> on the rounded weights.
/// A lane holds two numbers of its row, k and k + 1.
/// </summary>
internal readonly unsafe struct BFloat16Product<W, V>(BFloat16Weights weights, int inputs) : IProductKernel<V> where W : struct, ILanes<V> where V : unmanaged
{
    /// <summary>Groups of rows that one input meets at a time: a chain waits for itself, several do not.</summary>
    private const int GroupsOfOne = 4;

    public int Together => inputs == 1 ? GroupsOfOne : 1;

    public long TileBytes(int width) => (long)weights.Columns * width * sizeof(float);

    public void Pack(float* x, byte* tile, int width, int place, int first, int end)
    {
        var target = (float*)tile + first * BlockShape.Size * width + place;
        for (var k = first * BlockShape.Size; k < Math.Min(end * BlockShape.Size, weights.Columns); k++, target += width) *target = x == null ? 0 : x[k];
    }

    public byte* Unpack(int group, int groups) => null;

    public void Multiply(int group, int groups, byte* unpacked, byte* tile, int width, V* sums)
    {
        var stride = (nint)weights.PaddedColumns * W.Count;
        var values = weights.Values + group * stride;
        if (groups == GroupsOfOne) FourGroups(values, stride, (float*)tile, weights.Columns, sums);
        else
            for (; groups > 0; groups--, values += stride, sums += InputTiles.Widest)
                switch (width)
                {
                    case 1: *sums = Tile1(values, (float*)tile, weights.Columns, *sums); break;
                    case 4: Tile4(values, (float*)tile, weights.Columns, sums); break;
                    default: Tile8(values, (float*)tile, weights.Columns, sums); break;
                }
    }

    public bool MultiplyInPlace(int group, int groups, byte* tile, float* y) => false;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static V Tile1(ushort* weights, float* x, int columns, V y)
    {
        for (var k = 0; k < columns; k += 2, weights += 2 * W.Count)
        {
            var pair = W.Load((float*)weights);
            y = W.MultiplyAdd(First(pair), W.Create(x[k]), y);
            if (k + 1 < columns) y = W.MultiplyAdd(Second(pair), W.Create(x[k + 1]), y);
        }
        return y;
    }

    /// <summary>One input and four groups of rows, <paramref name="stride"/> numbers apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourGroups(ushort* weights, nint stride, float* x, int columns, V* y)
    {
        V y0 = y[0], y1 = y[InputTiles.Widest], y2 = y[2 * InputTiles.Widest], y3 = y[3 * InputTiles.Widest];
        for (var k = 0; k < columns; k += 2, weights += 2 * W.Count)
        {
            V a = W.Load((float*)weights), b = W.Load((float*)(weights + stride)), c = W.Load((float*)(weights + 2 * stride)), d = W.Load((float*)(weights + 3 * stride));
            var first = W.Create(x[k]);
            y0 = W.MultiplyAdd(First(a), first, y0);
            y1 = W.MultiplyAdd(First(b), first, y1);
            y2 = W.MultiplyAdd(First(c), first, y2);
            y3 = W.MultiplyAdd(First(d), first, y3);
            if (k + 1 == columns) break;
            var second = W.Create(x[k + 1]);
            y0 = W.MultiplyAdd(Second(a), second, y0);
            y1 = W.MultiplyAdd(Second(b), second, y1);
            y2 = W.MultiplyAdd(Second(c), second, y2);
            y3 = W.MultiplyAdd(Second(d), second, y3);
        }
        y[0] = y0;
        y[InputTiles.Widest] = y1;
        y[2 * InputTiles.Widest] = y2;
        y[3 * InputTiles.Widest] = y3;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4(ushort* weights, float* x, int columns, V* y)
    {
        V y0 = y[0], y1 = y[1], y2 = y[2], y3 = y[3];
        for (var k = 0; k < columns; k++, x += 4)
        {
            var w = Half(weights, k);
            y0 = W.MultiplyAdd(w, W.Create(x[0]), y0);
            y1 = W.MultiplyAdd(w, W.Create(x[1]), y1);
            y2 = W.MultiplyAdd(w, W.Create(x[2]), y2);
            y3 = W.MultiplyAdd(w, W.Create(x[3]), y3);
        }
        y[0] = y0;
        y[1] = y1;
        y[2] = y2;
        y[3] = y3;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8(ushort* weights, float* x, int columns, V* y)
    {
        V y0 = y[0], y1 = y[1], y2 = y[2], y3 = y[3], y4 = y[4], y5 = y[5], y6 = y[6], y7 = y[7];
        for (var k = 0; k < columns; k++, x += 8)
        {
            var w = Half(weights, k);
            y0 = W.MultiplyAdd(w, W.Create(x[0]), y0);
            y1 = W.MultiplyAdd(w, W.Create(x[1]), y1);
            y2 = W.MultiplyAdd(w, W.Create(x[2]), y2);
            y3 = W.MultiplyAdd(w, W.Create(x[3]), y3);
            y4 = W.MultiplyAdd(w, W.Create(x[4]), y4);
            y5 = W.MultiplyAdd(w, W.Create(x[5]), y5);
            y6 = W.MultiplyAdd(w, W.Create(x[6]), y6);
            y7 = W.MultiplyAdd(w, W.Create(x[7]), y7);
        }
        y[0] = y0;
        y[1] = y1;
        y[2] = y2;
        y[3] = y3;
        y[4] = y4;
        y[5] = y5;
        y[6] = y6;
        y[7] = y7;
    }

    /// <summary>Number k of every row; pairs share a vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Half(ushort* weights, int k)
    {
        var pair = W.Load((float*)(weights + (nint)(k >> 1) * 2 * W.Count));
        return (k & 1) == 0 ? First(pair) : Second(pair);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V First(V pair) => W.ShiftLeft(pair, 16);

    /// <summary>The upper halves; the lower ones shifted out and zeros back in.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Second(V pair) => W.ShiftLeft(W.ShiftRight(pair, 16), 16);
}

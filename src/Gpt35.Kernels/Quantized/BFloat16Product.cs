using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// y_tn = b_n + Σ_k w_nk·x_tk with weights of 16 bits, one chain of fused multiply-adds over k: the bits of <see cref="Gemm"/> on the rounded weights.
/// A lane holds two numbers of its row, k and k + 1.
/// </summary>
internal static unsafe class BFloat16Product<W, V> where W : struct, ILanes<V> where V : unmanaged
{
    private const int CachedBytes = 256 << 10;
    /// <summary>Groups of rows that one input meets at a time: a chain waits for itself, several do not.</summary>
    private const int GroupsOfOne = 4;

    /// <param name="pool">Threads to use.</param>
    /// <param name="weights">(N, K).</param>
    /// <param name="x">(T, K).</param>
    /// <param name="inputs">T.</param>
    /// <param name="bias">(N,), or null.</param>
    /// <param name="y">Receives (T, N).</param>
    internal static void Multiply(WorkerPool pool, BFloat16Weights weights, float* x, int inputs, float* bias, float* y)
    {
        var tiles = new InputTiles(inputs);
        var alone = weights.IsSmall(inputs);
        var packed = x;                                        // one input is a tile as it is
        if (inputs > 1)
        {
            packed = Scratch.ForCall((long)tiles.Room * weights.Columns);
            var pack = new PackJob(x, weights.Columns, tiles, packed);
            if (alone) pack.RunAll();
            else pool.Run(tiles.Count, pack);
        }
        var groups = Simd.Pieces(weights.Rows, W.Count);
        var groupsEach = alone ? groups : ReducedMatrix.GroupsEach(groups, pool.Threads);
        pool.Run(Simd.Pieces(groups, groupsEach), new MultiplyJob(weights, packed, tiles, groupsEach, bias, y));
    }

    private readonly struct PackJob(float* x, int columns, InputTiles tiles, float* packed) : IParallelJob
    {
        public void RunAll()
        {
            for (var tile = 0; tile < tiles.Count; tile++) Run(tile);
        }

        public void Run(int part)
        {
            int width = tiles.Width(part), filled = tiles.Filled(part);
            float* from = x + (nint)part * InputTiles.Widest * columns, target = packed + (nint)part * InputTiles.Widest * columns;
            for (var k = 0; k < columns; k++, target += width)
                for (var place = 0; place < width; place++) target[place] = place < filled ? from[(nint)place * columns + k] : 0;
        }
    }

    private readonly struct MultiplyJob(BFloat16Weights weights, float* packed, InputTiles tiles, int groupsEach, float* bias, float* y) : IParallelJob
    {
        public void Run(int part)
        {
            var first = part * groupsEach;
            var end = Math.Min(first + groupsEach, Simd.Pieces(weights.Rows, W.Count));
            var tileFloats = (nint)weights.Columns * InputTiles.Widest;
            var tilesAtOnce = (int)Math.Max(1, CachedBytes / (tileFloats * sizeof(float)));
            for (var from = 0; from < tiles.Count; from += tilesAtOnce)
                for (var group = first; group < end; group += GroupsOfOne)
                    for (var tile = from; tile < Math.Min(from + tilesAtOnce, tiles.Count); tile++)
                        Multiply(group, Math.Min(GroupsOfOne, end - group), tile, packed + tile * tileFloats);
        }

        private void Multiply(int group, int groups, int tile, float* inputs)
        {
            var sums = stackalloc V[InputTiles.Widest];
            if (tiles.Width(tile) == 1 && groups == GroupsOfOne)
            {
                for (var i = 0; i < GroupsOfOne; i++) sums[i] = Bias(group + i);
                FourGroups(Weights(group), (nint)weights.PaddedColumns * W.Count, inputs, weights.Columns, sums);
                for (var i = 0; i < GroupsOfOne; i++) Store(group + i, tile, 0, sums[i]);
                return;
            }
            for (var end = group + groups; group < end; group++)
            {
                switch (tiles.Width(tile))
                {
                    case 1: sums[0] = Tile1(Weights(group), inputs, weights.Columns, Bias(group)); break;
                    case 4: Tile4(Weights(group), inputs, weights.Columns, Bias(group), sums); break;
                    default: Tile8(Weights(group), inputs, weights.Columns, Bias(group), sums); break;
                }
                for (var i = 0; i < tiles.Filled(tile); i++) Store(group, tile, i, sums[i]);
            }
        }

        private ushort* Weights(int group) => weights.Values + (nint)group * weights.PaddedColumns * W.Count;

        private V Bias(int group)
        {
            int row = group * W.Count, rows = weights.Rows - row;
            return bias == null ? W.Create(0) : rows >= W.Count ? W.Load(bias + row) : LaneMath<W, V>.LoadFirst(bias + row, rows);
        }

        private void Store(int group, int tile, int place, V sum)
        {
            int row = group * W.Count, rows = weights.Rows - row;
            var target = y + ((nint)tile * InputTiles.Widest + place) * weights.Rows + row;
            if (rows >= W.Count) W.Store(target, sum);
            else LaneMath<W, V>.StoreFirst(target, sum, rows);
        }
    }

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
        V y0 = y[0], y1 = y[1], y2 = y[2], y3 = y[3];
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
        y[1] = y1;
        y[2] = y2;
        y[3] = y3;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4(ushort* weights, float* x, int columns, V start, V* y)
    {
        V y0 = start, y1 = start, y2 = start, y3 = start;
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
    private static void Tile8(ushort* weights, float* x, int columns, V start, V* y)
    {
        V y0 = start, y1 = start, y2 = start, y3 = start, y4 = start, y5 = start, y6 = start, y7 = start;
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

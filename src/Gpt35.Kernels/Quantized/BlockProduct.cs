using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// y_tn = b_n + Σ over blocks of d_n·d_t·Σ q_n·q_t: the inner sum in whole numbers, exact; the outer one a chain of fused multiply-adds from the
/// first block to the last. So an element has the same bits in every tier, whatever the other inputs are and however many threads work.
/// </summary>
/// <remarks>With weights u = q + Z the inner sum is Σ u·q_t − Z·Σ q_t, and the second part is where the sum starts.</remarks>
internal static unsafe class BlockProduct<W, V, D, F>
    where W : struct, ILanes<V> where V : unmanaged where D : struct, IDotLanes<V> where F : struct, IBlockFormat
{
    /// <summary>Bytes of inputs that a thread goes through for one group of rows after the other: they stay in its second-level cache.</summary>
    private const int CachedBytes = 256 << 10;

    private static int BlockBytes => F.Bytes * W.Count;

    /// <param name="pool">Threads to use.</param>
    /// <param name="weights">(N, K).</param>
    /// <param name="x">(T, K).</param>
    /// <param name="inputs">T.</param>
    /// <param name="bias">(N,), or null.</param>
    /// <param name="y">Receives (T, N).</param>
    internal static void Multiply(WorkerPool pool, BlockWeights weights, float* x, int inputs, float* bias, float* y)
    {
        var tiles = new InputTiles(inputs);
        var packed = (byte*)Scratch.ForCall(Simd.Pieces((long)tiles.Room * weights.Blocks * BlockInputs<W, V, D>.BlockBytes(1), sizeof(float)));
        var alone = weights.IsSmall(inputs);
        var pack = new PackJob(x, weights.Blocks, tiles, packed);
        if (alone || inputs == 1) pack.RunAll();
        else pool.Run(tiles.Count, pack);
        var groups = Simd.Pieces(weights.Rows, W.Count);
        var groupsEach = alone ? groups : ReducedMatrix.GroupsEach(groups, pool.Threads);
        pool.Run(Simd.Pieces(groups, groupsEach), new MultiplyJob(weights, packed, tiles, groupsEach, bias, y));
    }

    private readonly struct PackJob(float* x, int blocks, InputTiles tiles, byte* packed) : IParallelJob
    {
        public void RunAll()
        {
            for (var tile = 0; tile < tiles.Count; tile++) Run(tile);
        }

        public void Run(int part)
        {
            int width = tiles.Width(part), filled = tiles.Filled(part);
            var target = packed + (nint)part * blocks * BlockInputs<W, V, D>.BlockBytes(InputTiles.Widest);
            for (var place = 0; place < width; place++)
            {
                var row = place < filled ? x + ((nint)part * InputTiles.Widest + place) * blocks * BlockShape.Size : null;
                BlockInputs<W, V, D>.Quantize(row, blocks, target, width, place);
            }
        }
    }

    private readonly struct MultiplyJob(BlockWeights weights, byte* packed, InputTiles tiles, int groupsEach, float* bias, float* y) : IParallelJob
    {
        public void Run(int part)
        {
            var first = part * groupsEach;
            var end = Math.Min(first + groupsEach, Simd.Pieces(weights.Rows, W.Count));
            var tileBytes = (nint)weights.Blocks * BlockInputs<W, V, D>.BlockBytes(InputTiles.Widest);
            var tilesAtOnce = (int)Math.Max(1, CachedBytes / tileBytes);
            for (var from = 0; from < tiles.Count; from += tilesAtOnce)
                for (var group = first; group < end; group++)
                    for (var tile = from; tile < Math.Min(from + tilesAtOnce, tiles.Count); tile++)
                        Multiply(group, tile, packed + tile * tileBytes);
        }

        private void Multiply(int group, int tile, byte* inputs)
        {
            int row = group * W.Count, rows = Math.Min(W.Count, weights.Rows - row);
            var quants = weights.Quants + (nint)group * weights.Blocks * BlockBytes;
            var scales = weights.Scales + (nint)group * weights.Blocks * W.Count;
            var start = bias == null ? W.Create(0) : rows == W.Count ? W.Load(bias + row) : LaneMath<W, V>.LoadFirst(bias + row, rows);
            var target = y + (nint)tile * InputTiles.Widest * weights.Rows + row;
            var filled = tiles.Filled(tile);
            var sums = stackalloc V[InputTiles.Widest];
            switch (tiles.Width(tile))
            {
                case 1: sums[0] = Tile1(quants, scales, inputs, weights.Blocks, start); break;
                case 4: Tile4(quants, scales, inputs, weights.Blocks, start, sums); break;
                default: Tile8(quants, scales, inputs, weights.Blocks, start, sums); break;
            }
            for (var i = 0; i < filled; i++, target += weights.Rows)
                if (rows == W.Count) W.Store(target, sums[i]);
                else LaneMath<W, V>.StoreFirst(target, sums[i], rows);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static V Tile1(byte* quants, ushort* scales, byte* inputs, int blocks, V y)
    {
        for (var block = 0; block < blocks; block++)
        {
            var sum = Start(inputs, 1, 0);
            var steps = inputs + 8;
            sum = Dot(quants, 0, steps, sum);
            sum = Dot(quants, 1, steps, sum);
            sum = Dot(quants, 2, steps, sum);
            sum = Dot(quants, 3, steps, sum);
            sum = Dot(quants, 4, steps, sum);
            sum = Dot(quants, 5, steps, sum);
            sum = Dot(quants, 6, steps, sum);
            sum = Dot(quants, 7, steps, sum);
            y = Finish(sum, D.LoadHalf(scales), inputs, 0, y);
            quants += BlockBytes;
            scales += W.Count;
            inputs += BlockInputs<W, V, D>.BlockBytes(1);
        }
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4(byte* quants, ushort* scales, byte* inputs, int blocks, V start, V* y)
    {
        V y0 = start, y1 = start, y2 = start, y3 = start;
        for (var block = 0; block < blocks; block++)
        {
            V a = Start(inputs, 4, 0), b = Start(inputs, 4, 1), c = Start(inputs, 4, 2), d = Start(inputs, 4, 3);
            var step = inputs + 8 * 4;
            for (var s = 0; s < BlockShape.Steps; s++, step += 4 * D.StepBytes)
            {
                var bytes = F.Step<W, V, D>(quants, s);
                V even = D.Even(bytes), odd = D.Odd(bytes);
                a = D.Dot(a, even, odd, step);
                b = D.Dot(b, even, odd, step + D.StepBytes);
                c = D.Dot(c, even, odd, step + 2 * D.StepBytes);
                d = D.Dot(d, even, odd, step + 3 * D.StepBytes);
            }
            var scale = D.LoadHalf(scales);
            y0 = Finish(a, scale, inputs, 0, y0);
            y1 = Finish(b, scale, inputs, 1, y1);
            y2 = Finish(c, scale, inputs, 2, y2);
            y3 = Finish(d, scale, inputs, 3, y3);
            quants += BlockBytes;
            scales += W.Count;
            inputs += BlockInputs<W, V, D>.BlockBytes(4);
        }
        y[0] = y0;
        y[1] = y1;
        y[2] = y2;
        y[3] = y3;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8(byte* quants, ushort* scales, byte* inputs, int blocks, V start, V* y)
    {
        V y0 = start, y1 = start, y2 = start, y3 = start, y4 = start, y5 = start, y6 = start, y7 = start;
        for (var block = 0; block < blocks; block++)
        {
            V a = Start(inputs, 8, 0), b = Start(inputs, 8, 1), c = Start(inputs, 8, 2), d = Start(inputs, 8, 3);
            V e = Start(inputs, 8, 4), f = Start(inputs, 8, 5), g = Start(inputs, 8, 6), h = Start(inputs, 8, 7);
            var step = inputs + 8 * 8;
            for (var s = 0; s < BlockShape.Steps; s++, step += 8 * D.StepBytes)
            {
                var bytes = F.Step<W, V, D>(quants, s);
                V even = D.Even(bytes), odd = D.Odd(bytes);
                a = D.Dot(a, even, odd, step);
                b = D.Dot(b, even, odd, step + D.StepBytes);
                c = D.Dot(c, even, odd, step + 2 * D.StepBytes);
                d = D.Dot(d, even, odd, step + 3 * D.StepBytes);
                e = D.Dot(e, even, odd, step + 4 * D.StepBytes);
                f = D.Dot(f, even, odd, step + 5 * D.StepBytes);
                g = D.Dot(g, even, odd, step + 6 * D.StepBytes);
                h = D.Dot(h, even, odd, step + 7 * D.StepBytes);
            }
            var scale = D.LoadHalf(scales);
            y0 = Finish(a, scale, inputs, 0, y0);
            y1 = Finish(b, scale, inputs, 1, y1);
            y2 = Finish(c, scale, inputs, 2, y2);
            y3 = Finish(d, scale, inputs, 3, y3);
            y4 = Finish(e, scale, inputs, 4, y4);
            y5 = Finish(f, scale, inputs, 5, y5);
            y6 = Finish(g, scale, inputs, 6, y6);
            y7 = Finish(h, scale, inputs, 7, y7);
            quants += BlockBytes;
            scales += W.Count;
            inputs += BlockInputs<W, V, D>.BlockBytes(8);
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

    /// <summary>−Z·Σ q_t of an input.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Start(byte* inputs, int width, int place) => W.CreateBits((uint)(-F.ZeroPoint * ((int*)inputs)[width + place]));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Dot(byte* quants, int s, byte* steps, V sum)
    {
        var bytes = F.Step<W, V, D>(quants, s);
        return D.Dot(sum, D.Even(bytes), D.Odd(bytes), steps + s * D.StepBytes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Finish(V sum, V scale, byte* inputs, int place, V y) =>
        W.MultiplyAdd(D.ToFloat(sum), W.Multiply(scale, W.Create(((float*)inputs)[place])), y);
}

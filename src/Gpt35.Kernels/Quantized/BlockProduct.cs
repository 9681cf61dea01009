using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// y_tn = b_n + Σ over blocks of d_n·d_t·Σ q_n·q_t: the inner sum in whole numbers, exact; the outer one a chain of fused multiply-adds from the
/// first block to the last. So an element has the same bits in every tier, whatever the other inputs are and however many threads work.
/// </summary>
/// <remarks>With weights u = q + Z the inner sum is Σ u·q_t − Z·Σ q_t, and the second part is where the sum starts.</remarks>
internal readonly unsafe struct BlockProduct<W, V, D, F>(BlockWeights weights, int inputs) : IProductKernel<V>
    where W : struct, ILanes<V> where V : unmanaged where D : struct, IDotLanes<V> where F : struct, IBlockFormat
{
    /// <summary>Inputs from which on a <see cref="BlockPanel{W, V, D, F}"/> pays for its making.</summary>
    private const int InputsWorthPanels = 2 * InputTiles.Widest + 1;

    private static int BlockBytes => F.Bytes * W.Count;

    private bool Panels => D.TakesPanels && inputs >= InputsWorthPanels;

    public int Together => Panels ? BlockPanel<W, V, D, F>.Groups : 1;

    public long TileBytes(int width) => (long)weights.Blocks * BlockInputs<W, V, D>.BlockBytes(width);

    public void Pack(float* x, byte* tile, int width, int place, int first, int end)
    {
        var zeroPoint = Panels && width > 1 ? BlockPanel<W, V, D, F>.InputZeroPoint : 0;
        tile += first * BlockInputs<W, V, D>.BlockBytes(width);
        BlockInputs<W, V, D>.Quantize(x == null ? null : x + first * BlockShape.Size, end - first, zeroPoint, tile, width, place);
        for (var block = first; block < end; block++, tile += BlockInputs<W, V, D>.BlockBytes(width))
        {
            var sum = ((int*)tile)[width + place];
            if (zeroPoint == 0) ((int*)tile)[width + place] = -F.ZeroPoint * sum;
            else ((float*)tile)[width + place] = BlockPanel<W, V, D, F>.Excess(sum);
        }
    }

    public byte* Unpack(int group, int groups)
    {
        if (!Panels) return null;
        var panel = (V*)Scratch.ForPart(BlockPanel<W, V, D, F>.Length(weights.Blocks));
        BlockPanel<W, V, D, F>.Fill(weights, group, groups, panel);
        return (byte*)panel;
    }

    public void Multiply(int group, int groups, byte* unpacked, byte* tile, int width, V* sums)
    {
        if (unpacked != null && width > 1)
        {
            var floats = Denormals.Kept;
            for (var place = 0; place < width; place += BlockPanel<W, V, D, F>.Inputs)
                if (floats) BlockPanel<W, V, D, F>.Multiply<BlockPanel<W, V, D, F>.Floats>((V*)unpacked, tile, width, place, weights.Blocks, sums + place);
                else BlockPanel<W, V, D, F>.Multiply<BlockPanel<W, V, D, F>.WholeNumbers>((V*)unpacked, tile, width, place, weights.Blocks, sums + place);
            return;
        }
        for (var end = group + groups; group < end; group++, sums += InputTiles.Widest)
        {
            var quants = weights.Quants + (nint)group * weights.Blocks * BlockBytes;
            var scales = weights.Scales + (nint)group * weights.Blocks * W.Count;
            if (typeof(D) == typeof(Dots512Vnni))
            {
                VnniKernels.Multiply(F.Bytes, quants, scales, tile, width, weights.Blocks, (float*)sums, 1);
                continue;
            }
            switch (width)
            {
                case 1: *sums = Tile1(quants, scales, tile, weights.Blocks, *sums); break;
                case 4: Tile4(quants, scales, tile, weights.Blocks, sums); break;
                default: Tile8(quants, scales, tile, weights.Blocks, sums); break;
            }
        }
    }

    public bool MultiplyInPlace(int group, int groups, byte* tile, float* y)
    {
        if (typeof(D) != typeof(Dots512Vnni)) return false;
        VnniKernels.Multiply(
            F.Bytes, weights.Quants + (nint)group * weights.Blocks * BlockBytes, weights.Scales + (nint)group * weights.Blocks * W.Count, tile, 1, weights.Blocks, y, groups);
        return true;
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
    private static void Tile4(byte* quants, ushort* scales, byte* inputs, int blocks, V* y)
    {
        V y0 = y[0], y1 = y[1], y2 = y[2], y3 = y[3];
        for (var block = 0; block < blocks; block++)
        {
            V a = Start(inputs, 4, 0), b = Start(inputs, 4, 1), c = Start(inputs, 4, 2), d = Start(inputs, 4, 3);
            var step = inputs + 8 * 4;
            for (var s = 0; s < BlockShape.Steps; s++, step += 4 * D.StepBytes)
            {
                var bytes = F.Step<W, V, D>(quants, s);
                V even = D.Even(bytes), odd = D.Odd(bytes);
                D.DotTwo(ref a, ref b, even, odd, step, 4);
                D.DotTwo(ref c, ref d, even, odd, step + 8, 4);
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
    private static void Tile8(byte* quants, ushort* scales, byte* inputs, int blocks, V* y)
    {
        V y0 = y[0], y1 = y[1], y2 = y[2], y3 = y[3], y4 = y[4], y5 = y[5], y6 = y[6], y7 = y[7];
        for (var block = 0; block < blocks; block++)
        {
            V a = Start(inputs, 8, 0), b = Start(inputs, 8, 1), c = Start(inputs, 8, 2), d = Start(inputs, 8, 3);
            V e = Start(inputs, 8, 4), f = Start(inputs, 8, 5), g = Start(inputs, 8, 6), h = Start(inputs, 8, 7);
            var step = inputs + 8 * 8;
            for (var s = 0; s < BlockShape.Steps; s++, step += 8 * D.StepBytes)
            {
                var bytes = F.Step<W, V, D>(quants, s);
                V even = D.Even(bytes), odd = D.Odd(bytes);
                D.DotTwo(ref a, ref b, even, odd, step, 8);
                D.DotTwo(ref c, ref d, even, odd, step + 8, 8);
                D.DotTwo(ref e, ref f, even, odd, step + 16, 8);
                D.DotTwo(ref g, ref h, even, odd, step + 24, 8);
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
    private static V Start(byte* inputs, int width, int place) => W.CreateBits(((uint*)inputs)[width + place]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Dot(byte* quants, int s, byte* steps, V sum)
    {
        var bytes = F.Step<W, V, D>(quants, s);
        return D.Dot(sum, D.Even(bytes), D.Odd(bytes), steps + s * D.StepBytes, 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Finish(V sum, V scale, byte* inputs, int place, V y) =>
        W.MultiplyAdd(D.ToFloat(sum), W.Multiply(scale, W.Create(((float*)inputs)[place])), y);
}

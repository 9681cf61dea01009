using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>
/// C = A·B of numbers rounded to bfloat16 (8 bits of precision, the range of fp32), summed up in fp32. Every element is one chain over k, in the arithmetic of AVX512-BF16
/// (<see cref="MultiplyAddPair"/>), so it has the same bits on every processor, whatever the other rows and columns are and however many threads work.
/// </summary>
/// <remarks>Both operands are packed, a block of either at a time: strips of eight rows of A, panels of 48 columns of B (Goto and van de Geijn 2008).</remarks>
public static unsafe class BFloat16Gemm
{
    /// <summary>Depth of a block, even: with eight panels of B 576 KiB, so that they stay in the second-level cache.</summary>
    private const int BlockDepth = 768;
    /// <summary>Words of a packed block of A, and of B, 8 MiB each.</summary>
    private const int PackedLimit = 2 << 20;
    /// <summary>Panels of B that a part goes through with each strip of A.</summary>
    private const int MostPanels = 8;
    /// <summary>What is packed as a part: whole strips or panels side by side, so that lines of memory are used while they are near.</summary>
    private const int ColumnsOfPacking = 192, DepthOfPacking = 256, DepthAtOnce = 64;
    /// <summary>Multiply-adds that are not worth waking another thread for.</summary>
    private const long WorkOfOneThread = 400_000;

    /// <summary>The smallest normal number, and what is rounded up to it where smaller numbers have 24 bits, too: half a step below. Sums so small are exact in double precision.</summary>
    private static readonly double smallest = Math.ScaleB(1, -126), roundedUp = Math.ScaleB(1, -126) - Math.ScaleB(1, -151);

    /// <summary>Name of the kernel of this machine, for people.</summary>
    public static string KernelName => BFloat16Kernels.Available ? "bf16 products, AVX512-BF16"
        : "bf16 products by f32 FMA, at a twentieth of the speed of f32: this processor or system has no AVX512-BF16";

    /// <inheritdoc cref="Gemm.Multiply(WorkerPool, Matrix, Matrix, Matrix, bool, float*, Epilogue)"/>
    public static void Multiply(WorkerPool pool, Matrix a, Matrix b, Matrix c, bool accumulate = false, float* bias = null, Epilogue epilogue = default)
    {
        if (!Gemm.HasProducts(a, b, c, accumulate, bias, epilogue)) return;
        if (BFloat16Kernels.Available && !Simd.IsForced) Multiply<BFloat16MachineTile>(pool, a, b, c, accumulate, bias, epilogue);
        else
            switch (Simd.Tier)
            {
                case SimdTier.Vector512: Multiply<BFloat16LaneTile<Lanes512, Vector512<float>>>(pool, a, b, c, accumulate, bias, epilogue); break;
                case SimdTier.Vector256: Multiply<BFloat16LaneTile<Lanes256, Vector256<float>>>(pool, a, b, c, accumulate, bias, epilogue); break;
                default: Multiply<BFloat16LaneTile<Lanes128, Vector128<float>>>(pool, a, b, c, accumulate, bias, epilogue); break;
            }
    }

    /// <summary>The definition, element by element.</summary>
    internal static void Reference(Matrix a, Matrix b, Matrix c, bool accumulate, float* bias)
    {
        for (var i = 0; i < c.RowCount; i++)
            for (var j = 0; j < c.ColumnCount; j++)
            {
                var target = c.Data + (nint)i * c.RowStride + j;
                var sum = accumulate ? *target : bias != null ? bias[j] : 0;
                for (var k = 0; k < a.ColumnCount; k += 2) sum = MultiplyAddPair(Pair(a.T, k, i), Pair(b, k, j), sum);
                *target = sum;
            }

        static uint Pair(Matrix m, int k, int j)
        {
            var at = m.Data + (nint)k * m.RowStride + (nint)j * m.ColumnStride;
            return BFloat16Panel.Round(*at) | (k + 1 < m.RowCount ? BFloat16Panel.Round(at[m.RowStride]) << 16 : 0);
        }
    }

    /// <summary>
    /// sum + x₁·y₁, and to that x₀·y₀: what <c>vdpbf16ps</c> does (Intel SDM vol. 2, as measured on Zen 4): two fused multiply-adds, the upper halves of both words first, each
    /// rounded to nearest even; numbers below 2⁻¹²⁶ count as zero, read or computed, whatever the processor's modes are.
    /// </summary>
    internal static float MultiplyAddPair(uint x, uint y, float sum) =>
        MultiplyAdd(Half(x << 16), Half(y << 16), MultiplyAdd(Half(x & 0xFFFF_0000), Half(y & 0xFFFF_0000), Flush(sum)));

    private static float Half(uint bits) => Flush(BitConverter.UInt32BitsToSingle(bits));

    private static float Flush(float x) => float.IsSubnormal(x) ? MathF.CopySign(0, x) : x;

    private static float MultiplyAdd(float x, float y, float sum)
    {
        var found = MathF.FusedMultiplyAdd(x, y, sum);
        return Math.Abs(found) <= smallest && Math.Abs((double)x * y + sum) < roundedUp ? MathF.CopySign(0, found) : found;
    }

    private static void Multiply<TTile>(WorkerPool pool, Matrix a, Matrix b, Matrix c, bool accumulate, float* bias, Epilogue epilogue) where TTile : struct, IBFloat16Tile
    {
        int depth = a.ColumnCount;
        const int Most = 2 * PackedLimit / BlockDepth / BFloat16Panel.Columns * BFloat16Panel.Columns;
        int rows = Math.Min(c.RowCount, Most), columns = Math.Min(c.ColumnCount, Most);
        int strips = Simd.Pieces(rows, BFloat16Panel.Rows), panels = Simd.Pieces(columns, BFloat16Panel.Columns);
        var slab = Math.Min(depth, Math.Max(1, Most / Math.Max(strips * BFloat16Panel.Rows, panels * BFloat16Panel.Columns)) * BlockDepth);
        var words = (slab + 1) / 2;
        var packedA = (uint*)Scratch.ForCall((long)words * (strips * BFloat16Panel.Rows + panels * BFloat16Panel.Columns));
        var packedB = packedA + (nint)words * strips * BFloat16Panel.Rows;
        for (var k = 0; k < depth; k += slab)
            for (var column = 0; column < c.ColumnCount; column += columns)
                for (var row = 0; row < c.RowCount; row += rows)
                {
                    int count = Math.Min(slab, depth - k), high = Math.Min(rows, c.RowCount - row), wide = Math.Min(columns, c.ColumnCount - column);
                    var alone = (long)high * wide * count <= WorkOfOneThread;
                    // A block that the one before had already is still there.
                    if (column == 0 || rows < c.RowCount) Pack(pool, alone, a.Rows(row, high).Columns(k, count).T, packedA, BFloat16Panel.Rows);
                    if (row == 0) Pack(pool, alone, b.Rows(k, count).Columns(column, wide), packedB, BFloat16Panel.Columns);
                    var split = Gemm.Split.Choose(new(high, BFloat16Panel.Rows, 24), new(wide, BFloat16Panel.Columns, MostPanels), count, pool.Threads, alone);
                    var start = accumulate || k > 0 ? Start.Target : bias != null ? new Start(bias + column, 0, 1) : Start.Zero;
                    var then = k + count == depth ? epilogue.From(row, column) : default;
                    pool.Run(split.Parts, new MultiplyJob<TTile>(packedA, packedB, count, c.Rows(row, high).Columns(column, wide), start, split, then));
                }
    }

    private static void Pack(WorkerPool pool, bool alone, Matrix b, uint* to, int width)
    {
        int most = alone ? int.MaxValue : ColumnsOfPacking, each = Math.Min(most, Simd.Pieces(b.ColumnCount, width) * width), deep = alone ? b.RowCount : DepthOfPacking;
        pool.Run(Simd.Pieces(b.ColumnCount, each) * Simd.Pieces(b.RowCount, deep), new PackJob(b, to, width, each, deep, Simd.Tier));
    }

    /// <summary>Some strips of A, given as Aᵀ, or panels of B.</summary>
    private readonly struct PackJob(Matrix b, uint* to, int width, int each, int deep, SimdTier tier) : IParallelJob
    {
        public void Run(int part)
        {
            var across = Simd.Pieces(b.ColumnCount, each);
            int start = part % across * each, end = Math.Min(start + each, b.ColumnCount), top = part / across * deep, bottom = Math.Min(top + deep, b.RowCount);
            var stride = (nint)Simd.Pieces(b.RowCount, 2);
            for (var k = top; k < bottom; k += DepthAtOnce)
            {
                var rows = b.Rows(k, Math.Min(DepthAtOnce, bottom - k));
                for (var column = start; column < end; column += width)
                {
                    var piece = rows.Columns(column, Math.Min(width, end - column));
                    var at = to + stride * column + (nint)k / 2 * width;
                    if (tier == SimdTier.Vector512 && width % Lanes512.Count == 0) BFloat16Panel.Pack<Lanes512, Vector512<float>>(piece, at, width, tier);
                    else if (tier >= SimdTier.Vector256) BFloat16Panel.Pack<Lanes256, Vector256<float>>(piece, at, width, tier);
                    else BFloat16Panel.Pack<Lanes128, Vector128<float>>(piece, at, width, tier);
                }
            }
        }
    }

    private readonly struct MultiplyJob<TTile>(uint* packedA, uint* packedB, int depth, Matrix c, Start start, Gemm.Split split, Epilogue epilogue) : IParallelJob
        where TTile : struct, IBFloat16Tile
    {
        public void Run(int part)
        {
            var (row, rows, column, columns) = split.Part(part);
            var words = (nint)Simd.Pieces(depth, 2);
            for (var k = 0; k < depth; k += BlockDepth)
            {
                var pairs = Simd.Pieces(Math.Min(BlockDepth, depth - k), 2);
                var from = k > 0 ? Start.Target : start;
                for (var i = row; i < row + rows; i += BFloat16Panel.Rows)
                {
                    for (var j = column; j < column + columns; j += BFloat16Panel.Columns)
                    {
                        var (nextRow, nextColumn) = j + BFloat16Panel.Columns < column + columns ? (i, j + BFloat16Panel.Columns) : (i + BFloat16Panel.Rows, column);
                        Tile(packedA + words * i + (nint)k / 2 * BFloat16Panel.Rows, packedB + words * j + (nint)k / 2 * BFloat16Panel.Columns, pairs,
                            Math.Min(BFloat16Panel.Rows, row + rows - i), Math.Min(BFloat16Panel.Columns, column + columns - j), from.At(c, i, j), At(i, j), At(nextRow, nextColumn));
                    }
                    // Strip by strip from the first-level cache; panels of B stay in the second.
                    if (k + BlockDepth >= depth) epilogue.Apply(c.Rows(i, Math.Min(BFloat16Panel.Rows, row + rows - i)).Columns(column, columns), i, column);
                }
            }
        }

        private float* At(int row, int column) => c.Data + (nint)row * c.RowStride + column;

        private void Tile(uint* a, uint* b, int pairs, int rows, int columns, Start from, float* to, float* next)
        {
            var vectors = Simd.Pieces(columns, BFloat16Panel.VectorColumns);
            if (columns == vectors * BFloat16Panel.VectorColumns) TTile.Multiply(a, b, pairs, rows, vectors, from.Data, from.RowStride, to, c.RowStride, next);
            else Edge(a, b, pairs, rows, vectors, columns, from, to, next);
        }

        /// <summary>A tile of whose last vector only some columns exist: computed beside C, then copied.</summary>
        private void Edge(uint* a, uint* b, int pairs, int rows, int vectors, int columns, Start from, float* to, float* next)
        {
            var tile = stackalloc float[BFloat16Panel.Rows * BFloat16Panel.Columns];
            for (var i = 0; i < rows; i++)
                for (var j = 0; j < columns; j++) tile[i * BFloat16Panel.Columns + j] = from.Data[i * from.RowStride + j * from.ColumnStride];
            TTile.Multiply(a, b, pairs, rows, vectors, tile, BFloat16Panel.Columns, tile, BFloat16Panel.Columns, next);
            for (var i = 0; i < rows; i++) new ReadOnlySpan<float>(tile + i * BFloat16Panel.Columns, columns).CopyTo(new Span<float>(to + i * c.RowStride, columns));
        }
    }
}

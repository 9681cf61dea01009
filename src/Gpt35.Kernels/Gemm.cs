using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>
/// C = A·B, every element one chain of fused multiply-adds over k = 0, 1, … in that order.
/// So an element has the same bits in every tier, whatever the other rows and columns are and however many threads work.
/// </summary>
/// <remarks>
/// B is packed into panels of two vectors width, A is read in place; a tile of C stays in registers while k runs through a
/// block (Goto and van de Geijn 2008, without packing A, which a tile reads once per group of panels). Few rows of A read a row-major B in
/// place, and one row reads it row by row; a transposed one is transposed in registers (<see cref="FewRows"/>) or, without AVX-512, packed by each thread in panels that are used at once, while they
/// are in its cache.
/// </remarks>
public static unsafe class Gemm
{
    /// <summary>Depth of a block: a panel of 32 columns is 48 KiB, so that a group of panels stays in the second-level cache.</summary>
    private const int BlockDepth = 384;
    /// <summary>Floats of packed B at a time, 8 MiB.</summary>
    private const int PackedLimit = 2 << 20;
    /// <summary>Below this many rows the panels of a row-major B are read in place: packing would cost more than it saves.</summary>
    private const int RowsWorthPacking = 24;
    /// <summary>Panels of a transposed B that a few rows meet at a time: <see cref="RowTile{W, V}"/> takes as many.</summary>
    private const int PanelsOfFewRows = 4;
    /// <summary>And their depth: all of them stay in the second-level cache, and the one that is being packed in the first.</summary>
    private const int DepthOfFewRows = 128;
    /// <summary>Multiply-adds that are not worth waking another thread for.</summary>
    private const long WorkOfOneThread = 200_000;
    /// <summary>At least so many parts for each thread, where they are worth it: with 4 of them the thread that was held up keeps the other waiting for a tenth of a small product.</summary>
    private const int PartsPerThread = 16;

    /// <summary>C = A·B + bias, or C += A·B.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="a">(M, K), any strides; fastest with one of them 1.</param>
    /// <param name="b">(K, N), any strides; fastest with one of them 1.</param>
    /// <param name="c">(M, N), column stride 1; overlaps neither a nor b.</param>
    /// <param name="accumulate">Whether to add to C instead of overwriting it.</param>
    /// <param name="bias">(N,), the start of each sum, or null; only without <paramref name="accumulate"/>.</param>
    /// <param name="epilogue">What follows for each sum; nothing by default.</param>
    public static void Multiply(WorkerPool pool, Matrix a, Matrix b, Matrix c, bool accumulate = false, float* bias = null, Epilogue epilogue = default)
    {
        RequireFit(a, b, c, accumulate, bias, epilogue);
        switch (Simd.Tier)
        {
            case SimdTier.Vector512: Multiply<Lanes512, Vector512<float>>(pool, a, b, c, accumulate, bias, epilogue); break;
            case SimdTier.Vector256: Multiply<Lanes256, Vector256<float>>(pool, a, b, c, accumulate, bias, epilogue); break;
            default: Multiply<Lanes128, Vector128<float>>(pool, a, b, c, accumulate, bias, epilogue); break;
        }
    }

    internal static void RequireFit(Matrix a, Matrix b, Matrix c, bool accumulate, float* bias, Epilogue epilogue)
    {
        if (a.ColumnCount != b.RowCount || a.RowCount != c.RowCount || b.ColumnCount != c.ColumnCount)
            throw new ArgumentException($"The shapes of A ({a}), B ({b}) and C ({c}) do not fit; expected M × K, K × N and M × N.");
        if (c.ColumnStride != 1) throw new ArgumentException($"C ({c}) must have column stride 1.", nameof(c));
        if (accumulate && bias != null) throw new ArgumentException("A bias starts the sums, so it cannot go with accumulate.", nameof(bias));
        epilogue.RequireFit(c);
    }

    /// <summary>The definition, element by element.</summary>
    internal static void Reference(Matrix a, Matrix b, Matrix c, bool accumulate, float* bias)
    {
        for (var i = 0; i < c.RowCount; i++)
            for (var j = 0; j < c.ColumnCount; j++)
            {
                var target = c.Data + (nint)i * c.RowStride + j;
                var sum = accumulate ? *target : bias != null ? bias[j] : 0;
                for (var k = 0; k < a.ColumnCount; k++)
                    sum = MathF.FusedMultiplyAdd(
                        a.Data[(nint)i * a.RowStride + (nint)k * a.ColumnStride], b.Data[(nint)k * b.RowStride + (nint)j * b.ColumnStride], sum);
                *target = sum;
            }
    }

    private static void Multiply<W, V>(WorkerPool pool, Matrix a, Matrix b, Matrix c, bool accumulate, float* bias, Epilogue epilogue)
        where W : struct, ILanes<V> where V : unmanaged
    {
        int width = 2 * W.Count, panels = Simd.Pieces(c.ColumnCount, width), depth = a.ColumnCount;
        var starts = accumulate ? Start.Target : bias != null ? new Start(bias, 0, 1) : Start.Zero;
        if (a.RowCount < RowsWorthPacking && FewRows.TryMultiply<W, V>(pool, a, b, c, starts, epilogue, (long)c.RowCount * c.ColumnCount * depth <= WorkOfOneThread)) return;
        if (a.RowCount < RowsWorthPacking && b.ColumnStride != 1)
        {
            var single = (long)c.RowCount * c.ColumnCount * depth <= WorkOfOneThread;
            var panelsEach = single ? panels : PanelsOfFewRows;
            pool.Run(Simd.Pieces(panels, panelsEach), new FewRowsJob<W, V>(a, b, c, panelsEach, accumulate, bias, epilogue));
            return;
        }
        var inPlace = a.RowCount < RowsWorthPacking && b.ColumnStride == 1;
        var firstPacked = inPlace ? c.ColumnCount / width : 0;
        var slab = Math.Min(depth, Math.Max(BlockDepth, PackedLimit / ((panels - firstPacked) * width + 1) / BlockDepth * BlockDepth));
        var packed = Scratch.ForCall((long)(panels - firstPacked) * width * slab);
        var alone = (long)c.RowCount * c.ColumnCount * Math.Min(depth, slab) <= WorkOfOneThread;
        var split = Split.Choose(new(c.RowCount, W.TileRows, 16), new(c.ColumnCount, width, 8), slab, pool.Threads, alone);
        for (var k = 0; k < depth; k += slab)
        {
            var count = Math.Min(slab, depth - k);
            var slabOfB = b.Rows(k, count);
            var pack = new PackJob<W, V>(slabOfB, packed, firstPacked, alone ? panels : 1);
            pool.Run(Simd.Pieces(panels - firstPacked, alone ? panels : 1), pack);
            var multiply = new MultiplyJob<W, V>(a.Columns(k, count), slabOfB, c, packed, firstPacked, split, accumulate || k > 0, bias, k + count == depth ? epilogue : default);
            pool.Run(split.Parts, multiply);
        }
    }

    /// <summary>A side of C.</summary>
    /// <param name="Length">Its rows, or columns.</param>
    /// <param name="Tile">Those of a tile.</param>
    /// <param name="MostTiles">How many tiles a part has in this direction at most.</param>
    internal readonly record struct Side(int Length, int Tile, int MostTiles)
    {
        internal int Tiles => Simd.Pieces(Length, Tile);
    }

    /// <summary>How C is cut into parts, pieces of whole tiles.</summary>
    internal readonly record struct Split(Side Rows, Side Columns, int TilesHigh, int TilesWide)
    {
        private int PiecesAcross => Simd.Pieces(Columns.Tiles, TilesWide);

        internal int Parts => Simd.Pieces(Rows.Tiles, TilesHigh) * PiecesAcross;

        internal (int Row, int Rows, int Column, int Columns) Part(int part)
        {
            int row = part / PiecesAcross * TilesHigh * Rows.Tile, column = part % PiecesAcross * TilesWide * Columns.Tile;
            return (row, Math.Min(TilesHigh * Rows.Tile, Rows.Length - row), column, Math.Min(TilesWide * Columns.Tile, Columns.Length - column));
        }

        internal static Split Choose(Side rows, Side columns, int depth, int threads, bool alone)
        {
            if (alone) return new(rows, columns, rows.Tiles, columns.Tiles);
            int high = Math.Min(rows.Tiles, rows.MostTiles), wide = Math.Min(columns.Tiles, columns.MostTiles);
            while (Simd.Pieces(rows.Tiles, high) * Simd.Pieces(columns.Tiles, wide) < PartsPerThread * threads && high * wide > 1)
            {
                if ((long)high * rows.Tile * wide * columns.Tile * depth < 2 * WorkOfOneThread) break;
                if (wide > 1 && wide * 2 >= high) wide = (wide + 1) / 2;
                else high = (high + 1) / 2;
            }
            return new(rows, columns, high, wide);
        }
    }

    private readonly struct PackJob<W, V>(Matrix b, float* packed, int firstPanel, int panelsEach) : IParallelJob
        where W : struct, ILanes<V> where V : unmanaged
    {
        public void Run(int part)
        {
            var width = 2 * W.Count;
            var panels = Simd.Pieces(b.ColumnCount, width);
            var start = firstPanel + part * panelsEach;
            for (var panel = start; panel < Math.Min(start + panelsEach, panels); panel++)
            {
                var columns = b.Columns(panel * width, Math.Min(width, b.ColumnCount - panel * width));
                Panel<W, V>.Pack(columns, packed + (nint)(panel - firstPanel) * width * b.RowCount);
            }
        }
    }

    private readonly struct FewRowsJob<W, V>(Matrix a, Matrix b, Matrix c, int panelsEach, bool accumulate, float* bias, Epilogue epilogue) : IParallelJob
        where W : struct, ILanes<V> where V : unmanaged
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int part)
        {
            int width = 2 * W.Count, each = panelsEach * width, end = Math.Min((part + 1) * each, c.ColumnCount);
            for (var column = part * each; column < end; column += PanelsOfFewRows * width)
            {
                var columns = Math.Min(PanelsOfFewRows * width, end - column);
                for (var k = 0; k < a.ColumnCount; k += DepthOfFewRows)
                {
                    var count = Math.Min(DepthOfFewRows, a.ColumnCount - k);
                    var packed = Scratch.ForPart((long)PanelsOfFewRows * width * count);
                    for (var j = 0; j < columns; j += width)
                        Panel<W, V>.Pack(b.Rows(k, count).Columns(column + j, Math.Min(width, columns - j)), packed + (nint)j * count);
                    var start = accumulate || k > 0 ? Start.Target : bias != null ? new Start(bias + column, 0, 1) : Start.Zero;
                    MatrixBlock<W, V>.Multiply(a.Columns(k, count), new Panels(packed, width, (nint)width * count), c.Columns(column, columns), start, k + count == a.ColumnCount ? epilogue.From(0, column) : default);
                }
            }
        }
    }

    private readonly struct MultiplyJob<W, V>(
        Matrix a, Matrix b, Matrix c, float* packed, int firstPacked, Split split, bool accumulate, float* bias, Epilogue epilogue) : IParallelJob
        where W : struct, ILanes<V> where V : unmanaged
    {
        public void Run(int part)
        {
            int width = 2 * W.Count, depth = a.ColumnCount;
            var (row, rows, column, columns) = split.Part(part);
            int panel = column / width, endPanel = Simd.Pieces(column + columns, width), border = Math.Clamp(firstPacked, panel, endPanel);
            for (var k = 0; k < depth; k += BlockDepth)
            {
                var tileOfA = a.Rows(row, rows).Columns(k, Math.Min(BlockDepth, depth - k));
                if (border > panel)
                {
                    var inPlace = new Panels(b.Data + (nint)k * b.RowStride + panel * width, b.RowStride, width);
                    Multiply(tileOfA, inPlace, row, panel * width, border * width, k);
                }
                if (border < endPanel)
                {
                    var fromPack = new Panels(packed + (nint)(border - firstPacked) * width * depth + (nint)k * width, width, (nint)width * depth);
                    Multiply(tileOfA, fromPack, row, border * width, Math.Min(endPanel * width, c.ColumnCount), k);
                }
            }
        }

        private void Multiply(Matrix tileOfA, Panels panels, int row, int column, int endColumn, int k)
        {
            var target = c.Rows(row, tileOfA.RowCount).Columns(column, endColumn - column);
            var start = accumulate || k > 0 ? Start.Target
                : bias != null ? new Start(bias + column, 0, 1)
                : Start.Zero;
            MatrixBlock<W, V>.Multiply(tileOfA, panels, target, start, k + tileOfA.ColumnCount == a.ColumnCount ? epilogue.From(row, column) : default);
        }
    }
}

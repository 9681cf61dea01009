using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>Panels of B, two vectors wide each: element (k, j) of panel p is at Data + p·PanelStride + k·RowStride + j.</summary>
internal readonly unsafe struct Panels(float* data, nint rowStride, nint panelStride)
{
    internal readonly float* Data = data;
    internal readonly nint RowStride = rowStride, PanelStride = panelStride;
}

/// <summary>What the sums of a product start from: element (i, j) of Data with the strides given (0 repeats, 1 walks).</summary>
internal readonly unsafe struct Start(float* data, nint rowStride, nint columnStride)
{
    private static readonly NativeBuffer<float> zeros = new(64);

    internal readonly float* Data = data;
    internal readonly nint RowStride = rowStride, ColumnStride = columnStride;

    /// <summary>From zero.</summary>
    internal static Start Zero => new(zeros.Pointer, 0, 0);
    /// <summary>From what C holds.</summary>
    internal static Start Target => default;

    /// <summary>The same for a part of C, from its row and column.</summary>
    internal Start At(Matrix c, int row, int column) => Data == null
        ? new(c.Data + (nint)row * c.RowStride + column, c.RowStride, 1)
        : new(Data + row * RowStride + column * ColumnStride, RowStride, ColumnStride);
}

/// <summary>One thread's part of a matrix product.</summary>
internal static unsafe class MatrixBlock<W, V> where W : struct, ILanes<V> where V : unmanaged
{
    /// <summary>C = start + A·B over all of A's columns, at most a cache block of them for speed.</summary>
    /// <param name="a">(M, K), any strides.</param>
    /// <param name="b">Panels that cover (K, N); the last is read at full width, its columns beyond N count for nothing.</param>
    /// <param name="c">(M, N), column stride 1; written nowhere else.</param>
    /// <param name="start">What each sum starts from.</param>
    /// <param name="epilogue">What follows for each sum, where they are complete; it takes a strip of rows from the first-level cache, and what B has in the second stays there.</param>
    internal static void Multiply(Matrix a, Panels b, Matrix c, Start start, Epilogue epilogue = default)
    {
        if (start.Data == null) start = new Start(c.Data, c.RowStride, 1);
        var row = 0;
        if (W.TileRows == 12)
            row = Strips<Tile12<W, V>>(a, b, c, start, epilogue, row);
        else
            row = Strips<Tile6<W, V>>(a, b, c, start, epilogue, row);
        row = Strips<Tile4<W, V>>(a, b, c, start, epilogue, row);
        for (; row < a.RowCount; row++)
        {
            SingleRow(a, b, c, start, row);
            epilogue.Apply(c.Rows(row, 1), row, 0);
        }
    }

    /// <summary>All whole strips of the tile's height from the given row on; returns the row after them.</summary>
    private static int Strips<TTile>(Matrix a, Panels b, Matrix c, Start start, Epilogue epilogue, int row) where TTile : struct, ITile
    {
        var width = 2 * W.Count;
        for (; row + TTile.Rows <= a.RowCount; row += TTile.Rows)
        {
            float* rowsOfA = a.Data + (nint)row * a.RowStride, target = c.Data + (nint)row * c.RowStride;
            float* from = start.Data + row * start.RowStride, panel = b.Data;
            var column = 0;
            for (; column + width <= c.ColumnCount; column += width, panel += b.PanelStride)
                TTile.Multiply(a.ColumnCount, rowsOfA, a.RowStride, a.ColumnStride, panel, b.RowStride,
                    from + column * start.ColumnStride, start.RowStride, target + column, c.RowStride);
            if (column < c.ColumnCount)
                Edge<TTile>(a.ColumnCount, rowsOfA, a.RowStride, a.ColumnStride, panel, b.RowStride,
                    from + column * start.ColumnStride, start, target + column, c.RowStride, c.ColumnCount - column);
            epilogue.Apply(c.Rows(row, TTile.Rows), row, 0);
        }
        return row;
    }

    /// <summary>A tile of which only some columns exist: computed at full width beside C, then copied.</summary>
    private static void Edge<TTile>(int depth, float* a, nint aRow, nint aColumn, float* b, nint bRow,
        float* from, Start start, float* c, nint cRow, int columns) where TTile : struct, ITile
    {
        var width = 2 * W.Count;
        var tile = stackalloc float[12 * 32];
        for (var i = 0; i < TTile.Rows; i++)
            for (var j = 0; j < columns; j++)
                tile[i * width + j] = from[i * start.RowStride + j * start.ColumnStride];
        TTile.Multiply(depth, a, aRow, aColumn, b, bRow, tile, width, tile, width);
        for (var i = 0; i < TTile.Rows; i++)
            Unsafe.CopyBlockUnaligned(c + i * cRow, tile + i * width, (uint)columns * sizeof(float));
    }

    /// <summary>One row: four panels at a time, since one alone would wait for its own sums.</summary>
    private static void SingleRow(Matrix a, Panels b, Matrix c, Start start, int row)
    {
        int width = 2 * W.Count, column = 0;
        float* rowOfA = a.Data + (nint)row * a.RowStride, target = c.Data + (nint)row * c.RowStride, panel = b.Data;
        var from = start.Data + row * start.RowStride;
        var buffer = stackalloc float[4 * 32];
        for (; column < c.ColumnCount; column += 4 * width, panel += 4 * b.PanelStride)
        {
            var columns = Math.Min(4 * width, c.ColumnCount - column);
            var source = from + column * start.ColumnStride;
            if (columns == 4 * width && start.ColumnStride == 1)
            {
                RowTile<W, V>.Multiply(a.ColumnCount, rowOfA, a.ColumnStride, panel, b.RowStride, b.PanelStride, source, target + column);
                continue;
            }
            for (var j = 0; j < columns; j++) buffer[j] = source[j * start.ColumnStride];
            var panels = Simd.Pieces(columns, width);
            if (panels == 4)
                RowTile<W, V>.Multiply(a.ColumnCount, rowOfA, a.ColumnStride, panel, b.RowStride, b.PanelStride, buffer, buffer);
            else
                for (var p = 0; p < panels; p++)
                    RowTile<W, V>.MultiplyOne(
                        a.ColumnCount, rowOfA, a.ColumnStride, panel + p * b.PanelStride, b.RowStride, buffer + p * width, buffer + p * width);
            Unsafe.CopyBlockUnaligned(target + column, buffer, (uint)columns * sizeof(float));
        }
    }
}

/// <summary>Copies columns of B into a panel.</summary>
internal static unsafe class Panel<W, V> where W : struct, ILanes<V> where V : unmanaged
{
    /// <summary>Fills a panel of (K, 2·Count) floats from a (K, n) view with n ≤ 2·Count; columns beyond n become zeros.</summary>
    internal static void Pack(Matrix b, float* panel)
    {
        // At once: one by one, the zeros of a narrow B would take longer than its product.
        if (b.ColumnCount < 2 * W.Count) new Span<float>(panel, b.RowCount * 2 * W.Count).Clear();
        if (b.ColumnStride == 1 && b.ColumnCount == 2 * W.Count) CopyRows(b.Data, b.RowStride, b.RowCount, panel);
        else if (b.RowStride == 1) TransposeColumns(b, panel);
        else CopyElements(b, panel, 0, b.RowCount, 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyRows(float* from, nint stride, int rows, float* panel)
    {
        for (; rows > 0; rows--, from += stride, panel += 2 * W.Count)
        {
            W.Store(panel, W.Load(from));
            W.Store(panel + W.Count, W.Load(from + W.Count));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeColumns(Matrix b, float* panel)
    {
        int width = 2 * W.Count, rows = Transpose.IsFast ? b.RowCount / 8 * 8 : 0, columns = b.ColumnCount / 8 * 8;
        for (var k = 0; k < rows; k += 8)
            for (var j = 0; j < columns; j += 8)
                Transpose.Eight(b.Data + (nint)j * b.ColumnStride + k, b.ColumnStride, panel + (nint)k * width + j, width);
        CopyElements(b, panel, 0, rows, columns);
        CopyElements(b, panel, rows, b.RowCount, 0);
    }

    private static void CopyElements(Matrix b, float* panel, int row, int endRow, int column)
    {
        var width = 2 * W.Count;
        for (; row < endRow; row++)
        {
            float* source = b.Data + (nint)row * b.RowStride, target = panel + (nint)row * width;
            for (var j = column; j < b.ColumnCount; j++) target[j] = source[(nint)j * b.ColumnStride];
        }
    }
}

namespace Gpt35.Kernels;

/// <summary>A view of floats as rows × columns; element (i, j) is at i·RowStride + j·ColumnStride. Owns nothing.</summary>
public readonly unsafe struct Matrix
{
    public Matrix(float* data, int rows, int columns, int rowStride, int columnStride)
    {
        Data = data;
        RowCount = rows;
        ColumnCount = columns;
        RowStride = rowStride;
        ColumnStride = columnStride;
    }

    /// <summary>Row after row without gaps.</summary>
    public Matrix(float* data, int rows, int columns) : this(data, rows, columns, columns, 1) { }

    public float* Data { get; }
    public int RowCount { get; }
    public int ColumnCount { get; }
    public int RowStride { get; }
    public int ColumnStride { get; }

    /// <summary>The transposed view of the same floats.</summary>
    public Matrix T => new(Data, ColumnCount, RowCount, ColumnStride, RowStride);

    /// <summary>Rows start … start + count − 1.</summary>
    public Matrix Rows(int start, int count) => new(Data + (nint)start * RowStride, count, ColumnCount, RowStride, ColumnStride);

    /// <summary>Columns start … start + count − 1.</summary>
    public Matrix Columns(int start, int count) => new(Data + (nint)start * ColumnStride, RowCount, count, RowStride, ColumnStride);

    public override string ToString() => $"{RowCount} × {ColumnCount} (strides {RowStride}, {ColumnStride})";
}

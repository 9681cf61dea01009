namespace Gpt35.Kernels;

/// <summary>Some rows of a matrix, and their gradient's way back to it.</summary>
public static unsafe class SelectedRows
{
    private const int RowsPerPart = 64;

    /// <summary>y_i = x at row selected_i.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(rows, width).</param>
    /// <param name="selected">Ascending, (n,).</param>
    /// <param name="n">Selected rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="y">Receives (n, width).</param>
    public static void Gather(WorkerPool pool, float* x, int* selected, int n, int width, float* y) =>
        pool.Run(Simd.Pieces(n, RowsPerPart), new GatherJob(x, selected, n, width, y));

    /// <summary>x at row selected_i = y_i, and zeros in the other rows.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="y">(n, width).</param>
    /// <param name="selected">Ascending, (n,).</param>
    /// <param name="n">Selected rows.</param>
    /// <param name="rows">Rows in all.</param>
    /// <param name="width">Columns.</param>
    /// <param name="x">Receives (rows, width).</param>
    public static void Scatter(WorkerPool pool, float* y, int* selected, int n, int rows, int width, float* x) =>
        pool.Run(Simd.Pieces(rows, RowsPerPart), new ScatterJob(y, selected, n, rows, width, x));

    private readonly struct GatherJob(float* x, int* selected, int n, int width, float* y) : IParallelJob
    {
        public void Run(int part)
        {
            for (var i = part * RowsPerPart; i < Math.Min((part + 1) * RowsPerPart, n); i++)
                new ReadOnlySpan<float>(x + (nint)selected[i] * width, width).CopyTo(new Span<float>(y + (nint)i * width, width));
        }
    }

    private readonly struct ScatterJob(float* y, int* selected, int n, int rows, int width, float* x) : IParallelJob
    {
        public void Run(int part)
        {
            int row = part * RowsPerPart, end = Math.Min(row + RowsPerPart, rows);
            var i = new ReadOnlySpan<int>(selected, n).BinarySearch(row);
            if (i < 0) i = ~i;
            for (; row < end; row++)
            {
                var target = new Span<float>(x + (nint)row * width, width);
                if (i < n && selected[i] == row) new ReadOnlySpan<float>(y + (nint)i++ * width, width).CopyTo(target);
                else target.Clear();
            }
        }
    }
}

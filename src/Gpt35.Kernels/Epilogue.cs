using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>
/// y = f(C) of the sums C of a matrix product, (M, N): by the product itself, with each piece that it completes while that is in the nearest cache, or in a pass of its own
/// (<see cref="Run"/>) where something else is added to the sums first. An element has the same bits either way. The default is nothing.
/// </summary>
public readonly unsafe struct Epilogue
{
    private const int FloatsOfPart = 8192;

    private readonly Nonlinearity f;
    private readonly Matrix y;
    private readonly SimdTier tier;

    /// <param name="f">The function.</param>
    /// <param name="y">Receives (M, N), column stride 1; may be C.</param>
    public Epilogue(Nonlinearity f, Matrix y) : this(f, y, Simd.Tier) { }

    private Epilogue(Nonlinearity f, Matrix y, SimdTier tier) => (this.f, this.y, this.tier) = (f, y, tier);

    private bool IsNothing => y.Data == null;

    /// <summary>All of C, in parts for the threads.</summary>
    public void Run(WorkerPool pool, Matrix c)
    {
        if (IsNothing) return;
        RequireFit(c);
        var rowsEach = Math.Max(1, FloatsOfPart / Math.Max(1, c.ColumnCount));
        pool.Run(Simd.Pieces(c.RowCount, rowsEach), new Job(this, c, rowsEach));
    }

    internal void RequireFit(Matrix c)
    {
        if (IsNothing) return;
        if (y.RowCount != c.RowCount || y.ColumnCount != c.ColumnCount || y.ColumnStride != 1 || c.ColumnStride != 1)
            throw new ArgumentException($"The values of a function of C ({c}) do not fit into {y}; expected the same shape, and column stride 1.");
    }

    /// <summary>The same for a block of C that begins there.</summary>
    internal Epilogue From(int row, int column) =>
        IsNothing ? this : new(f, new Matrix(y.Data + (nint)row * y.RowStride + column, y.RowCount - row, y.ColumnCount - column, y.RowStride, 1), tier);

    /// <summary>A piece of C whose sums are complete.</summary>
    /// <param name="c">The piece.</param>
    /// <param name="row">The row of C that it begins with.</param>
    /// <param name="column">And the column.</param>
    internal void Apply(Matrix c, int row, int column)
    {
        if (IsNothing) return;
        switch (tier)
        {
            case SimdTier.Vector512: Apply<Lanes512, Vector512<float>>(c, row, column); break;
            case SimdTier.Vector256: Apply<Lanes256, Vector256<float>>(c, row, column); break;
            default: Apply<Lanes128, Vector128<float>>(c, row, column); break;
        }
    }

    private void Apply<W, V>(Matrix c, int row, int column) where W : struct, ILanes<V> where V : unmanaged
    {
        switch (f)
        {
            case Nonlinearity.GeluTanh: Apply<GeluTanh, W, V>(c, row, column); break;
            case Nonlinearity.GeluErf: Apply<GeluErf, W, V>(c, row, column); break;
            default: Apply<Silu, W, V>(c, row, column); break;
        }
    }

    private void Apply<F, W, V>(Matrix c, int row, int column) where F : struct, ILaneFunction where W : struct, ILanes<V> where V : unmanaged
    {
        for (var i = 0; i < c.RowCount; i++)
            Nonlinear.Values<F, W, V>(c.Data + (nint)i * c.RowStride, c.ColumnCount, y.Data + (nint)(row + i) * y.RowStride + column);
    }

    private readonly struct Job(Epilogue epilogue, Matrix c, int rowsEach) : IParallelJob
    {
        public void Run(int part)
        {
            var row = part * rowsEach;
            epilogue.Apply(c.Rows(row, Math.Min(rowsEach, c.RowCount - row)), row, 0);
        }
    }
}

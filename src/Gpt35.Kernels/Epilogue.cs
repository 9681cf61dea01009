using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>
/// What is done with the sums C of a matrix product, (M, N), when they are complete: by the product itself, with each piece while that is in the cache, or in a pass of its own
/// (<see cref="Run"/>) where something else is added to them first. An element has the same bits either way.
/// </summary>
public readonly unsafe struct Epilogue
{
    private const int FloatsOfPart = 8192;

    private enum Kind { None, Value, Slope, GatedSlope }

    private readonly Kind kind;
    private readonly Nonlinearity f;
    private readonly SimdTier tier;
    private readonly Matrix x, y;
    private readonly int half;                                  // from a gate to what it is for

    private Epilogue(Kind kind, Nonlinearity f, SimdTier tier, Matrix x, Matrix y, int half) =>
        (this.kind, this.f, this.tier, this.x, this.y, this.half) = (kind, f, tier, x, y, half);

    /// <summary>y = f(C).</summary>
    /// <param name="f">The function.</param>
    /// <param name="y">Receives (M, N), column stride 1; may be C.</param>
    public static Epilogue Value(Nonlinearity f, Matrix y) => new(Kind.Value, f, Simd.Tier, y, y, 0);

    /// <summary>The way back through <see cref="Value"/>, C being dy: C ← C∘f′(x).</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">(M, N), what f was taken of; column stride 1; not C.</param>
    /// <param name="y">Receives f(x) once more, (M, N), column stride 1; not C.</param>
    public static Epilogue Slope(Nonlinearity f, Matrix x, Matrix y) => new(Kind.Slope, f, Simd.Tier, x, y, 0);

    /// <summary>The way back through <see cref="Nonlinear.ForwardGated"/>, C being dy and the left half of rows twice as long: C ← C∘u∘f′(g), and to the right of it C∘f(g).</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">(M, 2N): g | u; column stride 1; not where C is.</param>
    /// <param name="y">Receives f(g)∘u once more, (M, N), column stride 1; not where C is.</param>
    public static Epilogue GatedSlope(Nonlinearity f, Matrix x, Matrix y) => new(Kind.GatedSlope, f, Simd.Tier, x, y, y.ColumnCount);

    /// <summary>All of C, in parts for the threads.</summary>
    public void Run(WorkerPool pool, Matrix c)
    {
        if (kind == Kind.None) return;
        RequireFit(c);
        var rowsEach = Math.Max(1, FloatsOfPart / c.ColumnCount);
        pool.Run(Simd.Pieces(c.RowCount, rowsEach), new Job(this, c, rowsEach));
    }

    internal void RequireFit(Matrix c)
    {
        if (kind == Kind.None) return;
        if (y.RowCount != c.RowCount || y.ColumnCount != c.ColumnCount || x.RowCount != c.RowCount || x.ColumnCount != c.ColumnCount + half
            || x.ColumnStride != 1 || y.ColumnStride != 1 || c.ColumnStride != 1 || c.RowStride < c.ColumnCount + half)
            throw new ArgumentException($"What follows a product (from {x} to {y}) does not fit its result ({c}); expected M × N for all, with column stride 1, or rows of 2N before a gate.");
    }

    /// <summary>A piece of C whose sums are complete.</summary>
    /// <param name="c">The piece.</param>
    /// <param name="row">Where it begins in C.</param>
    /// <param name="column">And in which column.</param>
    internal void Apply(Matrix c, int row, int column)
    {
        if (kind == Kind.None) return;
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
        {
            float* sums = c.Data + (nint)i * c.RowStride, from = x.Data + (nint)(row + i) * x.RowStride + column, to = y.Data + (nint)(row + i) * y.RowStride + column;
            switch (kind)
            {
                case Kind.Value: Nonlinear.Values<F, W, V>(sums, c.ColumnCount, to); break;
                case Kind.Slope: Nonlinear.Slopes<F, W, V>(from, sums, c.ColumnCount, to); break;
                default: Nonlinear.GatedSlopes<F, W, V>(from, from + half, sums, sums + half, c.ColumnCount, to); break;
            }
        }
    }

    /// <summary>The same for a block of C that begins there.</summary>
    internal Epilogue From(int row, int column) => new(kind, f, tier, From(x, row, column), From(y, row, column), half);

    private static Matrix From(Matrix m, int row, int column) =>
        new(m.Data + (nint)row * m.RowStride + column, m.RowCount - row, m.ColumnCount - column, m.RowStride, m.ColumnStride);

    private readonly struct Job(Epilogue epilogue, Matrix c, int rowsEach) : IParallelJob
    {
        public void Run(int part)
        {
            var row = part * rowsEach;
            epilogue.Apply(c.Rows(row, Math.Min(rowsEach, c.RowCount - row)), row, 0);
        }
    }
}

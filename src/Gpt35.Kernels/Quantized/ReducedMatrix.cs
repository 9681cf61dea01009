namespace Gpt35.Kernels;

/// <summary>
/// A matrix of weights (N, K) in reduced precision, laid out in memory for one product: y = x·Wᵀ for any number of inputs. An element of y has
/// the same bits whatever the other inputs are and however many threads work. Filled row by row from the numbers as files store them.
/// </summary>
public abstract unsafe class ReducedMatrix : IDisposable
{
    /// <summary>Multiply-adds that are not worth waking another thread for.</summary>
    private const long WorkOfOneThread = 100_000;
    /// <summary>Bytes of weights that are not worth a part of their own: two microseconds of memory.</summary>
    private const int BytesOfPart = 64 << 10;

    private protected ReducedMatrix(WeightPrecision precision, DotTier tier, int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        (Precision, Tier, Rows, Columns) = (precision, tier, rows, columns);
    }

    /// <summary>Zeros of that shape, for the fastest instructions of this processor.</summary>
    /// <param name="precision">BF16; or Int8 or Int4, of which a row is whole blocks of 32.</param>
    /// <param name="rows">N.</param>
    /// <param name="columns">K.</param>
    public static ReducedMatrix Create(WeightPrecision precision, int rows, int columns) => Create(precision, rows, columns, DotTiers.Best(precision));

    internal static ReducedMatrix Create(WeightPrecision precision, int rows, int columns, DotTier tier) => precision switch
    {
        WeightPrecision.BF16 => new BFloat16Weights(rows, columns, tier),
        WeightPrecision.Int8 or WeightPrecision.Int4 => new BlockWeights(precision, rows, columns, tier),
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "Expected a precision below F32."),
    };

    public WeightPrecision Precision { get; }
    public DotTier Tier { get; }
    /// <summary>N.</summary>
    public int Rows { get; }
    /// <summary>K.</summary>
    public int Columns { get; }

    /// <summary>Memory that the product reads.</summary>
    public abstract long Bytes { get; }

    /// <summary>Bytes of a stored row.</summary>
    public abstract int StoredRowBytes { get; }

    /// <summary>y_tn = bias_n + Σ_k x_tk·w_nk. Warm calls allocate nothing.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(T, K).</param>
    /// <param name="inputs">T, at least 1.</param>
    /// <param name="bias">(N,), or null.</param>
    /// <param name="y">Receives (T, N); does not overlap x.</param>
    public abstract void Multiply(WorkerPool pool, float* x, int inputs, float* bias, float* y);

    /// <summary>Says that the next product of the pool will be with this matrix, so that threads without work fetch the beginning of their shares meanwhile.</summary>
    /// <param name="pool">The same threads.</param>
    /// <param name="inputs">T.</param>
    public virtual void Foresee(WorkerPool pool, int inputs)
    {
    }

    /// <summary>Takes a row as files store it: BF16 numbers, or blocks of llama.cpp's Q8_0 or Q4_0.</summary>
    /// <exception cref="InvalidDataException">It holds what is not a finite number.</exception>
    public abstract void SetRow(int row, ReadOnlySpan<byte> stored);

    /// <summary>The numbers of a row, (K,).</summary>
    public abstract void CopyRow(int row, Span<float> values);

    public abstract void Dispose();

    internal bool IsSmall(int inputs) => (long)Rows * Columns * inputs <= WorkOfOneThread;

    /// <summary>How groups of rows are cut for the threads.</summary>
    /// <param name="groups">Groups.</param>
    /// <param name="threads">Threads.</param>
    /// <param name="together">Groups that a kernel takes at a time.</param>
    internal Shares Cut(int groups, int threads, int together) => new(groups, threads, together, (int)Math.Max(1, BytesOfPart * (long)groups / Bytes));

    private protected void CheckRow(int row, int length, int expected)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        if (length != expected) throw new ArgumentException($"A row has {length} elements; expected {expected}.");
    }

    private protected static InvalidDataException NotFinite(int row) =>
        new($"Row {row} of a matrix holds a number that is infinite, no number at all, or too large for its precision; expected weights of a finished training.");
}

using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// Rotary positions (Su et al. 2021, eq. 34): in a head of width K at position p, columns i and i + K/2 are turned by the angle p·ω_i:
/// (a, b) becomes m·(a cos − b sin, b cos + a sin). The table holds m·cos and m·sin; m is 1 unless attention is scaled.
/// </summary>
public static unsafe class Rotary
{
    private const int FloatsPerPart = 8192;

    /// <summary>Turns the first heads of every row in place.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(rows, stride); heads side by side at the start of each row.</param>
    /// <param name="stride">Floats from one row to the next.</param>
    /// <param name="positions">Position of each row, (rows,).</param>
    /// <param name="rows">Rows.</param>
    /// <param name="heads">Heads to turn.</param>
    /// <param name="headSize">K, even.</param>
    /// <param name="table">(positions, K): K/2 values m·cos(p·ω_i), then K/2 values m·sin(p·ω_i).</param>
    public static void Forward(WorkerPool pool, float* x, int stride, int* positions, int rows, int heads, int headSize, float* table) =>
        Run(pool, new Job(x, stride, positions, rows, heads, headSize, table, 1));

    /// <summary>The gradient of the input from the gradient of the output, in place: the transposed rotation, which turns back.</summary>
    /// <inheritdoc cref="Forward"/>
    public static void Backward(WorkerPool pool, float* x, int stride, int* positions, int rows, int heads, int headSize, float* table) =>
        Run(pool, new Job(x, stride, positions, rows, heads, headSize, table, -1));

    /// <summary>The definition, for one head at one position; ω_i in <paramref name="frequencies"/>, (K/2,).</summary>
    internal static double[] Reference(ReadOnlySpan<double> x, int position, ReadOnlySpan<double> frequencies, double scale)
    {
        var half = frequencies.Length;
        var y = new double[2 * half];
        for (var i = 0; i < half; i++)
        {
            var (sin, cos) = Math.SinCos(position * frequencies[i]);
            y[i] = scale * (x[i] * cos - x[i + half] * sin);
            y[i + half] = scale * (x[i + half] * cos + x[i] * sin);
        }
        return y;
    }

    private static void Run(WorkerPool pool, in Job job) => Simd.Run(pool, Simd.Pieces(job.Rows, job.RowsPerPart), job);

    private readonly struct Job(float* x, int stride, int* positions, int rows, int heads, int headSize, float* table, float direction) : ITieredJob
    {
        internal int Rows => rows;
        internal int RowsPerPart => Math.Max(1, FloatsPerPart / (heads * headSize));

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            int half = headSize / 2, end = Math.Min((part + 1) * RowsPerPart, rows);
            var sign = W.Create(direction);
            for (var row = part * RowsPerPart; row < end; row++)
            {
                float* cos = table + (nint)positions[row] * headSize, sin = cos + half;
                for (var head = 0; head < heads; head++)
                {
                    float* a = x + (nint)row * stride + head * headSize, b = a + half;
                    var i = 0;
                    for (; i + W.Count <= half; i += W.Count)
                    {
                        V first = W.Load(a + i), second = W.Load(b + i), c = W.Load(cos + i), s = W.Multiply(sign, W.Load(sin + i));
                        W.Store(a + i, W.MultiplyAdd(first, c, W.Subtract(W.Create(0), W.Multiply(second, s))));
                        W.Store(b + i, W.MultiplyAdd(second, c, W.Multiply(first, s)));
                    }
                    for (; i < half; i++)
                    {
                        float first = a[i], second = b[i], s = direction * sin[i];
                        a[i] = MathF.FusedMultiplyAdd(first, cos[i], -(second * s));
                        b[i] = MathF.FusedMultiplyAdd(second, cos[i], first * s);
                    }
                }
            }
        }
    }
}

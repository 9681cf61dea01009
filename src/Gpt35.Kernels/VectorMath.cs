using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>Sums and scalings over whole buffers. Sums run over blocks of fixed size, whatever the threads.</summary>
public static unsafe class VectorMath
{
    private const int Chunk = 16384, RowsPerPartial = 128, SquaresPerPartial = 4096;

    /// <summary>y += x.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(n,).</param>
    /// <param name="n">Elements.</param>
    /// <param name="y">Added to, (n,).</param>
    public static void Add(WorkerPool pool, float* x, long n, float* y) => pool.Run(Simd.Pieces(n, Chunk), new AddJob(x, n, y));

    /// <summary>x ← factor·x.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(n,), changed in place.</param>
    /// <param name="n">Elements.</param>
    /// <param name="factor">Multiplier.</param>
    public static void Scale(WorkerPool pool, float* x, long n, float factor) => pool.Run(Simd.Pieces(n, Chunk), new ScaleJob(x, n, factor));

    /// <summary>dBias_j += Σ_i dy_ij: the gradient of a bias added to every row.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="dy">(rows, width).</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="dBias">Added to, (width,).</param>
    public static void AddRowSum(WorkerPool pool, float* dy, int rows, int width, float* dBias)
    {
        var partials = Simd.Pieces(rows, RowsPerPartial);
        var sums = Scratch.ForCall((long)partials * width);
        Simd.Run(pool, partials, new RowSumJob(dy, rows, width, sums));
        for (var i = 0; i < partials; i++) AddRow(sums + (nint)i * width, width, dBias);
    }

    /// <summary>Σ x², in float within blocks of 4,096, in double over the blocks.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(n,).</param>
    /// <param name="n">Elements.</param>
    public static double SumOfSquares(WorkerPool pool, float* x, long n)
    {
        var partials = Simd.Pieces(n, SquaresPerPartial);
        var sums = Scratch.ForCall(partials);
        Simd.Run(pool, Simd.Pieces(partials, 8), new SquaresJob(x, n, partials, sums));
        double total = 0;
        for (var i = 0; i < partials; i++) total += sums[i];
        return total;
    }

    /// <summary>y += x on the calling thread.</summary>
    /// <remarks>Loads both and stores at once, vector by vector: loops that load further ahead stall when x and y lie a multiple of 4 KiB apart.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddRow(float* x, int n, float* y)
    {
        var i = 0;
        for (; i + Vector<float>.Count <= n; i += Vector<float>.Count) Vector.Store(Vector.Load(y + i) + Vector.Load(x + i), y + i);
        for (; i < n; i++) y[i] += x[i];
    }

    private readonly struct AddJob(float* x, long n, float* y) : IParallelJob
    {
        public void Run(int part)
        {
            var start = (long)part * Chunk;
            AddRow(x + start, (int)Math.Min(Chunk, n - start), y + start);
        }
    }

    private readonly struct ScaleJob(float* x, long n, float factor) : IParallelJob
    {
        public void Run(int part)
        {
            var start = (long)part * Chunk;
            var piece = new Span<float>(x + start, (int)Math.Min(Chunk, n - start));
            TensorPrimitives.Multiply(piece, factor, piece);
        }
    }

    private readonly struct RowSumJob(float* dy, int rows, int width, float* sums) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            int start = part * RowsPerPartial, count = Math.Min(RowsPerPartial, rows - start);
            float* from = dy + (nint)start * width, target = sums + (nint)part * width;
            var j = 0;
            for (; j + 4 * W.Count <= width; j += 4 * W.Count)
            {
                V a = W.Create(0), b = a, c = a, d = a;
                var row = from + j;
                for (var i = 0; i < count; i++, row += width)
                {
                    a = W.Add(a, W.Load(row));
                    b = W.Add(b, W.Load(row + W.Count));
                    c = W.Add(c, W.Load(row + 2 * W.Count));
                    d = W.Add(d, W.Load(row + 3 * W.Count));
                }
                W.Store(target + j, a);
                W.Store(target + j + W.Count, b);
                W.Store(target + j + 2 * W.Count, c);
                W.Store(target + j + 3 * W.Count, d);
            }
            for (; j < width; j++)
            {
                float sum = 0;
                for (var i = 0; i < count; i++) sum += from[(nint)i * width + j];
                target[j] = sum;
            }
        }
    }

    private readonly struct SquaresJob(float* x, long n, int partials, float* sums) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            for (var partial = part * 8; partial < Math.Min(part * 8 + 8, partials); partial++)
            {
                var from = x + (long)partial * SquaresPerPartial;
                var count = (int)Math.Min(SquaresPerPartial, n - (long)partial * SquaresPerPartial);
                V a = W.Create(0), b = a, c = a, d = a;
                var i = 0;
                for (; i + 4 * W.Count <= count; i += 4 * W.Count)
                {
                    V p = W.Load(from + i), q = W.Load(from + i + W.Count), r = W.Load(from + i + 2 * W.Count), s = W.Load(from + i + 3 * W.Count);
                    a = W.MultiplyAdd(p, p, a);
                    b = W.MultiplyAdd(q, q, b);
                    c = W.MultiplyAdd(r, r, c);
                    d = W.MultiplyAdd(s, s, d);
                }
                var sum = W.Sum(W.Add(W.Add(a, b), W.Add(c, d)));
                for (; i < count; i++) sum += from[i] * from[i];
                sums[partial] = sum;
            }
        }
    }
}

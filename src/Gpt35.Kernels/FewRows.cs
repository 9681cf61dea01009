using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>
/// C = A·B where a few rows of A wait for B to come from memory: B is read once, in long runs and without a copy. Every element of C is the one chain over k that <see cref="Gemm"/> promises, so which way
/// a product takes cannot be seen in it.
/// </summary>
internal static unsafe class FewRows
{
    /// <summary>Rows of B that one pass over a stretch of C takes up: its sums are loaded and stored once for so many.</summary>
    private const int RowsTogether = 8;
    /// <summary>Bytes at the beginning of each of the next rows that are asked for meanwhile; the processor goes on from there by itself.</summary>
    private const int AskedFor = 128;
    /// <summary>Columns of C that stay in the first-level cache meanwhile.</summary>
    private const int Stretch = 2048;
    /// <summary>Fewer columns are not worth a thread: the reads of a row of B would be short.</summary>
    private const int FewestColumns = 128;
    /// <summary>Numbers of B that are not worth waking another thread for: one row of A meets them as fast as they are read, in 2 µs.</summary>
    private const int NumbersOfOneThread = 32 << 10;
    /// <summary>Bytes of a transposed B that one row meets in pairs of blocks: it comes from a cache, and more streams than a block's are no matter.</summary>
    private const long BytesForPairs = 4 << 20;
    /// <summary>Columns of a block of B, and its depth: as many as a vector has lanes.</summary>
    private const int Side = 16;
    /// <summary>Blocks of columns that a thread takes at a time, where B is given by columns.</summary>
    private const int BlocksEach = 16;

    /// <summary>Most rows of A: as long as packing B would not pay.</summary>
    private const int MostRows = Gemm.RowsWorthPacking - 1;

    /// <summary>Does the product where it can do it better than by panels.</summary>
    /// <param name="pool">Threads.</param>
    /// <param name="a">(M, K), fewer rows than are worth packing.</param>
    /// <param name="b">(K, N)</param>
    /// <param name="c">(M, N), column stride 1.</param>
    /// <param name="start">What each sum starts from.</param>
    /// <param name="epilogue">What follows for each sum.</param>
    /// <param name="alone">Whether it is not worth waking another thread.</param>
    internal static bool TryMultiply<W, V>(WorkerPool pool, Matrix a, Matrix b, Matrix c, Start start, Epilogue epilogue, bool alone) where W : struct, ILanes<V> where V : unmanaged
    {
        if (start.Data == null) start = new Start(c.Data, c.RowStride, 1);
        if (a.RowCount == 1 && b.ColumnStride == 1)
        {
            var each = (long)b.RowCount * b.ColumnCount <= NumbersOfOneThread ? c.ColumnCount : Math.Max(FewestColumns, Simd.Pieces(Simd.Pieces(c.ColumnCount, pool.Threads), Side) * Side);
            pool.Run(Simd.Pieces(c.ColumnCount, each), new RowJob<W, V>(a, b, c, start, epilogue, each));
            return true;
        }
        if (typeof(W) == typeof(Lanes512) && b.RowStride == 1 && a.ColumnCount >= Side && c.ColumnCount >= Side)
        {
            var blocks = Simd.Pieces(c.ColumnCount, Side);
            var each = alone ? blocks : BlocksEach;
            pool.Run(Simd.Pieces(blocks, each), new ColumnsJob(a, b, c, start, epilogue, each));
            return true;
        }
        return false;
    }

    /// <summary>One row of A, and B row by row: some columns of c += a_k · B_k, eight k at a time.</summary>
    private readonly struct RowJob<W, V>(Matrix a, Matrix b, Matrix c, Start start, Epilogue epilogue, int each) : IParallelJob where W : struct, ILanes<V> where V : unmanaged
    {
        public void Run(int part)
        {
            var end = Math.Min((part + 1) * each, c.ColumnCount);
            for (var column = part * each; column < end; column += Stretch)
            {
                var sums = c.Data + column;
                var columns = Math.Min(Stretch, end - column);
                if (start.Data != c.Data)
                    for (var j = 0; j < columns; j++) sums[j] = start.Data[(column + j) * start.ColumnStride];
                float* x = a.Data, y = b.Data + column;
                var k = a.ColumnCount;
                for (; k >= RowsTogether; k -= RowsTogether, x += RowsTogether * (nint)a.ColumnStride, y += RowsTogether * (nint)b.RowStride)
                {
                    if (Sse.IsSupported && k >= 2 * RowsTogether) AskFor(y + RowsTogether * (nint)b.RowStride, b.RowStride);
                    Eight<W, V>(x, a.ColumnStride, y, b.RowStride, sums, columns);
                }
                for (; k > 0; k--, x += a.ColumnStride, y += b.RowStride) One<W, V>(*x, y, sums, columns);
                epilogue.Apply(c.Columns(column, columns), 0, column);
            }
        }
    }

    private static void AskFor(float* rows, nint stride)
    {
        for (var row = 0; row < RowsTogether; row++, rows += stride)
            for (var at = 0; at < AskedFor; at += 64) Sse.Prefetch0((byte*)rows + at);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Eight<W, V>(float* a, nint aColumn, float* b, nint bRow, float* c, int columns) where W : struct, ILanes<V> where V : unmanaged
    {
        V x0 = W.Create(*a), x1 = W.Create(a[aColumn]), x2 = W.Create(a[2 * aColumn]), x3 = W.Create(a[3 * aColumn]);
        V x4 = W.Create(a[4 * aColumn]), x5 = W.Create(a[5 * aColumn]), x6 = W.Create(a[6 * aColumn]), x7 = W.Create(a[7 * aColumn]);
        float* b1 = b + bRow, b2 = b1 + bRow, b3 = b2 + bRow, b4 = b3 + bRow, b5 = b4 + bRow, b6 = b5 + bRow, b7 = b6 + bRow;
        var j = 0;
        for (; j + W.Count <= columns; j += W.Count)
        {
            var sum = W.MultiplyAdd(x0, W.Load(b + j), W.Load(c + j));
            sum = W.MultiplyAdd(x1, W.Load(b1 + j), sum);
            sum = W.MultiplyAdd(x2, W.Load(b2 + j), sum);
            sum = W.MultiplyAdd(x3, W.Load(b3 + j), sum);
            sum = W.MultiplyAdd(x4, W.Load(b4 + j), sum);
            sum = W.MultiplyAdd(x5, W.Load(b5 + j), sum);
            sum = W.MultiplyAdd(x6, W.Load(b6 + j), sum);
            W.Store(c + j, W.MultiplyAdd(x7, W.Load(b7 + j), sum));
        }
        for (; j < columns; j++)
            for (var k = 0; k < RowsTogether; k++) c[j] = MathF.FusedMultiplyAdd(a[k * aColumn], b[k * bRow + j], c[j]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One<W, V>(float a, float* b, float* c, int columns) where W : struct, ILanes<V> where V : unmanaged
    {
        var x = W.Create(a);
        var j = 0;
        for (; j + W.Count <= columns; j += W.Count) W.Store(c + j, W.MultiplyAdd(x, W.Load(b + j), W.Load(c + j)));
        for (; j < columns; j++) c[j] = MathF.FusedMultiplyAdd(a, b[j], c[j]);
    }

    /// <summary>A few rows of A, and B column by column: blocks of 16 × 16 numbers are transposed in registers and meet all rows.</summary>
    private readonly struct ColumnsJob(Matrix a, Matrix b, Matrix c, Start start, Epilogue epilogue, int each) : IParallelJob
    {
        public void Run(int part)
        {
            var sums = stackalloc float[MostRows * Side];
            int first = part * each * Side, end = Math.Min(first + each * Side, c.ColumnCount), column = first;
            if (c.RowCount == 1 && a.ColumnCount % Side == 0 && (long)b.RowCount * b.ColumnCount * sizeof(float) <= BytesForPairs)
                for (; column + 2 * Side <= end; column += 2 * Side)
                {
                    for (var j = 0; j < 2 * Side; j++) sums[j] = start.Data[(column + j) * start.ColumnStride];
                    BlocksOfOne(a.Data, a.ColumnStride, a.ColumnCount, b.Data + (nint)column * b.ColumnStride, b.ColumnStride, sums);
                    Unsafe.CopyBlockUnaligned(c.Data + column, sums, 2 * Side * sizeof(float));
                }
            for (; column < end; column += Side)
            {
                var columns = Math.Min(Side, end - column);
                for (var i = 0; i < c.RowCount; i++)
                    for (var j = 0; j < columns; j++) sums[i * Side + j] = start.Data[i * start.RowStride + (column + j) * start.ColumnStride];
                var whole = columns == Side ? a.ColumnCount / Side * Side : 0;
                if (whole > 0) Blocks(a.Columns(0, whole), b.Data + (nint)column * b.ColumnStride, b.ColumnStride, sums);
                for (var k = whole; k < a.ColumnCount; k += Side)
                {
                    var depth = Math.Min(Side, a.ColumnCount - k);
                    Border(a.Columns(k, depth), b.Rows(k, depth).Columns(column, columns), sums);
                }
                for (var i = 0; i < c.RowCount; i++) Unsafe.CopyBlockUnaligned(c.Data + (nint)i * c.RowStride + column, sums + i * Side, (uint)columns * sizeof(float));
            }
            epilogue.Apply(c.Columns(first, end - first), 0, first);
        }
    }

    /// <summary>sums += A·B for 16 columns of B, K a multiple of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Blocks(Matrix a, float* b, nint stride, float* sums)
    {
        var rows = a.Data;
        for (var k = 0; k < a.ColumnCount; k += Side, b += Side, rows += Side * (nint)a.ColumnStride)
        {
            Transpose(b, stride, out var r0, out var r1, out var r2, out var r3, out var r4, out var r5, out var r6, out var r7, out var r8, out var r9, out var r10, out var r11, out var r12, out var r13, out var r14, out var r15);
            var x = rows;
            for (var i = 0; i < a.RowCount; i++, x += a.RowStride)
                Vector512.Store(Chain(x, a.ColumnStride, Vector512.Load(sums + i * Side), r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15), sums + i * Side);
        }
    }

    /// <summary>The same for one row and 32 columns: each sum waits for its own last addition, and two wait together.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BlocksOfOne(float* x, nint step, int depth, float* b, nint stride, float* sums)
    {
        Vector512<float> first = Vector512.Load(sums), second = Vector512.Load(sums + Side);
        for (var k = 0; k < depth; k += Side, b += Side, x += Side * step)
        {
            first = Block(x, step, b, stride, first);
            second = Block(x, step, b + Side * stride, stride, second);
        }
        Vector512.Store(first, sums);
        Vector512.Store(second, sums + Side);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Block(float* x, nint step, float* b, nint stride, Vector512<float> sum)
    {
        Transpose(b, stride, out var r0, out var r1, out var r2, out var r3, out var r4, out var r5, out var r6, out var r7, out var r8, out var r9, out var r10, out var r11, out var r12, out var r13, out var r14, out var r15);
        return Chain(x, step, sum, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15);
    }

    /// <summary>A block of 16 columns and as many k: r_k receives k of all columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(float* b, nint stride,
        out Vector512<float> r0, out Vector512<float> r1, out Vector512<float> r2, out Vector512<float> r3, out Vector512<float> r4, out Vector512<float> r5, out Vector512<float> r6, out Vector512<float> r7,
        out Vector512<float> r8, out Vector512<float> r9, out Vector512<float> r10, out Vector512<float> r11, out Vector512<float> r12, out Vector512<float> r13, out Vector512<float> r14, out Vector512<float> r15)
    {
        float* b4 = b + 4 * stride, b8 = b4 + 4 * stride, b12 = b8 + 4 * stride;
        (r0, r1, r2, r3) = (Vector512.Load(b), Vector512.Load(b + stride), Vector512.Load(b + 2 * stride), Vector512.Load(b + 3 * stride));
        (r4, r5, r6, r7) = (Vector512.Load(b4), Vector512.Load(b4 + stride), Vector512.Load(b4 + 2 * stride), Vector512.Load(b4 + 3 * stride));
        (r8, r9, r10, r11) = (Vector512.Load(b8), Vector512.Load(b8 + stride), Vector512.Load(b8 + 2 * stride), Vector512.Load(b8 + 3 * stride));
        (r12, r13, r14, r15) = (Vector512.Load(b12), Vector512.Load(b12 + stride), Vector512.Load(b12 + 2 * stride), Vector512.Load(b12 + 3 * stride));
        TransposeWithinLanes(ref r0, ref r1, ref r2, ref r3);       // lane q of r0 … r3: k = 4q … 4q + 3 of columns 0 to 3
        TransposeWithinLanes(ref r4, ref r5, ref r6, ref r7);
        TransposeWithinLanes(ref r8, ref r9, ref r10, ref r11);
        TransposeWithinLanes(ref r12, ref r13, ref r14, ref r15);
        TransposeLanes(ref r0, ref r4, ref r8, ref r12);
        TransposeLanes(ref r1, ref r5, ref r9, ref r13);
        TransposeLanes(ref r2, ref r6, ref r10, ref r14);
        TransposeLanes(ref r3, ref r7, ref r11, ref r15);
    }

    /// <summary>sum + Σ x_k · r_k, from the first to the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Chain(float* x, nint step, Vector512<float> sum,
        Vector512<float> r0, Vector512<float> r1, Vector512<float> r2, Vector512<float> r3, Vector512<float> r4, Vector512<float> r5, Vector512<float> r6, Vector512<float> r7,
        Vector512<float> r8, Vector512<float> r9, Vector512<float> r10, Vector512<float> r11, Vector512<float> r12, Vector512<float> r13, Vector512<float> r14, Vector512<float> r15)
    {
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[0]), r0, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[step]), r1, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[2 * step]), r2, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[3 * step]), r3, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[4 * step]), r4, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[5 * step]), r5, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[6 * step]), r6, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[7 * step]), r7, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[8 * step]), r8, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[9 * step]), r9, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[10 * step]), r10, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[11 * step]), r11, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[12 * step]), r12, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[13 * step]), r13, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[14 * step]), r14, sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(x[15 * step]), r15, sum);
        return sum;
    }

    /// <summary>The same at the borders of B, fewer than 16 columns or k; lanes that stand for no column hold nothing that is used.</summary>
    private static void Border(Matrix a, Matrix b, float* sums)
    {
        var block = stackalloc float[Side * Side];
        new Span<float>(block, Side * Side).Clear();
        for (var j = 0; j < b.ColumnCount; j++)
            for (var k = 0; k < b.RowCount; k++) block[k * Side + j] = b.Data[(nint)j * b.ColumnStride + k];
        for (var i = 0; i < a.RowCount; i++)
        {
            var sum = Vector512.Load(sums + i * Side);
            for (var k = 0; k < a.ColumnCount; k++)
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(a.Data[(nint)i * a.RowStride + (nint)k * a.ColumnStride]), Vector512.Load(block + k * Side), sum);
            Vector512.Store(sum, sums + i * Side);
        }
    }

    /// <summary>In each 128-bit lane, four numbers of four vectors change places as a 4 × 4 matrix.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeWithinLanes(ref Vector512<float> a, ref Vector512<float> b, ref Vector512<float> c, ref Vector512<float> d)
    {
        Vector512<float> ab = Avx512F.UnpackLow(a, b), cd = Avx512F.UnpackLow(c, d), abHigh = Avx512F.UnpackHigh(a, b), cdHigh = Avx512F.UnpackHigh(c, d);
        a = Avx512F.Shuffle(ab, cd, 0b01_00_01_00);
        b = Avx512F.Shuffle(ab, cd, 0b11_10_11_10);
        c = Avx512F.Shuffle(abHigh, cdHigh, 0b01_00_01_00);
        d = Avx512F.Shuffle(abHigh, cdHigh, 0b11_10_11_10);
    }

    /// <summary>The lanes of four vectors change places as a 4 × 4 matrix.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeLanes(ref Vector512<float> a, ref Vector512<float> b, ref Vector512<float> c, ref Vector512<float> d)
    {
        Vector512<float> abEven = Avx512F.Shuffle4x128(a, b, 0b10_00_10_00), abOdd = Avx512F.Shuffle4x128(a, b, 0b11_01_11_01);
        Vector512<float> cdEven = Avx512F.Shuffle4x128(c, d, 0b10_00_10_00), cdOdd = Avx512F.Shuffle4x128(c, d, 0b11_01_11_01);
        a = Avx512F.Shuffle4x128(abEven, cdEven, 0b10_00_10_00);
        b = Avx512F.Shuffle4x128(abOdd, cdOdd, 0b10_00_10_00);
        c = Avx512F.Shuffle4x128(abEven, cdEven, 0b11_01_11_01);
        d = Avx512F.Shuffle4x128(abOdd, cdOdd, 0b11_01_11_01);
    }
}

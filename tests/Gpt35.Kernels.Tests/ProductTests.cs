using CsCheck;

namespace Gpt35.Kernels.Tests;

/// <summary>What both products promise, of F32 numbers (<see cref="Gemm"/>) and of numbers rounded to bfloat16 (<see cref="BFloat16Gemm"/>).</summary>
public sealed unsafe class ProductTests
{
    // Rows one by one, few, and many; panels in place and packed; depth beyond a block.
    private static readonly (int M, int K, int N)[] ShapesOfF32 =
    [
        (1, 1, 1), (1, 7, 33), (1, 40, 300), (2, 5, 31), (3, 17, 64), (5, 1, 9), (11, 20, 32), (12, 33, 32), (13, 8, 65), (23, 9, 40), (24, 16, 96),
        (25, 385, 33), (7, 800, 70), (37, 390, 130), (150, 31, 270), (64, 64, 64), (33, 3, 520),
        (1, 21, 4500), (1, 35, 700), (1, 48, 16), (1, 64, 90), (3, 100, 333), (23, 70, 50),
    ];

    // The last ones take several blocks of depth, of rows, and of columns.
    private static readonly (int M, int K, int N)[] ShapesOfBFloat16 =
    [
        (1, 1, 1), (1, 7, 33), (2, 5, 31), (3, 2, 48), (5, 1, 9), (7, 64, 16), (8, 32, 49), (9, 33, 100), (16, 9, 40), (23, 100, 47), (11, 770, 50), (10, 1601, 30), (5450, 3, 5), (3, 4, 5500),
    ];

    public static TheoryData<bool, string> Cases
    {
        get
        {
            var cases = new TheoryData<bool, string>();
            foreach (var bf16 in new[] { false, true })
                foreach (var tier in Support.TiersAndBest) cases.Add(bf16, tier);
            return cases;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Every_element_has_the_bits_of_the_definition(bool bf16, string tier)
    {
        foreach (var (m, k, n) in bf16 ? ShapesOfBFloat16 : ShapesOfF32)
            foreach (var (aTransposed, bTransposed) in new[] { (false, false), (false, true), (true, false), (true, true) })
                foreach (var mode in new[] { 'z', 'b', 'c' })
                    Check(bf16, tier, m, k, n, aTransposed, bTransposed, mode, gap: (m + n) % 3 * 5);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Any_shape_has_them(bool bf16, string tier) =>
        Gen.Select(Gen.Int[1, 60], Gen.Int[1, 70], Gen.Int[1, 140], Gen.Bool, Gen.Bool, Gen.Int[0, 2], Gen.Int[0, 9])
            .Sample((m, k, n, aT, bT, mode, gap) => Check(bf16, tier, m, k, n, aT, bT, "zbc"[mode], gap), iter: 60, threads: 1);

    [Theory, MemberData(nameof(Cases))]
    public void Without_rows_or_columns_nothing_happens_and_without_depth_the_sums_are_what_they_start_from(bool bf16, string tier)
    {
        foreach (var (m, k, n) in new[] { (0, 5, 7), (0, 5, 64), (3, 5, 0), (30, 5, 0), (1, 5, 0), (0, 0, 0), (1, 0, 64), (3, 0, 7), (30, 0, 64) })
            foreach (var bTransposed in new[] { false, true })
                foreach (var mode in new[] { 'z', 'b', 'c' })
                    Check(bf16, tier, m, k, n, false, bTransposed, mode, gap: 2);
        using Guarded data = new([1, 2]), y = new(2);
        Support.InTier(tier, () => Multiply(bf16, Support.Pools[1], new Matrix(data, 1, 0), new Matrix(data, 0, 2), new Matrix(data, 1, 2), true, null, new Epilogue(Nonlinearity.Silu, new Matrix(y, 1, 2))));
        Support.Close([Silu.Reference(1), Silu.Reference(2)], y.Span, 1e-6);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Views_without_a_unit_stride_work_too(bool bf16)
    {
        using Guarded a = new(Support.Normal(400, 1)), b = new(Support.Normal(1200, 2)), c = new(15 * 20), expected = new(15 * 20);
        var (left, right) = (new Matrix(a, 15, 6, 13, 2), new Matrix(b, 6, 20, 3, 50));
        Reference(bf16, left, right, new Matrix(expected, 15, 20));
        Multiply(bf16, Support.Pools[1], left, right, new Matrix(c, 15, 20));
        Assert.Equal(expected.Bits, c.Bits);
    }

    [Theory, MemberData(nameof(Cases))]
    public void A_row_alone_has_the_bits_it_has_among_others_and_a_column_too(bool bf16, string tier)
    {
        const int Rows = 70, K = 50, N = 131;
        using Guarded a = new(Support.Normal(Rows * K, 3)), b = new(Support.Normal(K * N, 4)), all = new(Rows * N), some = new(Rows * N);
        foreach (var right in new[] { new Matrix(b, K, N), new Matrix(b, N, K).T })
            Support.InTier(tier, () =>
            {
                Multiply(bf16, Support.Pools[2], new Matrix(a, Rows, K), right, new Matrix(all, Rows, N));
                foreach (var batch in new[] { 1, 2, 5, 7, 8, 9, 23, 24, 69 })
                {
                    var first = Rows - batch;
                    Multiply(bf16, Support.Pools[0], new Matrix(a, Rows, K).Rows(first, batch), right, new Matrix(some, batch, N));
                    Assert.Equal(all.Bits[(first * N)..], some.Bits[..(batch * N)]);
                }
                Multiply(bf16, Support.Pools[0], new Matrix(a, Rows, K), right.Columns(100, 1), new Matrix(some, Rows, 1));
                Assert.Equal(Enumerable.Range(0, Rows).Select(i => all.Bits[i * N + 100]), some.Bits[..Rows]);
            });
    }

    [Theory, MemberData(nameof(Cases))]
    public void The_number_of_threads_changes_no_bit_of_a_large_product(bool bf16, string tier)
    {
        const int M = 300, K = 1700, N = 200, Some = 5;
        using Guarded a = new(Support.Normal(M * K, 5)), b = new(Support.Normal(K * N, 6)), expected = new(Some * N), c = new(M * N), again = new(M * N);
        Matrix left = new Matrix(a, K, M).T, right = new(b, K, N);
        Reference(bf16, left.Rows(0, Some), right, new Matrix(expected, Some, N));
        Support.InTier(tier, () =>
        {
            Multiply(bf16, Support.Pools[0], left, right, new Matrix(c, M, N));
            Assert.Equal(expected.Bits, c.Bits[..(Some * N)]);
            foreach (var pool in Support.Pools[1..])
            {
                Multiply(bf16, pool, left, right, new Matrix(again, M, N));
                Assert.Equal(c.Bits, again.Bits);
            }
        });
    }

    [Fact]
    public void A_product_deeper_than_the_packing_memory_goes_on_with_its_sums()
    {
        const int M = 13, K = 9000, N = 300;
        using Guarded a = new(Support.Normal(M * K, 7)), b = new(Support.Normal(K * N, 8)), expected = new(M * N), c = new(M * N);
        foreach (var right in new[] { new Matrix(b, K, N), new Matrix(b, N, K).T })
        {
            Gemm.Reference(new Matrix(a, M, K), right, new Matrix(expected, M, N), false, null);
            Gemm.Multiply(Support.Pools[1], new Matrix(a, M, K), right, new Matrix(c, M, N));
            Assert.Equal(expected.Bits, c.Bits);
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Two_by_two_by_hand(bool bf16)
    {
        using Guarded a = new([1, 2, 3, 4]), b = new([5, 6, 7, 8]), bias = new([10, 20]), c = new(4);
        Multiply(bf16, Support.Pools[0], new Matrix(a, 2, 2), new Matrix(b, 2, 2), new Matrix(c, 2, 2), bias: bias);
        Assert.Equal([29, 42, 53, 70], c.Array);
        Multiply(bf16, Support.Pools[0], new Matrix(a, 2, 2).T, new Matrix(b, 2, 2), new Matrix(c, 2, 2), accumulate: true);
        Assert.Equal([29 + 26, 42 + 30, 53 + 38, 70 + 44], c.Array);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Shapes_that_do_not_fit_are_refused(bool bf16)
    {
        using Guarded data = new(100);
        Matrix a = new(data, 3, 4), b = new(data, 5, 6), c = new(data, 3, 6);
        Assert.Throws<ArgumentException>(() => Multiply(bf16, Support.Pools[0], a, b, c));
        Assert.Throws<ArgumentException>(() => Multiply(bf16, Support.Pools[0], a, new Matrix(data, 4, 6), new Matrix(data, 6, 3).T));
        Assert.Throws<ArgumentException>(() => Multiply(bf16, Support.Pools[0], a, new Matrix(data, 4, 6), c, true, data));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_warm_product_allocates_nothing(bool bf16)
    {
        using Guarded a = new(64 * 64), b = new(64 * 64), c = new(64 * 64);
        for (var i = 0; i < 3; i++) Multiply(bf16, Support.Pools[1], new Matrix(a, 64, 64), new Matrix(b, 64, 64).T, new Matrix(c, 64, 64));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) Multiply(bf16, Support.Pools[1], new Matrix(a, 64, 64), new Matrix(b, 64, 64).T, new Matrix(c, 64, 64));
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    internal static void Multiply(bool bf16, WorkerPool pool, Matrix a, Matrix b, Matrix c, bool accumulate = false, float* bias = null, Epilogue epilogue = default)
    {
        if (bf16) BFloat16Gemm.Multiply(pool, a, b, c, accumulate, bias, epilogue);
        else Gemm.Multiply(pool, a, b, c, accumulate, bias, epilogue);
    }

    private static void Reference(bool bf16, Matrix a, Matrix b, Matrix c, bool accumulate = false, float* bias = null)
    {
        if (bf16) BFloat16Gemm.Reference(a, b, c, accumulate, bias);
        else Gemm.Reference(a, b, c, accumulate, bias);
    }

    /// <summary>One product against the definition, to the bit.</summary>
    /// <param name="bf16">Which product.</param>
    /// <param name="tier">One of <see cref="Support.TiersAndBest"/>.</param>
    /// <param name="m">Rows of A.</param>
    /// <param name="k">Columns of A.</param>
    /// <param name="n">Columns of B.</param>
    /// <param name="aTransposed">Whether A lies column by column.</param>
    /// <param name="bTransposed">Whether B does.</param>
    /// <param name="mode">What sums start from: z, zero; b, a bias; c, what C holds.</param>
    /// <param name="gap">Numbers between rows that belong to nobody.</param>
    /// <param name="scale">Standard deviation of A.</param>
    /// <param name="otherScale">Of B.</param>
    /// <param name="startScale">Of what C holds.</param>
    internal static void Check(
        bool bf16, string tier, int m, int k, int n, bool aTransposed, bool bTransposed, char mode, int gap, float scale = 1, float otherScale = 1, float startScale = 1)
    {
        int aStride = (aTransposed ? m : k) + gap, bStride = (bTransposed ? k : n) + gap, cStride = n + gap;
        using Guarded a = new(Support.Normal((aTransposed ? k : m) * aStride, 1, scale)), b = new(Support.Normal((bTransposed ? n : k) * bStride, 2, otherScale));
        using Guarded bias = new(Support.Normal(n, 3)), c = new(Support.Normal(m * cStride, 4, startScale)), expected = new(c.Array);
        var left = aTransposed ? new Matrix(a, k, m, aStride, 1).T : new Matrix(a, m, k, aStride, 1);
        var right = bTransposed ? new Matrix(b, n, k, bStride, 1).T : new Matrix(b, k, n, bStride, 1);
        var start = mode == 'b' ? bias.Pointer : null;
        Reference(bf16, left, right, new Matrix(expected, m, n, cStride, 1), mode == 'c', start);
        Support.InTier(tier, () => Multiply(bf16, Support.Pools[(m + n) % 3], left, right, new Matrix(c, m, n, cStride, 1), mode == 'c', start));
        Assert.Equal(expected.Bits, c.Bits);
    }
}

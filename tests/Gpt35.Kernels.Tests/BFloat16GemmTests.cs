using CsCheck;

namespace Gpt35.Kernels.Tests;

/// <summary>Products of numbers rounded to bfloat16, on the tier that this machine takes and on all others.</summary>
public sealed unsafe class BFloat16GemmTests
{
    private const string Best = "best";

    public static TheoryData<string> Tiers => [Best, .. Enum.GetValues<SimdTier>().Where(tier => tier <= Simd.Best).Select(tier => tier.ToString())];

    // The last ones take several blocks of depth, of rows, and of columns.
    private static readonly (int M, int K, int N)[] Shapes =
    [
        (1, 1, 1), (1, 7, 33), (2, 5, 31), (3, 2, 48), (5, 1, 9), (7, 64, 16), (8, 32, 49), (9, 33, 100), (16, 9, 40), (23, 100, 47), (11, 770, 50), (10, 1601, 30), (5450, 3, 5), (3, 4, 5500),
    ];

    [Theory]
    [InlineData(1f, 0x3F80)]
    [InlineData(-1.00390625f, 0xBF80)]          // 1 + 2⁻⁸ lies in the middle: to the even one
    [InlineData(1.01171875f, 0x3F82)]           // 1 + 3·2⁻⁸ too, and the even one is above
    [InlineData(1.004f, 0x3F81)]               // just above the middle
    [InlineData(3.4e38f, 0x7F80)]               // beyond the largest
    [InlineData(float.NegativeInfinity, 0xFF80)]
    [InlineData(float.NaN, 0x7FC0)]
    [InlineData(1.17e-38f, 0x007F)]
    [InlineData(1.1754942e-38f, 0x0080)]
    [InlineData(-0f, 0x8000)]
    public void Numbers_are_rounded_to_the_nearest_bfloat16(float value, uint expected) => Assert.Equal(expected, BFloat16Panel.Round(value));

    [Fact]
    public void Not_a_number_stays_one_whatever_its_bits_are()
    {
        foreach (var bits in new[] { 0x7F80_0001u, 0x7FFF_FFFFu, 0xFF80_0001u, 0xFFFF_FFFFu })
        {
            using Guarded a = new([.. Enumerable.Repeat(BitConverter.UInt32BitsToSingle(bits), 64 * 32)]), b = new([.. Enumerable.Repeat(1f, 64 * 48)]), c = new(32 * 48);
            foreach (var left in new[] { new Matrix(a, 32, 64), new Matrix(a, 64, 32).T })
            {
                BFloat16Gemm.Multiply(Support.Pools[0], left, new Matrix(b, 64, 48), new Matrix(c, 32, 48));
                Assert.All(c.Array, found => Assert.True(float.IsNaN(found)));
            }
        }
    }

    [Fact]
    public void The_upper_half_comes_first_and_each_sum_is_rounded()
    {
        uint one = 0x3F80, minusBig = 0xCB80;                                      // 1, −2²⁴
        // (2²⁴ + 1) − 2²⁴ loses the 1, (2²⁴ − 2²⁴) + 1 does not.
        Assert.Equal(0f, BFloat16Gemm.MultiplyAddPair(minusBig | (one << 16), one | (one << 16), 16777216f));
        Assert.Equal(1f, BFloat16Gemm.MultiplyAddPair(one | (minusBig << 16), one | (one << 16), 16777216f));
    }

    [Fact]
    public void Numbers_below_the_normal_ones_count_as_zero_read_or_computed()
    {
        uint one = 0x3F80, tiny = 0x0040, huge = 0x7F00, small = (127 - 64) << 7;  // 1, 2⁻¹²⁷, 2¹²⁷, 2⁻⁶⁴
        Assert.Equal(0f, BFloat16Gemm.MultiplyAddPair(0, 0, 1e-39f));
        Assert.Equal(0f, BFloat16Gemm.MultiplyAddPair(tiny, huge, 0));
        Assert.Equal(0f, BFloat16Gemm.MultiplyAddPair(small, small, 0));          // 2⁻¹²⁸
        Assert.Equal(MathF.ScaleB(1, -126), BFloat16Gemm.MultiplyAddPair(one, 0x0080, 0));
        // 2⁻¹²⁶ − 2⁻¹⁵⁰ has 24 bits of its own below 2⁻¹²⁶; 2⁻¹²⁶ − 2⁻¹⁵¹ has not and is rounded up.
        uint minus = 0x8000 | ((127 - 75) << 7);
        Assert.Equal(0f, BFloat16Gemm.MultiplyAddPair(minus, (127 - 75) << 7, MathF.ScaleB(1, -126)));
        Assert.Equal(MathF.ScaleB(1, -126), BFloat16Gemm.MultiplyAddPair(minus, (127 - 76) << 7, MathF.ScaleB(1, -126)));
    }

    /// <summary>The instruction itself against the definition: ordinary numbers, numbers of all sizes, and those around the smallest, where it takes some for zero.</summary>
    [Theory]
    [InlineData(127 - 3, 7, 127 - 3, 7)]
    [InlineData(1, 254, 1, 254)]
    [InlineData(127 - 70, 14, 0, 14)]
    [InlineData(127 - 80, 24, 0, 2)]
    public void The_instruction_computes_the_definition(int exponent, int exponents, int sumExponent, int sumExponents)
    {
        Assert.SkipUnless(BFloat16Kernels.Available, "This machine has no AVX512-BF16.");
        var a = stackalloc uint[BFloat16Panel.Rows];
        var b = stackalloc uint[BFloat16Panel.Columns];
        float* sums = stackalloc float[16], found = stackalloc float[16];
        var draws = 0UL;
        uint Below(int n) => (uint)(CounterRandom.Hash(17, draws++) % (ulong)n);
        uint Half() => (Below(2) << 15) | ((uint)exponent + Below(exponents)) << 7 | Below(128);
        for (var round = 0; round < 4000; round++)
        {
            *a = Half() | Half() << 16;
            for (var lane = 0; lane < 16; lane++)
            {
                b[lane] = Half() | Half() << 16;
                sums[lane] = BitConverter.UInt32BitsToSingle((Below(2) << 31) | ((uint)sumExponent + Below(sumExponents)) << 23 | Below(1 << 23));
            }
            BFloat16Kernels.Multiply(a, b, 1, 1, 1, sums, 0, found, 0, found);
            for (var lane = 0; lane < 16; lane++)
                Assert.True(BFloat16Gemm.MultiplyAddPair(*a, b[lane], sums[lane]).Equals(found[lane]), $"{*a:X8} {b[lane]:X8} {sums[lane]:R}: {found[lane]:R}");
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Every_element_has_the_bits_of_the_definition(string tier)
    {
        foreach (var (m, k, n) in Shapes)
            foreach (var (aTransposed, bTransposed) in new[] { (false, false), (false, true), (true, false), (true, true) })
                foreach (var mode in new[] { 'z', 'b', 'c' })
                    Check(tier, m, k, n, aTransposed, bTransposed, mode, gap: (m + n) % 3 * 5);
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Any_shape_has_them(string tier) =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 70], Gen.Int[1, 110], Gen.Bool, Gen.Bool, Gen.Int[0, 2], Gen.Int[0, 9])
            .Sample((m, k, n, aT, bT, mode, gap) => Check(tier, m, k, n, aT, bT, "zbc"[mode], gap), iter: 40, threads: 1);

    /// <summary>Around 2⁻⁶³ squared: sums come and go below the smallest normal number.</summary>
    [Theory, MemberData(nameof(Tiers))]
    public void Tiny_numbers_have_them_too(string tier)
    {
        Check(tier, 13, 40, 60, false, true, 'c', 0, scale: MathF.ScaleB(1, -63), startScale: MathF.ScaleB(1, -126));
        // Factors that count as zero, by factors that would make something of them.
        Check(tier, 13, 40, 60, false, true, 'c', 0, scale: MathF.ScaleB(1, -126), otherScale: MathF.ScaleB(1, 120));
        Check(tier, 13, 40, 60, false, true, 'c', 0, scale: MathF.ScaleB(1, 120), otherScale: MathF.ScaleB(1, -126));
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Numbers_of_eight_bits_are_multiplied_exactly(string tier)
    {
        const int M = 30, K = 200, N = 70;
        float[] Whole(int n, ulong key) => [.. Enumerable.Range(0, n).Select(i => (float)((long)(CounterRandom.Hash(key, (ulong)i) % 511) - 255))];
        using Guarded a = new(Whole(M * K, 1)), b = new(Whole(K * N, 2)), c = new(M * N);
        Run(tier, () => BFloat16Gemm.Multiply(Support.Pools[1], new Matrix(a, M, K), new Matrix(b, K, N), new Matrix(c, M, N)));
        for (var i = 0; i < M; i++)
            for (var j = 0; j < N; j++)
                Assert.Equal(Enumerable.Range(0, K).Sum(k => (long)a.Pointer[i * K + k] * (long)b.Pointer[k * N + j]), c.Pointer[i * N + j]);
    }

    [Fact]
    public void The_error_is_that_of_two_roundings_to_eight_bits_and_of_the_sum()
    {
        const int M = 20, K = 900, N = 60;
        using Guarded a = new(Support.Normal(M * K, 1)), b = new(Support.Normal(K * N, 2)), c = new(M * N);
        BFloat16Gemm.Multiply(Support.Pools[1], new Matrix(a, M, K), new Matrix(b, K, N), new Matrix(c, M, N));
        double u = Math.ScaleB(1, -8), v = Math.ScaleB(1, -24), largest = 0;
        for (var i = 0; i < M; i++)
            for (var j = 0; j < N; j++)
            {
                double exact = 0, size = 0;
                for (var k = 0; k < K; k++)
                {
                    var product = (double)a.Pointer[i * K + k] * b.Pointer[k * N + j];
                    exact += product;
                    size += Math.Abs(product);
                }
                var error = Math.Abs(c.Pointer[i * N + j] - exact) / size;
                Assert.True(error <= 2 * u + u * u + K * v, $"({i}, {j}): {error}");
                largest = Math.Max(largest, error);
            }
        Assert.True(largest > v, "It was not rounded at all.");
    }

    [Theory, MemberData(nameof(Tiers))]
    public void A_row_alone_has_the_bits_it_has_among_others_and_a_column_too(string tier)
    {
        const int Rows = 70, K = 50, N = 131;
        using Guarded a = new(Support.Normal(Rows * K, 3)), b = new(Support.Normal(K * N, 4)), all = new(Rows * N), some = new(Rows * N);
        foreach (var right in new[] { new Matrix(b, K, N), new Matrix(b, N, K).T })
            Run(tier, () =>
            {
                BFloat16Gemm.Multiply(Support.Pools[2], new Matrix(a, Rows, K), right, new Matrix(all, Rows, N));
                foreach (var batch in new[] { 1, 2, 7, 8, 9, 69 })
                {
                    var first = Rows - batch;
                    BFloat16Gemm.Multiply(Support.Pools[0], new Matrix(a, Rows, K).Rows(first, batch), right, new Matrix(some, batch, N));
                    Assert.Equal(all.Span[(first * N)..].ToArray(), some.Span[..(batch * N)].ToArray());
                }
                BFloat16Gemm.Multiply(Support.Pools[0], new Matrix(a, Rows, K), right.Columns(100, 1), new Matrix(some, Rows, 1));
                Assert.Equal(Enumerable.Range(0, Rows).Select(i => all.Pointer[i * N + 100]), some.Span[..Rows].ToArray());
            });
    }

    [Fact]
    public void The_number_of_threads_changes_no_bit_of_a_large_product()
    {
        const int M = 300, K = 1700, N = 200;
        using Guarded a = new(Support.Normal(M * K, 5)), b = new(Support.Normal(K * N, 6)), expected = new(M * N), c = new(M * N);
        foreach (var pool in Support.Pools)
        {
            BFloat16Gemm.Multiply(pool, new Matrix(a, K, M).T, new Matrix(b, K, N), new Matrix(c, M, N));
            if (pool == Support.Pools[0]) c.Span.CopyTo(expected.Span);
            Assert.Equal(expected.Array, c.Array);
        }
    }

    [Fact]
    public void A_product_of_several_blocks_in_every_direction_is_that_of_fp32_where_nothing_is_rounded()
    {
        const int M = 5430, K = 1540, N = 5440;
        using NativeBuffer<float> a = new(M * K), b = new(K * N), c = new((long)M * N), expected = new((long)M * N);
        for (var i = 0; i < M * K; i++) a.Pointer[i] = i % 7 - 3;
        for (var i = 0; i < K * N; i++) b.Pointer[i] = i % 11 - 5;
        // Of all rows and columns only some, for the time it takes; the blocks are those of the whole.
        BFloat16Gemm.Multiply(WorkerPool.Shared, new Matrix(a.Pointer, M, K).Columns(0, 4), new Matrix(b.Pointer, K, N).Rows(0, 4), new Matrix(c.Pointer, M, N));
        Gemm.Multiply(WorkerPool.Shared, new Matrix(a.Pointer, M, K).Columns(0, 4), new Matrix(b.Pointer, K, N).Rows(0, 4), new Matrix(expected.Pointer, M, N));
        Assert.True(expected.Span.SequenceEqual(c.Span));
        BFloat16Gemm.Multiply(WorkerPool.Shared, new Matrix(a.Pointer, M, K).Rows(0, 40), new Matrix(b.Pointer, K, N), new Matrix(c.Pointer, 40, N));
        Gemm.Multiply(WorkerPool.Shared, new Matrix(a.Pointer, M, K).Rows(0, 40), new Matrix(b.Pointer, K, N), new Matrix(expected.Pointer, 40, N));
        Assert.True(expected.Span.SequenceEqual(c.Span));
    }

    [Fact]
    public void Views_without_a_unit_stride_work_too()
    {
        using Guarded a = new(Support.Normal(400, 1)), b = new(Support.Normal(1200, 2)), c = new(15 * 20), expected = new(15 * 20);
        var (left, right) = (new Matrix(a, 15, 6, 13, 2), new Matrix(b, 6, 20, 3, 50));
        BFloat16Gemm.Reference(left, right, new Matrix(expected, 15, 20), false, null);
        BFloat16Gemm.Multiply(Support.Pools[1], left, right, new Matrix(c, 15, 20));
        Assert.Equal(expected.Array, c.Array);
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using Guarded data = new(100);
        Matrix a = new(data, 3, 4), b = new(data, 5, 6), c = new(data, 3, 6);
        Assert.Throws<ArgumentException>(() => BFloat16Gemm.Multiply(Support.Pools[0], a, b, c));
        Assert.Throws<ArgumentException>(() => BFloat16Gemm.Multiply(Support.Pools[0], a, new Matrix(data, 4, 6), c, true, data));
    }

    [Fact]
    public void A_warm_product_allocates_nothing()
    {
        using Guarded a = new(64 * 64), b = new(64 * 64), c = new(64 * 64);
        for (var i = 0; i < 3; i++) BFloat16Gemm.Multiply(Support.Pools[1], new Matrix(a, 64, 64), new Matrix(b, 64, 64).T, new Matrix(c, 64, 64));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) BFloat16Gemm.Multiply(Support.Pools[1], new Matrix(a, 64, 64), new Matrix(b, 64, 64).T, new Matrix(c, 64, 64));
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static void Check(string tier, int m, int k, int n, bool aTransposed, bool bTransposed, char mode, int gap, float scale = 1, float? otherScale = null, float startScale = 1)
    {
        int aStride = (aTransposed ? m : k) + gap, bStride = (bTransposed ? k : n) + gap, cStride = n + gap;
        using Guarded a = new(Support.Normal((aTransposed ? k : m) * aStride, 1, scale)), b = new(Support.Normal((bTransposed ? n : k) * bStride, 2, otherScale ?? scale));
        using Guarded bias = new(Support.Normal(n, 3)), c = new(Support.Normal(m * cStride, 4, startScale)), expected = new(c.Array);
        var left = aTransposed ? new Matrix(a, k, m, aStride, 1).T : new Matrix(a, m, k, aStride, 1);
        var right = bTransposed ? new Matrix(b, n, k, bStride, 1).T : new Matrix(b, k, n, bStride, 1);
        var start = mode == 'b' ? bias.Pointer : null;
        BFloat16Gemm.Reference(left, right, new Matrix(expected, m, n, cStride, 1), mode == 'c', start);
        Run(tier, () => BFloat16Gemm.Multiply(Support.Pools[(m + n) % 3], left, right, new Matrix(c, m, n, cStride, 1), mode == 'c', start));
        Assert.Equal(expected.Array, c.Array);
    }

    private static void Run(string tier, Action action)
    {
        if (tier == Best) action();
        else Support.InTier(Enum.Parse<SimdTier>(tier), action);
    }
}

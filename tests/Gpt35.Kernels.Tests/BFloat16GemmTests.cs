namespace Gpt35.Kernels.Tests;

/// <summary>The arithmetic of products of numbers rounded to bfloat16; what they have in common with those of F32 is in <see cref="ProductTests"/>.</summary>
public sealed unsafe class BFloat16GemmTests
{
    public static TheoryData<string> Tiers => Support.TiersAndBest;

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

    /// <summary>Around 2⁻⁶³ squared: sums come and go below the smallest normal number.</summary>
    [Theory, MemberData(nameof(Tiers))]
    public void Tiny_numbers_have_the_bits_of_the_definition_too(string tier)
    {
        Check(scale: MathF.ScaleB(1, -63), otherScale: MathF.ScaleB(1, -63), startScale: MathF.ScaleB(1, -126));
        // Factors that count as zero, by factors that would make something of them.
        Check(scale: MathF.ScaleB(1, -126), otherScale: MathF.ScaleB(1, 120));
        Check(scale: MathF.ScaleB(1, 120), otherScale: MathF.ScaleB(1, -126));

        void Check(float scale, float otherScale, float startScale = 1) => ProductTests.Check(bf16: true, tier, 13, 40, 60, false, true, 'c', 0, scale, otherScale, startScale);
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Numbers_of_eight_bits_are_multiplied_exactly(string tier)
    {
        const int M = 30, K = 200, N = 70;
        float[] Whole(int n, ulong key) => [.. Enumerable.Range(0, n).Select(i => (float)((long)(CounterRandom.Hash(key, (ulong)i) % 511) - 255))];
        using Guarded a = new(Whole(M * K, 1)), b = new(Whole(K * N, 2)), c = new(M * N);
        Support.InTier(tier, () => BFloat16Gemm.Multiply(Support.Pools[1], new Matrix(a, M, K), new Matrix(b, K, N), new Matrix(c, M, N)));
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
}

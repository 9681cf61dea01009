using CsCheck;

namespace Gpt35.Kernels.Tests;

public sealed unsafe class GemmTests
{
    public static TheoryData<SimdTier> Tiers => Support.Tiers;

    public static readonly (int M, int K, int N)[] Shapes =
    [
        (1, 1, 1), (1, 7, 33), (1, 40, 300), (2, 5, 31), (3, 17, 64), (5, 1, 9), (11, 20, 32), (12, 33, 32), (13, 8, 65), (23, 9, 40), (24, 16, 96),
        (25, 385, 33), (7, 800, 70), (37, 390, 130), (150, 31, 270), (64, 64, 64), (33, 3, 520),
        (1, 21, 4500), (1, 35, 700), (1, 48, 16), (1, 64, 90), (3, 100, 333), (23, 70, 50),
    ];

    [Theory, MemberData(nameof(Tiers))]
    public void Every_element_has_the_bits_of_one_chain_of_fused_multiply_adds(SimdTier tier)
    {
        foreach (var (m, k, n) in Shapes)
            foreach (var (aTransposed, bTransposed) in new[] { (false, false), (false, true), (true, false), (true, true) })
                foreach (var mode in new[] { 'z', 'b', 'c' })
                    Check(tier, m, k, n, aTransposed, bTransposed, mode, gap: (m + n) % 3 * 5);
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Any_shape_agrees_with_the_definition(SimdTier tier) =>
        Gen.Select(Gen.Int[1, 60], Gen.Int[1, 70], Gen.Int[1, 140], Gen.Bool, Gen.Bool, Gen.Int[0, 2], Gen.Int[0, 9])
            .Sample((m, k, n, aT, bT, mode, gap) => Check(tier, m, k, n, aT, bT, "zbc"[mode], gap), iter: 60, threads: 1);

    [Fact]
    public void Views_without_a_unit_stride_work_too()
    {
        using Guarded a = new(Support.Normal(400, 1)), b = new(Support.Normal(1200, 2)), c = new(15 * 20), expected = new(15 * 20);
        var (left, right) = (new Matrix(a, 15, 6, 13, 2), new Matrix(b, 6, 20, 3, 50));
        Gemm.Reference(left, right, new Matrix(expected, 15, 20), false, null);
        Gemm.Multiply(Support.Pools[1], left, right, new Matrix(c, 15, 20));
        Assert.Equal(expected.Array, c.Array);
    }

    [Theory, MemberData(nameof(Tiers))]
    public void A_row_alone_has_the_bits_it_has_among_others(SimdTier tier)
    {
        const int Rows = 70, K = 50, N = 131;
        using Guarded a = new(Support.Normal(Rows * K, 3)), b = new(Support.Normal(K * N, 4)), all = new(Rows * N), some = new(Rows * N);
        foreach (var right in new[] { new Matrix(b, K, N), new Matrix(b, N, K).T })
            Support.InTier(tier, () =>
            {
                Gemm.Multiply(Support.Pools[2], new Matrix(a, Rows, K), right, new Matrix(all, Rows, N));
                foreach (var batch in new[] { 1, 2, 5, 23, 24, 69 })
                {
                    var first = Rows - batch;
                    Gemm.Multiply(Support.Pools[0], new Matrix(a, Rows, K).Rows(first, batch), right, new Matrix(some, batch, N));
                    Assert.Equal(all.Span[(first * N)..].ToArray(), some.Span[..(batch * N)].ToArray());
                }
            });
    }

    [Theory, MemberData(nameof(Tiers))]
    public void The_number_of_threads_changes_no_bit_of_a_large_product(SimdTier tier)
    {
        const int M = 300, K = 700, N = 200;
        using Guarded a = new(Support.Normal(M * K, 5)), b = new(Support.Normal(K * N, 6)), expected = new(M * N), c = new(M * N);
        Gemm.Reference(new Matrix(a, K, M).T, new Matrix(b, K, N), new Matrix(expected, M, N), false, null);
        foreach (var pool in Support.Pools)
        {
            Support.InTier(tier, () => Gemm.Multiply(pool, new Matrix(a, K, M).T, new Matrix(b, K, N), new Matrix(c, M, N)));
            Assert.Equal(expected.Array, c.Array);
        }
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
            Assert.Equal(expected.Array, c.Array);
        }
    }

    [Fact]
    public void Two_by_two_by_hand()
    {
        using Guarded a = new([1, 2, 3, 4]), b = new([5, 6, 7, 8]), bias = new([10, 20]), c = new(4);
        Gemm.Multiply(Support.Pools[0], new Matrix(a, 2, 2), new Matrix(b, 2, 2), new Matrix(c, 2, 2), bias: bias);
        Assert.Equal([29, 42, 53, 70], c.Array);
        Gemm.Multiply(Support.Pools[0], new Matrix(a, 2, 2).T, new Matrix(b, 2, 2), new Matrix(c, 2, 2), accumulate: true);
        Assert.Equal([29 + 26, 42 + 30, 53 + 38, 70 + 44], c.Array);
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using Guarded data = new(100);
        Matrix a = new(data, 3, 4), b = new(data, 5, 6), c = new(data, 3, 6);
        Assert.Throws<ArgumentException>(() => Gemm.Multiply(Support.Pools[0], a, b, c));
        Assert.Throws<ArgumentException>(() => Gemm.Multiply(Support.Pools[0], a, new Matrix(data, 4, 6), new Matrix(data, 6, 3).T));
        Assert.Throws<ArgumentException>(() => Gemm.Multiply(Support.Pools[0], a, new Matrix(data, 4, 6), c, true, data));
    }

    [Fact]
    public void A_warm_product_allocates_nothing()
    {
        using Guarded a = new(64 * 64), b = new(64 * 64), c = new(64 * 64);
        for (var i = 0; i < 3; i++) Gemm.Multiply(Support.Pools[1], new Matrix(a, 64, 64), new Matrix(b, 64, 64).T, new Matrix(c, 64, 64));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) Gemm.Multiply(Support.Pools[1], new Matrix(a, 64, 64), new Matrix(b, 64, 64).T, new Matrix(c, 64, 64));
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static void Check(SimdTier tier, int m, int k, int n, bool aTransposed, bool bTransposed, char mode, int gap)
    {
        int aStride = (aTransposed ? m : k) + gap, bStride = (bTransposed ? k : n) + gap, cStride = n + gap;
        using Guarded a = new(Support.Normal((aTransposed ? k : m) * aStride, 1)), b = new(Support.Normal((bTransposed ? n : k) * bStride, 2));
        using Guarded bias = new(Support.Normal(n, 3)), c = new(Support.Normal(m * cStride, 4)), expected = new(c.Array);
        var left = aTransposed ? new Matrix(a, k, m, aStride, 1).T : new Matrix(a, m, k, aStride, 1);
        var right = bTransposed ? new Matrix(b, n, k, bStride, 1).T : new Matrix(b, k, n, bStride, 1);
        var start = mode == 'b' ? bias.Pointer : null;
        Gemm.Reference(left, right, new Matrix(expected, m, n, cStride, 1), mode == 'c', start);
        Support.InTier(tier, () => Gemm.Multiply(Support.Pools[(m + n) % 3], left, right, new Matrix(c, m, n, cStride, 1), mode == 'c', start));
        Assert.Equal(expected.Array, c.Array);
    }
}

using CsCheck;

namespace Gpt35.Kernels.Tests;

/// <summary>What follows a matrix product, done by the product and in a pass of its own.</summary>
public sealed unsafe class EpilogueTests
{
    private const int Gap = 3;

    // Rows one by one, few, and many; in Gemm panels in place and packed, depth beyond a block; in BFloat16Gemm several blocks of rows, of columns and of depth.
    private static readonly (int M, int K, int N)[] Shapes =
    [
        (1, 1, 1), (1, 40, 300), (1, 21, 4500), (3, 17, 64), (5, 70, 333), (11, 20, 32), (23, 9, 40), (13, 8, 65), (24, 16, 96), (37, 390, 130), (150, 31, 270), (1, 1601, 30), (10, 1601, 30),
        (5450, 3, 5), (3, 4, 5500),
    ];

    public static TheoryData<string> Tiers => Support.TiersAndBest;

    [Theory, MemberData(nameof(Tiers))]
    public void The_bits_are_those_of_a_pass_of_its_own(string tier)
    {
        var f = 0;
        foreach (var (m, k, n) in Shapes)
            foreach (var inPlace in new[] { false, true })
                foreach (var bTransposed in new[] { false, true })
                    foreach (var bf16 in new[] { false, true })
                        Check(tier, (Nonlinearity)(f % 3), inPlace, m, k, n, bTransposed, "zbc"[f++ / 2 % 3], bf16);
    }

    [Theory, MemberData(nameof(Tiers))]
    public void In_any_shape(string tier) =>
        Gen.Select(Gen.Int[1, 60], Gen.Int[1, 70], Gen.Int[1, 140], Gen.Bool, Gen.Bool, Gen.Bool, Gen.Int[0, 2], Gen.Int[0, 2])
            .Sample((m, k, n, bT, bf16, inPlace, mode, f) => Check(tier, (Nonlinearity)f, inPlace, m, k, n, bT, "zbc"[mode], bf16), iter: 100, threads: 1);

    /// <summary>Several slabs of packed B in <see cref="Gemm"/>, few rows and many, and several blocks of columns in <see cref="BFloat16Gemm"/> at several depths.</summary>
    [Theory]
    [InlineData(13, 9000, 300, false)]
    [InlineData(13, 9000, 300, true)]
    [InlineData(30, 1600, 5000, false)]
    [InlineData(30, 1540, 5500, true)]
    public void In_a_product_deeper_than_its_working_memory_too(int m, int k, int n, bool bf16)
    {
        using NativeBuffer<float> a = new((long)m * k), b = new((long)k * n), c = new((long)m * n), y = new(c.Length), expected = new(c.Length), expectedY = new(c.Length);
        for (var i = 0; i < a.Length; i++) a.Pointer[i] = (i % 7 - 3) / 64f;
        for (var i = 0; i < b.Length; i++) b.Pointer[i] = (i % 11 - 5) / 8f;
        foreach (var right in new[] { new Matrix(b.Pointer, k, n), new Matrix(b.Pointer, n, k).T })
        {
            ProductTests.Multiply(bf16, WorkerPool.Shared, new Matrix(a.Pointer, m, k), right, new Matrix(expected.Pointer, m, n), false, null, default);
            new Epilogue(Nonlinearity.GeluTanh, new Matrix(expectedY.Pointer, m, n)).Run(WorkerPool.Shared, new Matrix(expected.Pointer, m, n));
            var epilogue = new Epilogue(Nonlinearity.GeluTanh, new Matrix(y.Pointer, m, n));
            ProductTests.Multiply(bf16, WorkerPool.Shared, new Matrix(a.Pointer, m, k), right, new Matrix(c.Pointer, m, n), false, null, epilogue);
            Assert.True(expected.Span.SequenceEqual(c.Span));
            Assert.True(expectedY.Span.SequenceEqual(y.Span));
        }
    }

    [Fact]
    public void Two_sums_by_hand()
    {
        using Guarded a = new([1, 2]), b = new([3, 4, -5, 6]), c = new(2), y = new(2);
        Gemm.Multiply(Support.Pools[0], new Matrix(a, 1, 2), new Matrix(b, 2, 2), new Matrix(c, 1, 2), epilogue: new Epilogue(Nonlinearity.Silu, new Matrix(y, 1, 2)));
        Assert.Equal([3 - 10, 4 + 12], c.Array);
        Support.Close([-7 / (1 + Math.Exp(7)), 16 / (1 + Math.Exp(-16))], y.Span, 1e-6);
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using Guarded data = new(200);
        Matrix a = new(data, 3, 4), b = new(data, 4, 6), c = new(data, 3, 6);
        foreach (var y in new[] { new Matrix(data, 3, 5), new Matrix(data, 2, 6), new Matrix(data, 6, 3).T })
        {
            var epilogue = new Epilogue(Nonlinearity.Silu, y);
            Assert.Throws<ArgumentException>(() => Gemm.Multiply(Support.Pools[0], a, b, c, epilogue: epilogue));
            Assert.Throws<ArgumentException>(() => BFloat16Gemm.Multiply(Support.Pools[0], a, b, c, epilogue: epilogue));
            Assert.Throws<ArgumentException>(() => epilogue.Run(Support.Pools[0], c));
        }
    }

    [Fact]
    public void A_warm_product_allocates_nothing()
    {
        using Guarded a = new(64 * 64), b = new(64 * 64), c = new(64 * 64);
        void Product()
        {
            Gemm.Multiply(Support.Pools[1], new Matrix(a, 64, 64), new Matrix(b, 64, 64), new Matrix(c, 64, 64), epilogue: new Epilogue(Nonlinearity.GeluErf, new Matrix(c, 64, 64)));
            BFloat16Gemm.Multiply(Support.Pools[1], new Matrix(a, 64, 64), new Matrix(b, 64, 64), new Matrix(c, 64, 64), epilogue: new Epilogue(Nonlinearity.GeluErf, new Matrix(c, 64, 64)));
            new Epilogue(Nonlinearity.Silu, new Matrix(c, 64, 64)).Run(Support.Pools[1], new Matrix(c, 64, 64));
        }
        for (var i = 0; i < 3; i++) Product();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) Product();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static void Check(string tier, Nonlinearity f, bool inPlace, int m, int k, int n, bool bTransposed, char mode, bool bf16)
    {
        int stride = n + Gap, bStride = (bTransposed ? k : n) + Gap;
        using Guarded a = new(Support.Normal(m * k, 1, 1 / MathF.Sqrt(k))), b = new(Support.Normal((bTransposed ? n : k) * bStride, 2)), bias = new(Support.Normal(n, 3));
        using Guarded c = new(Support.Normal(m * stride, 5)), y = new(m * stride), expected = new(c.Array), expectedY = new(m * stride);
        Matrix left = new(a, m, k), right = bTransposed ? new Matrix(b, n, k, bStride, 1).T : new Matrix(b, k, n, bStride, 1);
        var start = mode == 'b' ? bias.Pointer : null;
        var pool = Support.Pools[(m + n) % 3];

        void Both(Guarded c, Guarded y, bool atOnce)
        {
            var to = new Matrix(c, m, n, stride, 1);
            var epilogue = new Epilogue(f, inPlace ? to : new Matrix(y, m, n, stride, 1));
            ProductTests.Multiply(bf16, pool, left, right, to, mode == 'c', start, atOnce ? epilogue : default);
            if (!atOnce) epilogue.Run(pool, to);
        }

        Support.InTier(tier, Run);
        Assert.Equal(expected.Array, c.Array);
        Assert.Equal(expectedY.Array, y.Array);

        void Run()
        {
            Both(expected, expectedY, atOnce: false);
            Both(c, y, atOnce: true);
        }
    }
}

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using CsCheck;

namespace Gpt35.Kernels.Tests;

public sealed unsafe class ReducedMatrixTests
{
    /// <summary>Every precision in every tier that this processor has. AVX-VNNI runs where there is AVX-VNNI.</summary>
    public static TheoryData<WeightPrecision, DotTier> Kernels => [.. Reduced.SelectMany(precision =>
        Enum.GetValues<DotTier>().Where(tier => DotTiers.Has(tier, precision)).Select(tier => new TheoryDataRow<WeightPrecision, DotTier>(precision, tier)))];

    public static TheoryData<WeightPrecision> Precisions => [.. Reduced];

    private static readonly WeightPrecision[] Reduced = [WeightPrecision.BF16, WeightPrecision.Int8, WeightPrecision.Int4];

    private static readonly (int Rows, int Columns, int Inputs)[] Shapes =
        [(1, 32, 1), (3, 64, 2), (16, 32, 1), (17, 96, 5), (40, 64, 8), (33, 160, 9), (64, 96, 13), (100, 64, 12), (70, 128, 33), (257, 32, 16), (300, 512, 64)];

    [Theory, MemberData(nameof(Kernels))]
    public void Every_tier_gives_the_bits_of_the_definition(WeightPrecision precision, DotTier tier)
    {
        foreach (var (rows, columns, inputs) in Shapes)
            foreach (var biased in (bool[])[false, true])
                Check(precision, tier, rows, precision == WeightPrecision.BF16 ? columns - rows % 3 : columns, inputs, biased, Support.Normal(inputs * columns, 1));
    }

    [Theory, MemberData(nameof(Kernels))]
    public void Any_shape_gives_the_bits_of_the_definition(WeightPrecision precision, DotTier tier) =>
        Gen.Select(Gen.Int[1, 90], Gen.Int[1, 7], Gen.Int[1, 40], Gen.Bool, Gen.Float[1e-3f, 1e3f]).Sample((rows, blocks, inputs, biased, scale) =>
            Check(precision, tier, rows, precision == WeightPrecision.BF16 ? 32 * blocks - rows % 5 : 32 * blocks, inputs, biased, Support.Normal(inputs * 32 * blocks, (ulong)rows, scale)), iter: 25);

    [Theory, MemberData(nameof(Kernels))]
    public void A_thread_that_flushes_denormal_numbers_gives_the_same_bits(WeightPrecision precision, DotTier tier)
    {
        using var matrix = Random(precision, tier, 40, 96);
        using Guarded x = new(Support.Normal(21 * 96, 3)), kept = new(21 * 40), flushed = new(21 * 40);
        matrix.Multiply(Support.Pools[0], x, 21, null, kept);
        Denormals.Ignored = true;
        matrix.Multiply(Support.Pools[0], x, 21, null, flushed);
        Denormals.Ignored = false;
        Assert.Equal(kept.Span.ToArray(), flushed.Span.ToArray());
    }

    [Theory, MemberData(nameof(Kernels))]
    public void The_largest_sums_do_not_saturate(WeightPrecision precision, DotTier tier)
    {
        foreach (var sign in (int[])[1, -1])
            foreach (var stored in (byte[])[0x00, 0x7F, 0x80, 0x81, 0xFF])
            {
                using var matrix = ReducedMatrix.Create(precision, 20, 64, tier);
                var row = new byte[matrix.StoredRowBytes];
                if (precision == WeightPrecision.BF16) MemoryMarshal.Cast<byte, ushort>(row.AsSpan()).Fill((ushort)(0x4300 | (sign < 0 ? 0x8000 : 0)));
                else
                    for (var i = 0; i < row.Length; i++) row[i] = i % (row.Length / 2) == 0 ? (byte)0 : i % (row.Length / 2) == 1 ? (byte)0x3C : stored;
                for (var i = 0; i < 20; i++) matrix.SetRow(i, row);
                var x = new float[20 * 64];
                Array.Fill(x, sign * 2.5f);
                Compare(matrix, x, 3, []);
                Compare(matrix, x, 20, []);
            }
    }

    [Theory, MemberData(nameof(Kernels))]
    public void A_row_has_the_same_bits_alone_and_among_31_others_on_any_number_of_threads(WeightPrecision precision, DotTier tier)
    {
        const int rows = 530, columns = 224, inputs = 32;
        using var matrix = Random(precision, tier, rows, columns);
        using Guarded x = new(Support.Normal(inputs * columns, 5)), together = new(inputs * rows), alone = new(rows);
        matrix.Multiply(Support.Pools[1], x, inputs, null, together);
        foreach (var pool in Support.Pools)
            for (var i = 0; i < inputs; i += 5)
            {
                matrix.Multiply(pool, x.Pointer + i * columns, 1, null, alone);
                Assert.Equal(together.Span.Slice(i * rows, rows), alone.Span);
                var some = Math.Min(7, inputs - i);
                using Guarded few = new(some * rows);
                matrix.Multiply(pool, x.Pointer + i * columns, some, null, few);
                Assert.Equal(together.Span.Slice(i * rows, some * rows), few.Span);
            }
    }

    [Theory, MemberData(nameof(Kernels))]
    public void What_follows_has_the_bits_of_a_pass_of_its_own(WeightPrecision precision, DotTier tier)
    {
        foreach (var (rows, columns, inputs) in Shapes.Append((530, 224, 1)).Append((90, 512, 150)))
        {
            using var matrix = Random(precision, tier, rows, columns);
            using Guarded x = new(Support.Normal(inputs * columns, 7)), c = new(inputs * rows), y = new(inputs * rows), expected = new(inputs * rows), expectedY = new(inputs * rows);
            matrix.Multiply(Support.Pools[(rows + inputs) % 3], x, inputs, null, c, new Epilogue(Nonlinearity.GeluTanh, new Matrix(y, inputs, rows)));
            matrix.Multiply(Support.Pools[0], x, inputs, null, expected);
            new Epilogue(Nonlinearity.GeluTanh, new Matrix(expectedY, inputs, rows)).Run(Support.Pools[0], new Matrix(expected, inputs, rows));
            Assert.Equal(expected.Array, c.Array);
            Assert.Equal(expectedY.Array, y.Array);
            Assert.Throws<ArgumentException>(() => matrix.Multiply(Support.Pools[0], x, inputs, null, c, new Epilogue(Nonlinearity.Silu, new Matrix(y, inputs, rows + 1))));
        }
    }

    [Theory, MemberData(nameof(Precisions))]
    public void All_tiers_agree_bit_for_bit(WeightPrecision precision)
    {
        float[]? first = null;
        foreach (var tier in Enum.GetValues<DotTier>().Where(tier => DotTiers.Has(tier, precision)))
        {
            using var matrix = Random(precision, tier, 75, 192);
            using Guarded x = new(Support.Normal(11 * 192, 6)), y = new(11 * 75);
            matrix.Multiply(Support.Pools[1], x, 11, null, y);
            Assert.Equal(first ??= y.Array, y.Array);
        }
    }

    [Fact]
    public void A_block_product_differs_from_the_real_one_by_the_rounding_of_the_inputs_only()
    {
        const int columns = 96;
        foreach (var precision in (WeightPrecision[])[WeightPrecision.Int8, WeightPrecision.Int4])
        {
            using var matrix = Random(precision, DotTiers.Best(precision), 30, columns);
            using Guarded x = new(Support.Normal(columns, 8)), y = new(30);
            matrix.Multiply(Support.Pools[0], x, 1, null, y);
            var w = new float[columns];
            for (var n = 0; n < 30; n++)
            {
                matrix.CopyRow(n, w);
                double exact = 0, allowed = 1e-5;
                for (var k = 0; k < columns; k++)
                {
                    exact += (double)w[k] * x.Span[k];
                    var largest = x.Array[(k / 32 * 32)..(k / 32 * 32 + 32)].Max(Math.Abs);
                    allowed += Math.Abs(w[k]) * (largest / 127 / 2 * 1.0001);
                }
                Assert.InRange(Math.Abs(y.Span[n] - exact), 0, allowed);
            }
        }
    }

    [Fact]
    public void A_stored_row_comes_back_as_scale_times_whole_number()
    {
        using var int8 = ReducedMatrix.Create(WeightPrecision.Int8, 3, 32);
        var row = new byte[34];
        BinaryPrimitives.WriteHalfLittleEndian(row, (Half)(-0.25));
        for (var i = 0; i < 32; i++) row[2 + i] = (byte)(sbyte)(i * 8 - 128);
        int8.SetRow(1, row);
        var values = new float[32];
        int8.CopyRow(1, values);
        Assert.Equal([.. Enumerable.Range(0, 32).Select(i => -0.25f * (i * 8 - 128))], values);

        using var int4 = ReducedMatrix.Create(WeightPrecision.Int4, 9, 32);
        row = new byte[18];
        BinaryPrimitives.WriteHalfLittleEndian(row, (Half)2);
        for (var i = 0; i < 16; i++) row[2 + i] = (byte)(i | (15 - i) << 4);
        int4.SetRow(8, row);
        int4.CopyRow(8, values);
        Assert.Equal([.. Enumerable.Range(0, 32).Select(i => 2f * ((i < 16 ? i : 31 - i) - 8))], values);

        using var half = ReducedMatrix.Create(WeightPrecision.BF16, 2, 3);
        half.SetRow(1, MemoryMarshal.AsBytes((ReadOnlySpan<ushort>)[0x3F80, 0xC000, 0x3E80]));
        half.CopyRow(1, values.AsSpan(0, 3));
        Assert.Equal([1f, -2f, 0.25f], values[..3]);
    }

    [Theory, MemberData(nameof(Kernels))]
    public void An_input_that_is_no_number_makes_its_results_none_and_leaves_the_others_alone(WeightPrecision precision, DotTier tier)
    {
        foreach (var bad in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
        {
            using var matrix = Random(precision, tier, 21, 64);
            var numbers = Support.Normal(2 * 64, 9);
            numbers[64 + 37] = bad;
            using Guarded x = new(numbers), y = new(2 * 21), expected = new(21);
            matrix.Multiply(Support.Pools[0], x, 2, null, y);
            matrix.Multiply(Support.Pools[0], x, 1, null, expected);
            Assert.Equal(expected.Span, y.Span[..21]);
            Assert.All(y.Array[21..], value => Assert.False(float.IsFinite(value)));
        }
    }

    [Theory, MemberData(nameof(Kernels))]
    public void Inputs_of_zeros_and_of_the_smallest_numbers_give_the_bias(WeightPrecision precision, DotTier tier)
    {
        using var matrix = Random(precision, tier, 10, 64);
        using Guarded x = new(2 * 64), y = new(20), bias = new(Support.Normal(10, 3));
        x.Span[64..].Fill(1e-44f);
        matrix.Multiply(Support.Pools[0], x, 2, bias, y);
        Assert.Equal((float[])[.. bias.Span, .. bias.Span], y.Array);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        Assert.Throws<ArgumentException>(() => ReducedMatrix.Create(WeightPrecision.Int8, 4, 40));
        Assert.Throws<ArgumentOutOfRangeException>(() => ReducedMatrix.Create(WeightPrecision.F32, 4, 32));
        using var matrix = ReducedMatrix.Create(WeightPrecision.Int8, 4, 32);
        Assert.Throws<ArgumentException>(() => matrix.SetRow(0, new byte[33]));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.SetRow(4, new byte[34]));
        Assert.Throws<ArgumentException>(() => matrix.CopyRow(0, new float[31]));
        byte[] infinite = [0x00, 0x7C, .. new byte[32]];
        Assert.Contains("infinite", Assert.Throws<InvalidDataException>(() => matrix.SetRow(2, infinite)).Message);
        using var half = ReducedMatrix.Create(WeightPrecision.BF16, 1, 1);
        Assert.Throws<InvalidDataException>(() => half.SetRow(0, [0xC0, 0x7F]));
    }

    [Theory, MemberData(nameof(Precisions))]
    public void A_warm_product_allocates_nothing(WeightPrecision precision)
    {
        using var matrix = Random(precision, DotTiers.Best(precision), 512, 512);
        using Guarded x = new(9 * 512), y = new(9 * 512);
        for (var i = 0; i < 3; i++) Both();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) Both();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Both()
        {
            matrix.Multiply(Support.Pools[1], x, 1, null, y);
            matrix.Multiply(Support.Pools[1], x, 9, null, y);
        }
    }

    [Fact]
    public void The_kernel_has_a_name_for_people()
    {
        Assert.All(Enum.GetValues<WeightPrecision>(), precision => Assert.Contains(precision.ToString().ToLowerInvariant(), DotTiers.KernelName(precision)));
        Assert.Equal("int8 dot products of blocks of 32 (Q8_0), AVX-VNNI 256", DotTiers.KernelName(WeightPrecision.Int8, DotTier.AvxVnni));
        Assert.Equal("bf16 widened to f32 FMA, AVX2", DotTiers.KernelName(WeightPrecision.BF16, DotTier.Avx2));
    }

    [Fact]
    public void Memory_is_what_the_format_says()
    {
        using ReducedMatrix int8 = ReducedMatrix.Create(WeightPrecision.Int8, 64, 64), int4 = ReducedMatrix.Create(WeightPrecision.Int4, 64, 64), half = ReducedMatrix.Create(WeightPrecision.BF16, 64, 64);
        Assert.Equal((64 * 64 * 17 / 16, 64 * 64 * 9 / 16, 64 * 64 * 2), (int8.Bytes, int4.Bytes, half.Bytes));
    }

    /// <summary>Random stored rows, a function of the shape: scales of both signs, subnormal ones and zero among them.</summary>
    private static ReducedMatrix Random(WeightPrecision precision, DotTier tier, int rows, int columns)
    {
        var matrix = ReducedMatrix.Create(precision, rows, columns, tier);
        var stored = new byte[matrix.StoredRowBytes];
        var block = precision == WeightPrecision.Int8 ? 34 : 18;
        for (var row = 0; row < rows; row++)
        {
            for (var i = 0; i < stored.Length; i++) stored[i] = (byte)CounterRandom.Hash((ulong)row, (ulong)i);
            if (precision == WeightPrecision.BF16)
                for (var k = 0; k < columns; k++) BinaryPrimitives.WriteUInt16LittleEndian(stored.AsSpan(2 * k), Upper(CounterRandom.Normal((ulong)row, (ulong)k)));
            else
                for (var (at, i) = (0, 0UL); at < stored.Length; at += block, i++) BinaryPrimitives.WriteHalfLittleEndian(stored.AsSpan(at), Scale(CounterRandom.Hash((ulong)row + 77, i)));
            matrix.SetRow(row, stored);
        }
        return matrix;

        static ushort Upper(float value) => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
        static Half Scale(ulong random) => (random % 16) switch
        {
            0 => Half.Zero,
            1 => BitConverter.UInt16BitsToHalf((ushort)(random >> 8 & 0x3FF)),
            2 => BitConverter.UInt16BitsToHalf((ushort)(random >> 8 & 0x3FF | 0x8000)),
            _ => (Half)(((int)(random >> 8 & 0xFFFF) - 0x8000) / 1e6),
        };
    }

    private static void Check(WeightPrecision precision, DotTier tier, int rows, int columns, int inputs, bool biased, float[] x)
    {
        using var matrix = Random(precision, tier, rows, columns);
        Compare(matrix, x[..(inputs * columns)], inputs, biased ? Support.Normal(rows, 4) : []);
    }

    private static void Compare(ReducedMatrix matrix, float[] x, int inputs, float[] bias)
    {
        using Guarded input = new(x), start = new(bias), y = new(inputs * matrix.Rows), expected = new(inputs * matrix.Rows);
        var biasOrNull = bias.Length > 0 ? start.Pointer : null;
        matrix.Multiply(Support.Pools[(matrix.Rows + inputs) % 3], input, inputs, biasOrNull, y);
        if (matrix is BlockWeights blocks) blocks.Reference(x, inputs, bias, expected.Span);
        else
        {
            using Guarded weights = new(matrix.Rows * matrix.Columns);
            for (var n = 0; n < matrix.Rows; n++) matrix.CopyRow(n, weights.Span.Slice(n * matrix.Columns, matrix.Columns));
            Gemm.Reference(new Matrix(input, inputs, matrix.Columns), new Matrix(weights, matrix.Rows, matrix.Columns).T, new Matrix(expected, inputs, matrix.Rows), false, biasOrNull);
        }
        Assert.Equal(expected.Array, y.Array);
    }
}

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>Weights of 16 bits: (groups of rows, pairs of columns), each pair of every row of the group.</summary>
internal sealed unsafe class BFloat16Weights : ReducedMatrix
{
    private readonly NativeBuffer<ushort> values;
    private readonly int lanes;

    internal BFloat16Weights(int rows, int columns, DotTier tier) : base(WeightPrecision.BF16, tier, rows, columns)
    {
        if (tier is DotTier.AvxVnni or DotTier.Avx512Vnni) throw new ArgumentException("VNNI multiplies whole numbers.", nameof(tier));
        lanes = tier switch { DotTier.Avx512 => 16, DotTier.Portable => 4, _ => 8 };
        PaddedColumns = columns + columns % 2;
        values = new NativeBuffer<ushort>(checked((long)Simd.Pieces(rows, lanes) * lanes * PaddedColumns));
    }

    /// <summary>K, made even.</summary>
    internal int PaddedColumns { get; }
    internal ushort* Values => values.Pointer;

    public override long Bytes => values.Length * sizeof(ushort);
    public override int StoredRowBytes => Columns * sizeof(ushort);

    public override void Multiply(WorkerPool pool, float* x, int inputs, float* bias, float* y)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        switch (Tier)
        {
            case DotTier.Avx512: TiledProduct<Lanes512, Vector512<float>, BFloat16Product<Lanes512, Vector512<float>>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y); break;
            case DotTier.Avx2: TiledProduct<Lanes256, Vector256<float>, BFloat16Product<Lanes256, Vector256<float>>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y); break;
            default: TiledProduct<Lanes128, Vector128<float>, BFloat16Product<Lanes128, Vector128<float>>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y); break;
        }
    }

    public override void SetRow(int row, ReadOnlySpan<byte> stored)
    {
        CheckRow(row, stored.Length, StoredRowBytes);
        var numbers = MemoryMarshal.Cast<byte, ushort>(stored);
        for (var k = 0; k < Columns; k++)
        {
            if ((numbers[k] & 0x7F80) == 0x7F80) throw NotFinite(row);
            *At(row, k) = numbers[k];
        }
    }

    public override void CopyRow(int row, Span<float> target)
    {
        CheckRow(row, target.Length, Columns);
        // As in the other formats, a row is spread over many cache lines.
        if (Sse.IsSupported)
            for (var k = 0; k < Columns; k += 2) Sse.Prefetch0(At(row, k));
        for (var k = 0; k < Columns; k++) target[k] = BitConverter.UInt32BitsToSingle((uint)*At(row, k) << 16);
    }

    public override void Dispose() => values.Dispose();

    private ushort* At(int row, int k) => values.Pointer + ((nint)(row / lanes) * PaddedColumns + (k & ~1)) * lanes + row % lanes * 2 + (k & 1);
}

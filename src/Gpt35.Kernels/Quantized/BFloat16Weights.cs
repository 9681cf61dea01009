using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>Weights of 16 bits: (groups of rows, pairs of columns), each pair of every row of the group.</summary>
internal sealed unsafe class BFloat16Weights : ReducedMatrix
{
    private readonly NativeArena.Piece<ushort> values;
    private readonly int lanes;

    internal BFloat16Weights(int rows, int columns, DotTier tier, NativeArena memory, NativeArena? own) : base(WeightPrecision.BF16, tier, rows, columns, own)
    {
        lanes = LanesOf(tier);
        PaddedColumns = columns + columns % 2;
        values = memory.Take<ushort>(CountOf(rows, columns, tier));
    }

    /// <summary>Bytes of an arena that weights of that shape take up.</summary>
    internal static long MemoryOf(int rows, int columns, DotTier tier)
    {
        if (tier is DotTier.AvxVnni or DotTier.Avx512Vnni) throw new ArgumentException("VNNI multiplies whole numbers.", nameof(tier));
        return NativeArena.BytesOf(CountOf(rows, columns, tier) * sizeof(ushort));
    }

    private static long CountOf(int rows, int columns, DotTier tier) => checked((long)Simd.Pieces(rows, LanesOf(tier)) * LanesOf(tier) * (columns + columns % 2));

    private static int LanesOf(DotTier tier) => tier switch { DotTier.Avx512 => 16, DotTier.Portable => 4, _ => 8 };

    /// <summary>K, made even.</summary>
    internal int PaddedColumns { get; }
    internal ushort* Values => values.Pointer;

    public override long Bytes => values.Length * sizeof(ushort);
    public override int StoredRowBytes => Columns * sizeof(ushort);

    private protected override void MultiplyInTier(WorkerPool pool, float* x, int inputs, float* bias, float* y, Epilogue epilogue)
    {
        switch (Tier)
        {
            case DotTier.Avx512: TiledProduct<Lanes512, Vector512<float>, BFloat16Product<Lanes512, Vector512<float>>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y, epilogue); break;
            case DotTier.Avx2: TiledProduct<Lanes256, Vector256<float>, BFloat16Product<Lanes256, Vector256<float>>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y, epilogue); break;
            default: TiledProduct<Lanes128, Vector128<float>, BFloat16Product<Lanes128, Vector128<float>>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y, epilogue); break;
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

    private ushort* At(int row, int k) => values.Pointer + ((nint)(row / lanes) * PaddedColumns + (k & ~1)) * lanes + row % lanes * 2 + (k & 1);
}

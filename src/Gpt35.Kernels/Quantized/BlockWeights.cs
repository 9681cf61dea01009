using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>Weights of <see cref="IBlockFormat"/>: (groups of rows, blocks), each a block of every row of the group; the scales in an array of their own.</summary>
internal sealed unsafe class BlockWeights : ReducedMatrix
{
    /// <summary>Half of a usual second-level cache.</summary>
    private const int FetchedBytes = 512 << 10;

    private readonly NativeBuffer<byte> quants;
    private readonly NativeBuffer<ushort> scales;
    private readonly int lanes, blockBytes;

    internal BlockWeights(WeightPrecision precision, int rows, int columns, DotTier tier) : base(precision, tier, rows, columns)
    {
        if (columns % BlockShape.Size != 0) throw new ArgumentException($"A row of {columns} numbers is not whole blocks of {BlockShape.Size}.", nameof(columns));
        Blocks = columns / BlockShape.Size;
        lanes = tier switch { DotTier.Avx512 or DotTier.Avx512Vnni => 16, DotTier.Portable => 4, _ => 8 };
        blockBytes = precision == WeightPrecision.Int8 ? Int8Blocks.Bytes : Int4Blocks.Bytes;
        var places = checked((long)Simd.Pieces(rows, lanes) * lanes * Blocks);
        quants = new NativeBuffer<byte>(places * blockBytes);
        scales = new NativeBuffer<ushort>(places);
    }

    /// <summary>K / 32.</summary>
    internal int Blocks { get; }
    internal byte* Quants => quants.Pointer;
    internal ushort* Scales => scales.Pointer;

    public override long Bytes => quants.Length + scales.Length * sizeof(ushort);
    public override int StoredRowBytes => Blocks * (sizeof(ushort) + blockBytes);

    public override void Multiply(WorkerPool pool, float* x, int inputs, float* bias, float* y)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        if (Precision == WeightPrecision.Int8) Multiply<Int8Blocks>(pool, x, inputs, bias, y);
        else Multiply<Int4Blocks>(pool, x, inputs, bias, y);
    }

    public override void Foresee(WorkerPool pool, int inputs)
    {
        if (IsSmall(inputs)) return;
        var share = Cut(Simd.Pieces(Rows, lanes), pool.Threads, 1).Largest;
        pool.Foresee(new ReadAhead((nint)Quants, (long)share * Blocks * lanes * blockBytes, FetchedBytes));
    }

    private void Multiply<F>(WorkerPool pool, float* x, int inputs, float* bias, float* y) where F : struct, IBlockFormat
    {
        switch (Tier)
        {
            case DotTier.Avx512Vnni: TiledProduct<Lanes512, Vector512<float>, BlockProduct<Lanes512, Vector512<float>, Dots512Vnni, F>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y); break;
            case DotTier.Avx512: TiledProduct<Lanes512, Vector512<float>, BlockProduct<Lanes512, Vector512<float>, Dots512, F>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y); break;
            case DotTier.AvxVnni: TiledProduct<Lanes256, Vector256<float>, BlockProduct<Lanes256, Vector256<float>, DotsVnni, F>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y); break;
            case DotTier.Avx2: TiledProduct<Lanes256, Vector256<float>, BlockProduct<Lanes256, Vector256<float>, Dots256, F>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y); break;
            default: TiledProduct<Lanes128, Vector128<float>, BlockProduct<Lanes128, Vector128<float>, Dots128, F>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y); break;
        }
    }

    public override void SetRow(int row, ReadOnlySpan<byte> stored)
    {
        CheckRow(row, stored.Length, StoredRowBytes);
        for (var block = 0; block < Blocks; block++)
        {
            var from = stored.Slice(block * (sizeof(ushort) + blockBytes), sizeof(ushort) + blockBytes);
            var scale = MemoryMarshal.Read<Half>(from);
            if (!Half.IsFinite(scale)) throw NotFinite(row);
            Scales[Place(row, block)] = BitConverter.HalfToUInt16Bits(scale);
            for (var i = 0; i < blockBytes; i++)
                *ByteAt(row, block, i) = Precision == WeightPrecision.Int8 ? Int8Blocks.FromStored(from[sizeof(ushort) + i]) : Int4Blocks.FromStored(from[sizeof(ushort) + i]);
        }
    }

    public override void CopyRow(int row, Span<float> values)
    {
        CheckRow(row, values.Length, Columns);
        Span<byte> bytes = stackalloc byte[blockBytes];
        for (var block = 0; block < Blocks; block++)
        {
            var scale = Scale(row, block);
            for (var i = 0; i < blockBytes; i++) bytes[i] = *ByteAt(row, block, i);
            for (var i = 0; i < BlockShape.Size; i++)
                values[block * BlockShape.Size + i] = scale * (Precision == WeightPrecision.Int8 ? Int8Blocks.Value(bytes, i) : Int4Blocks.Value(bytes, i));
        }
    }

    /// <summary>The definition of the product, element by element; see <see cref="BlockProduct{W, V, D, F}"/>.</summary>
    internal void Reference(ReadOnlySpan<float> x, int inputs, ReadOnlySpan<float> bias, Span<float> y)
    {
        Span<byte> bytes = stackalloc byte[blockBytes];
        for (var t = 0; t < inputs; t++)
            for (var n = 0; n < Rows; n++)
            {
                var sum = bias.IsEmpty ? 0 : bias[n];
                for (var block = 0; block < Blocks; block++)
                {
                    var numbers = x.Slice(t * Columns + block * BlockShape.Size, BlockShape.Size);
                    var largest = 0f;
                    foreach (var number in numbers) largest = MathF.Max(largest, MathF.Abs(number));
                    for (var i = 0; i < blockBytes; i++) bytes[i] = *ByteAt(n, block, i);
                    var dot = 0;
                    for (var i = 0; i < BlockShape.Size; i++)
                        dot += (int)MathF.Round(numbers[i] * (largest > 0 ? 127 / largest : 0)) * (Precision == WeightPrecision.Int8 ? Int8Blocks.Value(bytes, i) : Int4Blocks.Value(bytes, i));
                    sum = MathF.FusedMultiplyAdd(dot, Scale(n, block) * (largest / 127), sum);
                }
                y[t * Rows + n] = sum;
            }
    }

    public override void Dispose()
    {
        quants.Dispose();
        scales.Dispose();
    }

    private float Scale(int row, int block) => (float)BitConverter.UInt16BitsToHalf(Scales[Place(row, block)]);

    /// <summary>Where the scale of a row's block is.</summary>
    private nint Place(int row, int block) => ((nint)(row / lanes) * Blocks + block) * lanes + row % lanes;

    /// <summary>Byte i of a row's block: each vector has four bytes of every row.</summary>
    private byte* ByteAt(int row, int block, int i) =>
        Quants + ((nint)(row / lanes) * Blocks + block) * lanes * blockBytes + (i / BlockShape.Step * lanes + row % lanes) * BlockShape.Step + i % BlockShape.Step;
}

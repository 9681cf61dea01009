using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>Weights of <see cref="IBlockFormat"/>: (groups of rows, blocks), each a block of every row of the group; the scales in an array of their own.</summary>
internal sealed unsafe class BlockWeights : ReducedMatrix
{
    /// <summary>Half of a usual second-level cache.</summary>
    private const int FetchedBytes = 512 << 10;

    private readonly NativeArena.Piece<byte> quants;
    private readonly NativeArena.Piece<ushort> scales;
    private readonly int lanes, blockBytes;

    internal BlockWeights(WeightPrecision precision, int rows, int columns, DotTier tier, NativeArena memory, NativeArena? own) : base(precision, tier, rows, columns, own)
    {
        Blocks = columns / BlockShape.Size;
        lanes = LanesOf(tier);
        blockBytes = BlockBytesOf(precision);
        var places = PlacesOf(rows, columns, tier);
        quants = memory.Take<byte>(places * blockBytes);
        scales = memory.Take<ushort>(places);
    }

    /// <summary>Bytes of an arena that weights of that shape take up.</summary>
    internal static long MemoryOf(WeightPrecision precision, int rows, int columns, DotTier tier)
    {
        if (columns % BlockShape.Size != 0) throw new ArgumentException($"A row of {columns} numbers is not whole blocks of {BlockShape.Size}.", nameof(columns));
        var places = PlacesOf(rows, columns, tier);
        return NativeArena.BytesOf(places * BlockBytesOf(precision)) + NativeArena.BytesOf(places * sizeof(ushort));
    }

    /// <summary>Blocks of all rows, those that fill up the last group among them.</summary>
    private static long PlacesOf(int rows, int columns, DotTier tier) => checked((long)Simd.Pieces(rows, LanesOf(tier)) * LanesOf(tier) * (columns / BlockShape.Size));

    private static int LanesOf(DotTier tier) => tier switch { DotTier.Avx512 or DotTier.Avx512Vnni => 16, DotTier.Portable => 4, _ => 8 };

    private static int BlockBytesOf(WeightPrecision precision) => precision == WeightPrecision.Int8 ? Int8Blocks.Bytes : Int4Blocks.Bytes;

    /// <summary>K / 32.</summary>
    internal int Blocks { get; }
    internal byte* Quants => quants.Pointer;
    internal ushort* Scales => scales.Pointer;

    public override long Bytes => quants.Length + scales.Length * sizeof(ushort);
    public override int StoredRowBytes => Blocks * (sizeof(ushort) + blockBytes);

    private protected override void MultiplyInTier(WorkerPool pool, float* x, int inputs, float* bias, float* y, Epilogue epilogue)
    {
        if (Precision == WeightPrecision.Int8) Multiply<Int8Blocks>(pool, x, inputs, bias, y, epilogue);
        else Multiply<Int4Blocks>(pool, x, inputs, bias, y, epilogue);
    }

    public override void Foresee(WorkerPool pool, int inputs)
    {
        if (IsSmall(inputs)) return;
        var share = Cut(Simd.Pieces(Rows, lanes), pool.Threads, 1).Largest;
        pool.Foresee(new ReadAhead((nint)Quants, (long)share * Blocks * lanes * blockBytes, FetchedBytes));
    }

    private void Multiply<F>(WorkerPool pool, float* x, int inputs, float* bias, float* y, Epilogue epilogue) where F : struct, IBlockFormat
    {
        switch (Tier)
        {
            case DotTier.Avx512Vnni: TiledProduct<Lanes512, Vector512<float>, BlockProduct<Lanes512, Vector512<float>, Dots512Vnni, F>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y, epilogue); break;
            case DotTier.Avx512: TiledProduct<Lanes512, Vector512<float>, BlockProduct<Lanes512, Vector512<float>, Dots512, F>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y, epilogue); break;
            case DotTier.AvxVnni: TiledProduct<Lanes256, Vector256<float>, BlockProduct<Lanes256, Vector256<float>, DotsVnni, F>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y, epilogue); break;
            case DotTier.Avx2: TiledProduct<Lanes256, Vector256<float>, BlockProduct<Lanes256, Vector256<float>, Dots256, F>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y, epilogue); break;
            default: TiledProduct<Lanes128, Vector128<float>, BlockProduct<Lanes128, Vector128<float>, Dots128, F>>.Multiply(pool, new(this, inputs), this, x, inputs, bias, y, epilogue); break;
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
        if (Precision == WeightPrecision.Int8) CopyRow<Int8Blocks>(row, values);
        else CopyRow<Int4Blocks>(row, values);
    }

    private void CopyRow<F>(int row, Span<float> values) where F : struct, IBlockFormat
    {
        nint stride = lanes * BlockShape.Step;
        byte* first = ByteAt(row, 0, 0), end = first + Blocks * F.Bytes * lanes;
        // Every four bytes are in a cache line of their own, and nothing but this row wants them: asked for one after the other, each would be waited for.
        if (Sse.IsSupported)
            for (var at = first; at < end; at += stride) Sse.Prefetch0(at);
        Span<byte> bytes = stackalloc byte[F.Bytes];
        var place = Place(row, 0);
        for (var block = 0; block < Blocks; block++, place += lanes)
        {
            for (var i = 0; i < bytes.Length; i += BlockShape.Step, first += stride) new ReadOnlySpan<byte>(first, BlockShape.Step).CopyTo(bytes[i..]);
            var scale = (float)BitConverter.UInt16BitsToHalf(Scales[place]);
            var target = values.Slice(block * BlockShape.Size, BlockShape.Size);
            for (var i = 0; i < target.Length; i++) target[i] = scale * F.Value(bytes, i);
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

    private float Scale(int row, int block) => (float)BitConverter.UInt16BitsToHalf(Scales[Place(row, block)]);

    /// <summary>Where the scale of a row's block is.</summary>
    private nint Place(int row, int block) => ((nint)(row / lanes) * Blocks + block) * lanes + row % lanes;

    /// <summary>Byte i of a row's block: each vector has four bytes of every row.</summary>
    private byte* ByteAt(int row, int block, int i) =>
        Quants + ((nint)(row / lanes) * Blocks + block) * lanes * blockBytes + (i / BlockShape.Step * lanes + row % lanes) * BlockShape.Step + i % BlockShape.Step;
}

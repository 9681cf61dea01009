namespace Gpt35.Model;

/// <summary>A tensor as it lies in a file.</summary>
public sealed class StoredTensor
{
    private readonly MappedFile file;
    private readonly long offset;

    /// <summary>Whoever makes one has checked that its bytes lie within the file.</summary>
    internal StoredTensor(MappedFile file, string name, TensorType type, long[] shape, long offset)
    {
        (this.file, Name, Type, Shape, this.offset) = (file, name, type, shape, offset);
        Count = shape.Contains(0) ? 0 : shape.Aggregate(1L, (a, b) => checked(a * b));
    }

    public string Name { get; }
    public TensorType Type { get; }

    /// <summary>Row-major.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Numbers in all.</summary>
    public long Count { get; }

    /// <summary>The file it lies in.</summary>
    public string File => file.Path;

    /// <summary>Reads numbers from the <paramref name="first"/> on; both ends lie between blocks where the type has blocks.</summary>
    /// <exception cref="InvalidDataException">The type is none that weights have.</exception>
    public void Read(long first, Span<float> values)
    {
        if (Type is TensorType.I8 or TensorType.U8)
            throw new InvalidDataException($"{File}: tensor \"{Name}\" is {this}; expected F32, F16 or BF16 numbers. Integer weights belong to a quantisation that is not read here.");
        // Pieces of a size whose bytes an int counts, for tensors beyond 2 GB.
        const int Piece = 1 << 20;
        for (; values.Length > 0; first += Piece)
        {
            var piece = values[..Math.Min(Piece, values.Length)];
            TensorCodec.Decode(Type, file.Bytes(offset + Type.BytesOf(first), (int)Type.BytesOf(piece.Length)), piece);
            values = values[piece.Length..];
        }
    }

    /// <summary>Type and shape: <c>F32 [512, 64]</c>.</summary>
    public override string ToString() => $"{Type} [{string.Join(", ", Shape)}]";
}

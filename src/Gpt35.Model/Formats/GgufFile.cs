namespace Gpt35.Model;

/// <summary>A GGUF file, version 2 or 3, mapped into memory: metadata and tensors.</summary>
public sealed class GgufFile : IDisposable
{
    private readonly MappedFile file;
    private readonly Dictionary<string, StoredTensor> tensors = new(StringComparer.Ordinal);

    private GgufFile(MappedFile file)
    {
        this.file = file;
        Metadata = new GgufMetadata(file.Path);
    }

    public GgufMetadata Metadata { get; }

    /// <summary>Shapes are row-major, the other way round than in the file.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors => tensors;

    /// <summary>Whether a file begins as GGUF does.</summary>
    public static bool IsGguf(ReadOnlySpan<byte> start) => start.StartsWith("GGUF"u8);

    /// <summary>Opens a file and checks all it says about itself; no tensor is read.</summary>
    /// <exception cref="InvalidDataException">It is no GGUF file, or a damaged one; the message says where and how.</exception>
    public static GgufFile Open(string path)
    {
        var opened = new GgufFile(new MappedFile(path));
        try
        {
            opened.Read(new GgufReader(opened.file));
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    public void Dispose() => file.Dispose();

    private void Read(GgufReader reader)
    {
        if (file.Length < 24 || reader.Number<uint>("the magic") != GgufLayout.Magic)
            throw new InvalidDataException($"{file.Path}: does not begin with \"GGUF\" and a header of 24 bytes; expected a GGUF file.");
        var version = reader.Number<uint>("the version");
        if (version is not (2 or 3))
            throw new InvalidDataException($"{file.Path}: GGUF version {version}{((version & 0xFFFF) == 0 ? ", perhaps of a big-endian machine" : "")}; expected 2 or 3. Convert the model again with a newer tool.");
        var tensorCount = reader.Count("tensors", leastBytes: 8 + 4 + 4 + 8);
        var valueCount = reader.Count("metadata values", leastBytes: 8 + 4 + 1);
        for (var i = 0; i < valueCount; i++)
        {
            var key = reader.Text("a key of the metadata");
            if (!Metadata.TryAdd(key, reader.Value(key))) throw reader.Bad($"the key \"{key}\" for the second time", "every key once");
        }
        ReadTensors(reader, tensorCount);
    }

    private void ReadTensors(GgufReader reader, int count)
    {
        var alignment = Alignment();
        var found = new List<(string Name, TensorType Type, long[] Shape, long Offset, long Bytes)>();
        for (var i = 0; i < count; i++) found.Add(ReadTensor(reader, alignment));
        var dataStart = found.Count == 0 ? reader.Position : (reader.Position + alignment - 1) / alignment * alignment;
        var (end, last) = (0L, "");
        foreach (var (name, type, shape, offset, bytes) in found.OrderBy(tensor => tensor.Offset).ThenBy(tensor => tensor.Bytes))
        {
            if (offset < end) throw reader.Bad($"tensor \"{name}\" at byte {offset} of the data, inside \"{last}\", which ends at {end}", "tensors that do not overlap");
            if (offset > file.Length - dataStart || bytes > file.Length - dataStart - offset)
                throw reader.Bad($"tensor \"{name}\" of {bytes} bytes at byte {offset} of the data, which has {Math.Max(0, file.Length - dataStart)}", "all tensors inside the file; it is damaged or cut short, fetch it again");
            (end, last) = (offset + bytes, name);
            if (!tensors.TryAdd(name, new StoredTensor(file, name, type, shape, dataStart + offset))) throw reader.Bad($"tensor \"{name}\" for the second time", "every name once");
        }
    }

    private long Alignment()
    {
        if (Metadata.TryInteger(GgufLayout.AlignmentKey) is not { } alignment) return GgufLayout.DefaultAlignment;
        return alignment is >= 8 and <= GgufLayout.LargestAlignment && int.IsPow2(alignment) ? alignment
            : throw new InvalidDataException($"{file.Path}: {GgufLayout.AlignmentKey} is {alignment}; expected a power of two from 8 to {GgufLayout.LargestAlignment}.");
    }

    private (string, TensorType, long[], long, long) ReadTensor(GgufReader reader, long alignment)
    {
        var name = reader.Text("the name of a tensor");
        var dimensions = reader.Number<uint>("the number of dimensions");
        if (dimensions > GgufLayout.MostDimensions) throw reader.Bad($"tensor \"{name}\" with {dimensions} dimensions", $"at most {GgufLayout.MostDimensions}");
        var shape = new long[dimensions];
        for (var i = shape.Length - 1; i >= 0; i--) shape[i] = (long)Math.Min(reader.Number<ulong>("a dimension"), long.MaxValue);
        var typeNumber = reader.Number<uint>("the type of a tensor");
        if (!GgufLayout.Tensors.TryGetValue(typeNumber, out var type))
            throw reader.Bad($"tensor \"{name}\" of type {GgufLayout.OtherTensors.GetValueOrDefault(typeNumber, $"number {typeNumber}")}",
                $"one of {string.Join(", ", GgufLayout.Tensors.Values)}. Other quantisations are not read here: take the model in one of these");
        var offset = reader.Number<ulong>("the place of a tensor");
        if (offset % (ulong)alignment != 0 || offset > long.MaxValue)
            throw reader.Bad($"tensor \"{name}\" at byte {offset} of the data", $"a multiple of {alignment}, the alignment");
        try
        {
            var elements = shape.Contains(0) ? 0 : shape.Aggregate(1L, (a, b) => checked(a * b));
            if (type.IsQuantized() && elements > 0 && (shape.Length == 0 || shape[^1] % TensorTypes.BlockSize != 0))
                throw reader.Bad($"tensor \"{name}\", {type} [{string.Join(", ", shape)}]", $"rows of a multiple of {TensorTypes.BlockSize}");
            return (name, type, shape, (long)offset, type.BytesOf(elements));
        }
        catch (OverflowException)
        {
            throw reader.Bad($"tensor \"{name}\" of shape [{string.Join(", ", shape)}]", "fewer than 2^63 numbers");
        }
    }
}

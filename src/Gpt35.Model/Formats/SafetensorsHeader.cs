using System.Buffers.Binary;
using System.Text.Json;

namespace Gpt35.Model;

/// <summary>
/// The header of a safetensors file: 8 bytes of length, then JSON with dtype, shape and offsets of each tensor. Checked as strictly as by the format's
/// own library: tensors fill the rest of the file, without gaps and without overlaps. Nothing is allocated that the file does not hold.
/// </summary>
internal static class SafetensorsHeader
{
    private const long Largest = 100_000_000;                               // the limit of the format's own library
    private const int MostDimensions = 8;
    public const string Metadata = "__metadata__";

    private static readonly Dictionary<string, TensorType> Types = new(StringComparer.Ordinal)
    {
        ["F32"] = TensorType.F32,
        ["F16"] = TensorType.F16,
        ["BF16"] = TensorType.BF16,
        ["I8"] = TensorType.I8,
        ["U8"] = TensorType.U8,
    };

    /// <summary>A tensor as the header describes it; <paramref name="Begin"/> and <paramref name="End"/> count from the end of the header.</summary>
    internal readonly record struct Entry(string Name, TensorType Type, long[] Shape, long Begin, long End);

    /// <param name="file">The file.</param>
    /// <param name="dataStart">Where the data begins.</param>
    /// <exception cref="InvalidDataException">The file is no safetensors file, or a damaged one.</exception>
    public static List<Entry> Read(MappedFile file, out long dataStart)
    {
        var path = file.Path;
        if (file.Length < 8)
            throw new InvalidDataException($"{path}: {file.Length} bytes; expected a safetensors file, which starts with the 8-byte length of its header.");
        var length = BinaryPrimitives.ReadInt64LittleEndian(file.Bytes(0, 8));
        if (length < 2 || length > file.Length - 8 || length > Largest)
            throw new InvalidDataException($"{path}: its header claims {(ulong)length} bytes, the file has {file.Length - 8} after the prefix. This is not a safetensors file, or it is damaged.");
        dataStart = 8 + length;
        var entries = Parse(path, file.Bytes(8, (int)length));
        RequireFilled(path, entries, file.Length - dataStart);
        return entries;
    }

    private static List<Entry> Parse(string path, ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            using var header = JsonDocument.ParseValue(ref reader);
            if (header.RootElement.ValueKind != JsonValueKind.Object)
                throw new InvalidDataException($"{path}: its header is not a JSON object; expected one entry for each tensor.");
            if (json[(int)reader.BytesConsumed..].ContainsAnyExcept((byte)' ', (byte)'\n'))
                throw new InvalidDataException($"{path}: text after the JSON of its header; the file is damaged. Fetch it again.");
            var entries = new List<Entry>();
            var names = new HashSet<string>(StringComparer.Ordinal);
            foreach (var property in header.RootElement.EnumerateObject())
            {
                if (!names.Add(property.Name)) throw new InvalidDataException($"{path}: tensor \"{property.Name}\" for the second time; expected every name once. The file is damaged.");
                if (property.Name != Metadata) entries.Add(ParseEntry(path, property));
            }
            return entries;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)    // the second: a string that is no UTF-16
        {
            throw new InvalidDataException($"{path}: its header is not JSON ({e.Message}) The file is damaged; fetch it again.", e);
        }
    }

    private static Entry ParseEntry(string path, JsonProperty property)
    {
        var value = property.Value;
        if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("dtype", out var dtype) && dtype.ValueKind == JsonValueKind.String &&
            Numbers(value, "shape") is { Length: <= MostDimensions } shape && Numbers(value, "data_offsets") is [var begin, var end])
        {
            if (!Types.TryGetValue(dtype.GetString()!, out var type))
                throw new InvalidDataException($"{path}: tensor \"{property.Name}\" is of type {dtype.GetString()}; read here: {string.Join(", ", Types.Keys)}. Convert it to F32, F16 or BF16 first.");
            return new Entry(property.Name, type, shape, begin, end);
        }
        var text = value.GetRawText();
        throw new InvalidDataException($"{path}: the header entry of \"{property.Name}\" is {text[..Math.Min(80, text.Length)]}; expected dtype, shape and two data_offsets.");
    }

    /// <summary>A list of whole numbers from 0 up; null where it is none.</summary>
    private static long[]? Numbers(JsonElement entry, string name)
    {
        if (!entry.TryGetProperty(name, out var list) || list.ValueKind != JsonValueKind.Array) return null;
        var numbers = new long[list.GetArrayLength()];
        var at = 0;
        foreach (var element in list.EnumerateArray())
            if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt64(out numbers[at]) || numbers[at++] < 0) return null;
        return numbers;
    }

    private static void RequireFilled(string path, List<Entry> entries, long dataLength)
    {
        long at = 0;
        foreach (var entry in entries.OrderBy(entry => entry.Begin).ThenBy(entry => entry.End))
        {
            var bytes = BytesOf(entry);
            if (bytes is null || entry.End - entry.Begin != bytes)
                throw new InvalidDataException($"{path}: tensor \"{entry.Name}\", {entry.Type} [{string.Join(", ", entry.Shape)}], lies at bytes {entry.Begin} to {entry.End}; expected {bytes?.ToString() ?? "fewer than 2^63"} bytes. The file is damaged; fetch it again.");
            if (entry.Begin != at || entry.End > dataLength)
                throw new InvalidDataException($"{path}: tensor \"{entry.Name}\" lies at bytes {entry.Begin} to {entry.End} of {dataLength}; expected it to begin at {at}, where the one before ends, and to lie inside the file. The file is damaged or cut short; fetch it again.");
            at = entry.End;
        }
        if (at != dataLength)
            throw new InvalidDataException($"{path}: {dataLength} bytes of data, of which tensors take {at}; expected no more than they take. The file is damaged; fetch it again.");
    }

    private static long? BytesOf(Entry entry)
    {
        try
        {
            return entry.Type.BytesOf(entry.Shape.Contains(0) ? 0 : entry.Shape.Aggregate(1L, (a, b) => checked(a * b)));
        }
        catch (OverflowException)
        {
            return null;
        }
    }
}

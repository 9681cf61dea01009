using System.Buffers.Binary;
using System.Text.Json;

namespace Gpt35.Model;

/// <summary>The safetensors format: 8 bytes of header length, a JSON header with dtype, shape and offsets of each tensor, then the data.</summary>
public static class Safetensors
{
    private const long LargestHeader = 100_000_000;   // the limit of the format's own library

    /// <summary>Writes all parameters as F32, in the order of the flat buffer, and flushes them to the disk.</summary>
    public static void Write(string path, ParameterSet parameters)
    {
        var header = Header(parameters);
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 20);
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        file.Write(length);
        file.Write(header);
        foreach (var parameter in parameters.All)
            file.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes(parameters.ValuesOf(parameter)));
        file.Flush(flushToDisk: true);
    }

    /// <summary>Fills every parameter from the file.</summary>
    /// <exception cref="InvalidDataException">The file is not safetensors, lacks a parameter, or has it with another type or shape.</exception>
    public static void Read(string path, ParameterSet parameters)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20);
        using var header = ReadHeader(path, file, out var dataStart);
        foreach (var parameter in parameters.All)
        {
            var expected = $"F32 [{string.Join(", ", parameter.Shape)}]";
            if (!header.RootElement.TryGetProperty(parameter.Name, out var entry))
                throw new InvalidDataException($"{path}: no tensor \"{parameter.Name}\"; expected it as {expected}. Is this the model that config.json describes?");
            var (found, begin, end) = Entry(path, parameter.Name, entry);
            if (found != expected)
                throw new InvalidDataException($"{path}: tensor \"{parameter.Name}\" is {found}; expected {expected}. Is this the model that config.json describes?");
            if (begin < 0 || end - begin != parameter.Count * sizeof(float) || end > file.Length - dataStart)
                throw new InvalidDataException($"{path}: tensor \"{parameter.Name}\" lies at bytes {begin} to {end} of {file.Length - dataStart}; expected {parameter.Count * sizeof(float)} bytes inside the file. The file is damaged or cut short; fetch it again.");
            file.Position = dataStart + begin;
            file.ReadExactly(System.Runtime.InteropServices.MemoryMarshal.AsBytes(parameters.ValuesOf(parameter)));
        }
    }

    private static byte[] Header(ParameterSet parameters)
    {
        using var json = new MemoryStream();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            foreach (var parameter in parameters.All)
            {
                writer.WriteStartObject(parameter.Name);
                writer.WriteString("dtype", "F32");
                writer.WriteStartArray("shape");
                foreach (var size in parameter.Shape) writer.WriteNumberValue(size);
                writer.WriteEndArray();
                writer.WriteStartArray("data_offsets");
                writer.WriteNumberValue(parameter.Offset * sizeof(float));
                writer.WriteNumberValue((parameter.Offset + parameter.Count) * sizeof(float));
                writer.WriteEndArray();
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        }
        while (json.Length % 8 != 0) json.WriteByte((byte)' ');   // data starts aligned
        return json.ToArray();
    }

    private static JsonDocument ReadHeader(string path, FileStream file, out long dataStart)
    {
        Span<byte> prefix = stackalloc byte[8];
        if (file.Length < 8)
            throw new InvalidDataException($"{path}: {file.Length} bytes; expected a safetensors file, which starts with the 8-byte length of its header.");
        file.ReadExactly(prefix);
        var length = BinaryPrimitives.ReadInt64LittleEndian(prefix);
        if (length < 2 || length > file.Length - 8 || length > LargestHeader)
            throw new InvalidDataException($"{path}: its header claims {length} bytes, the file has {file.Length - 8} after the prefix. This is not a safetensors file, or it is damaged.");
        dataStart = 8 + length;
        var bytes = new byte[length];
        file.ReadExactly(bytes);
        try
        {
            var header = JsonDocument.Parse(bytes);
            if (header.RootElement.ValueKind == JsonValueKind.Object) return header;
            header.Dispose();
            throw new InvalidDataException($"{path}: its header is not a JSON object; expected one entry for each tensor.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path}: its header is not JSON ({e.Message}) The file is damaged; fetch it again.", e);
        }
    }

    private static (string TypeAndShape, long Begin, long End) Entry(string path, string name, JsonElement entry)
    {
        try
        {
            var shape = string.Join(", ", entry.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()));
            var offsets = entry.GetProperty("data_offsets");
            return ($"{entry.GetProperty("dtype").GetString()} [{shape}]", offsets[0].GetInt64(), offsets[1].GetInt64());
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException or IndexOutOfRangeException)
        {
            throw new InvalidDataException($"{path}: the header entry of \"{name}\" is {entry.GetRawText()[..Math.Min(80, entry.GetRawText().Length)]}; expected dtype, shape and two data_offsets.", e);
        }
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Gpt35.Model;

/// <summary>Writes GGUF files, version 3.</summary>
internal static class GgufWriter
{
    /// <param name="stream">Receives the file.</param>
    /// <param name="metadata">Keys and values; <c>general.alignment</c> among them is kept to.</param>
    /// <param name="parts">The tensors, in order.</param>
    /// <param name="type">Type of matrices; see <see cref="TensorTypes.For"/>. Vectors are F32, which llama.cpp's kernels want.</param>
    /// <param name="read">Where the numbers come from.</param>
    public static void Write(Stream stream, GgufMetadata metadata, IReadOnlyList<TensorPart> parts, TensorType type, ParameterReader read)
    {
        long alignment = metadata.TryInteger(GgufLayout.AlignmentKey) ?? GgufLayout.DefaultAlignment;
        using var head = new MemoryStream();
        Number(head, GgufLayout.Magic);
        Number(head, 3u);
        Number(head, (ulong)parts.Count);
        Number(head, (ulong)metadata.All.Count);
        foreach (var (key, value) in metadata.All)
        {
            Text(head, key);
            Number(head, TypeOf(value.GetType()));
            Value(head, value);
        }
        long offset = 0;
        foreach (var part in parts)
        {
            if (part.Name.Length > GgufLayout.LongestName) throw new ArgumentException($"\"{part.Name}\" is longer than {GgufLayout.LongestName} bytes.", nameof(parts));
            var stored = TypeOf(part, type);
            Text(head, part.Name);
            Number(head, (uint)part.Shape.Length);
            foreach (var size in part.Shape.Reverse()) Number(head, (ulong)size);
            Number(head, GgufLayout.Tensors.First(known => known.Value == stored).Key);
            Number(head, (ulong)offset);
            offset = Aligned(offset + Bytes(part, stored), alignment);
        }
        Pad(head, head.Length, alignment);
        head.WriteTo(stream);
        var writer = new PartWriter(read);
        foreach (var part in parts)
        {
            var stored = TypeOf(part, type);
            writer.Write(part, stored, stream);
            Pad(stream, Bytes(part, stored), alignment);
        }
    }

    private static TensorType TypeOf(TensorPart part, TensorType type) => part.Shape.Length == 1 ? TensorType.F32 : type.For(part.Shape);

    private static long Bytes(TensorPart part, TensorType type) => type.BytesOf((long)part.Rows * part.Columns);

    private static long Aligned(long offset, long alignment) => (offset + alignment - 1) / alignment * alignment;

    private static void Pad(Stream stream, long written, long alignment) => stream.Write(new byte[Aligned(written, alignment) - written]);

    private static uint TypeOf(Type type) => (uint)Array.IndexOf(GgufLayout.Values, type.IsArray || type == typeof(Array) ? typeof(Array) : type);

    private static void Value(Stream stream, object value)
    {
        switch (value)
        {
            case string text: Text(stream, text); break;
            case bool flag: Number(stream, (byte)(flag ? 1 : 0)); break;
            case byte number: Number(stream, number); break;
            case sbyte number: Number(stream, number); break;
            case ushort number: Number(stream, number); break;
            case short number: Number(stream, number); break;
            case uint number: Number(stream, number); break;
            case int number: Number(stream, number); break;
            case ulong number: Number(stream, number); break;
            case long number: Number(stream, number); break;
            case float number: Number(stream, number); break;
            case double number: Number(stream, number); break;
            case Array list:
                Number(stream, TypeOf(list.GetType().GetElementType()!));
                Number(stream, (ulong)list.Length);
                foreach (var element in list) Value(stream, element);
                break;
            default: throw new ArgumentException($"GGUF has no type for a {value.GetType()}.", nameof(value));
        }
    }

    private static void Text(Stream stream, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Number(stream, (ulong)bytes.Length);
        stream.Write(bytes);
    }

    private static void Number<T>(Stream stream, T number) where T : unmanaged
    {
        Span<byte> bytes = stackalloc byte[Unsafe.SizeOf<T>()];
        MemoryMarshal.Write(bytes, number);
        stream.Write(bytes);
    }
}

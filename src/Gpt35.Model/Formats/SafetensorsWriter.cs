using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gpt35.Model;

/// <summary>Writes safetensors files.</summary>
internal static class SafetensorsWriter
{
    /// <summary>Largest file of a model folder: the limit of Hugging Face's own writer.</summary>
    public const long ShardBytes = 5_000_000_000;

    /// <summary>Writes <c>model.safetensors</c> into a folder, or shards of at most <paramref name="shardBytes"/> of data (one tensor at least) and their index.</summary>
    public static void WriteFolder(string folder, IReadOnlyList<TensorPart> parts, TensorType type, ParameterReader read, long shardBytes = ShardBytes)
    {
        var shards = Shards(parts, type, shardBytes);
        if (shards.Count == 1)
        {
            WriteFile(Path.Combine(folder, SafetensorsFile.WeightsName), parts, type, read);
            return;
        }
        var map = new JsonObject();
        foreach (var (i, shard) in shards.Index())
        {
            var name = $"model-{i + 1:D5}-of-{shards.Count:D5}.safetensors";
            WriteFile(Path.Combine(folder, name), shard, type, read);
            foreach (var part in shard) map[part.Name] = name;
        }
        var index = new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = parts.Sum(part => Bytes(part, type)) }, ["weight_map"] = map };
        File.WriteAllText(Path.Combine(folder, SafetensorsFile.IndexName), index.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
    }

    /// <summary>Writes one file and flushes it to the disk.</summary>
    public static void WriteFile(string path, IReadOnlyList<TensorPart> parts, TensorType type, ParameterReader read)
    {
        var header = Header(parts, type);
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 20);
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        file.Write(length);
        file.Write(header);
        var writer = new PartWriter(read);
        foreach (var part in parts) writer.Write(part, type, file);
        file.Flush(flushToDisk: true);
    }

    private static List<List<TensorPart>> Shards(IReadOnlyList<TensorPart> parts, TensorType type, long shardBytes)
    {
        var shards = new List<List<TensorPart>>();
        long room = 0;
        foreach (var part in parts)
        {
            var bytes = Bytes(part, type);
            if (shards.Count == 0 || bytes > room)
            {
                shards.Add([]);
                room = shardBytes;
            }
            shards[^1].Add(part);
            room -= bytes;
        }
        return shards;
    }

    private static long Bytes(TensorPart part, TensorType type) => type.BytesOf((long)part.Rows * part.Columns);

    private static byte[] Header(IReadOnlyList<TensorPart> parts, TensorType type)
    {
        using var json = new MemoryStream();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            // Without this, Hugging Face's loader refuses the file: it wants to know whose layout the tensors have.
            writer.WriteStartObject(SafetensorsHeader.Metadata);
            writer.WriteString("format", "pt");
            writer.WriteEndObject();
            long offset = 0;
            foreach (var part in parts)
            {
                writer.WriteStartObject(part.Name);
                writer.WriteString("dtype", type.ToString());
                writer.WriteStartArray("shape");
                foreach (var size in part.Shape) writer.WriteNumberValue(size);
                writer.WriteEndArray();
                writer.WriteStartArray("data_offsets");
                writer.WriteNumberValue(offset);
                writer.WriteNumberValue(offset += Bytes(part, type));
                writer.WriteEndArray();
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        }
        while (json.Length % 8 != 0) json.WriteByte((byte)' ');             // data starts aligned
        return json.ToArray();
    }
}

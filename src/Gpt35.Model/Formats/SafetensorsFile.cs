using System.Text.Json;

namespace Gpt35.Model;

/// <summary>Tensors of one safetensors file, or of the shards of a folder, mapped into memory.</summary>
public sealed class SafetensorsFile : IDisposable
{
    /// <summary>Names in a model folder: the only file, or the list of shards.</summary>
    public const string WeightsName = "model.safetensors", IndexName = "model.safetensors.index.json";

    private readonly List<MappedFile> files = [];
    private readonly Dictionary<string, StoredTensor> tensors = new(StringComparer.Ordinal);

    private SafetensorsFile()
    {
    }

    public IReadOnlyDictionary<string, StoredTensor> Tensors => tensors;

    /// <summary>Opens a file, or the weights of a folder: <c>model.safetensors</c>, else the shards that its index lists.</summary>
    /// <exception cref="FileNotFoundException">There is no such file, or a shard is missing.</exception>
    /// <exception cref="InvalidDataException">A file is no safetensors file, or damaged; the message says where and how.</exception>
    public static SafetensorsFile Open(string path)
    {
        var opened = new SafetensorsFile();
        try
        {
            if (!Directory.Exists(path)) opened.Add(path);
            else if (File.Exists(Path.Combine(path, WeightsName))) opened.Add(Path.Combine(path, WeightsName));
            else if (File.Exists(Path.Combine(path, IndexName))) opened.AddShards(path);
            else throw new FileNotFoundException($"{path}: no {WeightsName} and no {IndexName}; expected the weights of a model in one of the two. {Instead(path)}");
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var file in files) file.Dispose();
    }

    private void Add(string path)
    {
        var file = new MappedFile(path);
        files.Add(file);
        foreach (var entry in SafetensorsHeader.Read(file, out var dataStart))
            if (!tensors.TryAdd(entry.Name, new StoredTensor(file, entry.Name, entry.Type, entry.Shape, dataStart + entry.Begin)))
                throw new InvalidDataException($"{path}: tensor \"{entry.Name}\" lies in {Path.GetFileName(tensors[entry.Name].File)} too; expected every tensor in one shard.");
    }

    private void AddShards(string folder)
    {
        var index = Path.Combine(folder, IndexName);
        var map = ReadIndex(index);
        foreach (var shard in map.Values.Distinct().Order(StringComparer.Ordinal))
        {
            // A file name and nothing else: a downloaded index must not reach out of its folder.
            if (shard != Path.GetFileName(shard) || !shard.EndsWith(".safetensors", StringComparison.Ordinal))
                throw new InvalidDataException($"{index}: names the shard \"{shard}\"; expected the name of a .safetensors file beside it.");
            var path = Path.Combine(folder, shard);
            if (!File.Exists(path)) throw new FileNotFoundException($"{path}: no such file, but {IndexName} names it. Fetch the missing shard.", path);
            Add(path);
        }
        foreach (var (tensor, shard) in map)
            if (!tensors.TryGetValue(tensor, out var found) || Path.GetFileName(found.File) != shard)
                throw new InvalidDataException($"{index}: says that tensor \"{tensor}\" lies in {shard}; it {(found is null ? "is in no shard" : $"lies in {Path.GetFileName(found.File)}")}. Index and shards belong to different models.");
    }

    private static Dictionary<string, string> ReadIndex(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var map = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var entry in document.RootElement.GetProperty("weight_map").EnumerateObject())
                if (!map.TryAdd(entry.Name, entry.Value.GetString() ?? "")) throw new InvalidDataException($"{path}: tensor \"{entry.Name}\" for the second time; expected every name once.");
            return map;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: found no list of shards ({e.Message.TrimEnd('.')}); expected \"weight_map\": {{tensor: file}}. Fetch it again.", e);
        }
    }

    private static string Instead(string folder) => Directory.EnumerateFiles(folder, "*.bin").Any() || Directory.EnumerateFiles(folder, "*.pth").Any()
        ? "There are PyTorch pickles, which can run code and are not read: take the model's safetensors."
        : "Is this the right folder?";
}

using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Gpt35.Data;

namespace Gpt35.Training;

/// <summary>Training and held-out records of a stage.</summary>
internal sealed record DataSplit<T>(IReadOnlyList<T> Train, IReadOnlyList<T> Heldout);

internal static class DataSplit
{
    /// <summary>
    /// Reads the files of <paramref name="data"/>. Without held-out files, a record is held out by a hash of its key: the choice does not depend
    /// on the order of the files or on the seed, and records with the same key (the same document, the same prompt) stay on the same side.
    /// </summary>
    /// <exception cref="InvalidDataException">Nothing is left to train on, or both ways of holding out are asked for.</exception>
    public static DataSplit<T> Read<T>(DataOptions data, Func<string, IEnumerable<T>> read, Func<T, string> key)
    {
        RequireOneWay(data);
        var records = data.Train.SelectMany(path => MixRecipe.IsNamedBy(path) ? Mixed(path, read) : read(path)).ToList();
        var held = records.ToLookup(record => IsHeldOut(key(record), data.HeldoutFraction));
        var split = new DataSplit<T>([.. held[false]], data.Heldout.Count > 0 ? [.. data.Heldout.SelectMany(read)] : [.. held[true]]);
        if (split.Train.Count == 0)
            throw new InvalidDataException(
                $"{string.Join(", ", data.Train)}: {records.Count} records, of which none is left to train on after holding out {data.HeldoutFraction:P0}. Lower data.heldout_fraction or add data.");
        return split;
    }

    /// <summary>The records of the mixture that a YAML file describes. Stages hold their records anyway, so each file is read once, whatever its epochs.</summary>
    private static IEnumerable<T> Mixed<T>(string path, Func<string, IEnumerable<T>> read)
    {
        var recipe = RecipeFile.Load<MixRecipe>(path);
        var files = new Dictionary<string, List<T>>();
        return recipe.Read(recipe.Open(file => files.TryGetValue(file, out var records) ? records : files[file] = [.. read(file)]));
    }

    /// <exception cref="InvalidDataException">Both ways of holding out are asked for.</exception>
    internal static void RequireOneWay(DataOptions data)
    {
        if (data.Heldout.Count > 0 && data.HeldoutFraction > 0)
            throw new InvalidDataException("The recipe has both data.heldout and data.heldout_fraction; give files that are held out or a share to hold out, not both.");
    }

    /// <summary>The texts of a conversation, as a key.</summary>
    public static string KeyOf(IEnumerable<Message> messages) => string.Join('\0', messages.Select(message => message.Content));

    internal static bool IsHeldOut(string key, double fraction)
    {
        if (fraction <= 0) return false;
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(key), hash);
        return IsHeldOut(BinaryPrimitives.ReadUInt64LittleEndian(hash), fraction);
    }

    /// <param name="hash">The first 8 bytes of the key's SHA-256.</param>
    /// <param name="fraction">Share to hold out.</param>
    internal static bool IsHeldOut(ulong hash, double fraction) => fraction > 0 && hash < fraction * ulong.MaxValue;
}

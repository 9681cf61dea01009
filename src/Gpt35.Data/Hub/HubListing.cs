using System.Text.Json;

namespace Gpt35.Data;

/// <summary>A file of a repository.</summary>
/// <param name="Path">Its name, folders separated by '/'; checked to stay inside the folder it is written to.</param>
/// <param name="Size">Bytes; null where the hub does not say.</param>
/// <param name="Sha256">SHA-256 of a large file (Git LFS); null otherwise.</param>
/// <param name="GitSha1">Git's SHA-1 of a small file, which is over "blob SIZE\0" and the content; null otherwise.</param>
internal sealed record HubFile(string Path, long? Size, string? Sha256, string? GitSha1);

/// <summary>The files of a repository at one commit.</summary>
internal sealed record HubListing(string? Commit, IReadOnlyList<HubFile> Files)
{
    /// <summary>What keeps a download apart from a finished file; no file of a repository may end in it.</summary>
    public const string PartSuffix = ".part";

    /// <summary>Reads the answer of the hub's API.</summary>
    /// <exception cref="InvalidDataException">It is no listing, or a file in it could be written outside the folder; the message says which.</exception>
    public static HubListing Read(byte[] json, string source)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            var files = root.GetProperty("siblings").EnumerateArray().Select(File).ToList();
            foreach (var file in files) RequireInside(file.Path, source);
            if (files.GroupBy(file => file.Path, StringComparer.OrdinalIgnoreCase).FirstOrDefault(group => group.Count() > 1) is { } twice)
                throw new InvalidDataException($"{source}: two files are named \"{twice.Key}\" (but for case); expected each once. Nothing was written.");
            return new HubListing(Text(root, "sha"), files);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException($"{source}: found something other than a list of files ({e.Message}); expected JSON with \"siblings\", as Hugging Face answers. Is --endpoint a hub?", e);
        }
    }

    private static HubFile File(JsonElement sibling)
    {
        var lfs = sibling.TryGetProperty("lfs", out var found) && found.ValueKind == JsonValueKind.Object ? found : (JsonElement?)null;
        var size = Number(lfs, "size") ?? Number(sibling, "size");
        return new HubFile(
            sibling.GetProperty("rfilename").GetString() ?? "",
            size,
            lfs is { } large ? Text(large, "sha256") : null,
            lfs is null ? Text(sibling, "blobId") : null);
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static long? Number(JsonElement? element, string name) =>
        element is { } given && given.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.GetInt64() is var number
            ? number >= 0 ? number : throw new FormatException($"a size of {number}")
            : null;

    /// <summary>A name from the network must not choose where on this machine it is written.</summary>
    private static void RequireInside(string path, string source)
    {
        var parts = path.Split('/');
        if (parts.Any(part => part is "" or "." or "..") || path.Any(letter => letter is '\\' or ':' || char.IsControl(letter)) || Path.IsPathRooted(path))
            throw new InvalidDataException($"{source}: the hub lists a file named \"{path}\", which could be written outside the folder. Nothing was written; do not trust this repository.");
        if (path.EndsWith(PartSuffix, StringComparison.OrdinalIgnoreCase) || path.EndsWith(PartSuffix + HubDownload.EtagSuffix, StringComparison.OrdinalIgnoreCase))
            throw new InvalidDataException($"{source}: the hub lists a file named \"{path}\", a name kept for unfinished downloads. Leave it out with --include.");
    }
}

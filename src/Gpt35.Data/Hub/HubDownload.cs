using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;

namespace Gpt35.Data;

/// <summary>
/// One file of a hub, written to NAME.part beside NAME and renamed when it is whole and its checksum is right. What has arrived survives
/// a dropped connection and the end of the process; it is continued only from a server that still has the same content (If-Range).
/// </summary>
internal sealed class HubDownload(HubClient client, Uri address, HubFile file, string target, Action<long> progress)
{
    /// <summary>Ends the name of the file that remembers which content a part belongs to.</summary>
    public const string EtagSuffix = ".etag";

    /// <summary>A connection that sends nothing for this long counts as dropped.</summary>
    private static readonly TimeSpan Stalled = TimeSpan.FromMinutes(1);

    private readonly string part = target + HubListing.PartSuffix, etagFile = target + HubListing.PartSuffix + EtagSuffix;

    /// <summary>Whether the file stands there already, with the right size and checksum.</summary>
    public bool IsDone() => File.Exists(target) && (file.Sha256 ?? file.GitSha1) is not null && Problem(target) is null;

    /// <summary>Fetches the file, or the rest of it.</summary>
    /// <exception cref="InvalidDataException">What arrived is not what the hub lists.</exception>
    /// <exception cref="IOException">The hub fails, or the disk does.</exception>
    public async Task RunAsync(CancellationToken cancel)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        for (var resumed = Length > 0; ; resumed = false)
        {
            if (file.Size is null || Length != file.Size)
                resumed |= await client.RetryAsync(file.Path, () => FetchAsync(cancel), () => Length, cancel).ConfigureAwait(false);
            if (Problem(part) is not { } problem) break;
            Forget();
            // A part from an earlier run may have been damaged since; a fresh download gets no second chance.
            if (!resumed) throw new InvalidDataException($"{file.Path}: {problem}. It was deleted. Try again; if it happens again, the hub's copy is damaged.");
        }
        File.Move(part, target, overwrite: true);
        File.Delete(etagFile);
    }

    private long Length => File.Exists(part) ? new FileInfo(part).Length : 0;

    /// <summary>One connection. Returns whether it continued what was there.</summary>
    private async Task<bool> FetchAsync(CancellationToken cancel)
    {
        var known = File.Exists(etagFile) && EntityTagHeaderValue.TryParse(File.ReadAllText(etagFile), out var tag) ? tag : null;
        if (known is null || Length > (file.Size ?? long.MaxValue)) Forget();
        if (file.Size is { } whole && Length == whole && Length > 0) return true;
        var from = Length;
        using var response = await client.GetAsync(address, from > 0 ? new RangeHeaderValue(from, null) : null, from > 0 ? known : null, cancel).ConfigureAwait(false);
        var continues = response.StatusCode == HttpStatusCode.PartialContent;
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable || (continues && !Fits(response, from, known)))
        {
            Forget();
            throw new TransientException("the hub did not continue where the download stopped");
        }
        if (!continues) Forget();
        // Only a strong tag says that the bytes are the same; without one, a part is worth nothing to the next try.
        if (response.Headers.ETag is { IsWeak: false } etag) File.WriteAllText(etagFile, etag.ToString());
        await CopyAsync(response, cancel).ConfigureAwait(false);
        return continues;
    }

    private bool Fits(HttpResponseMessage response, long from, EntityTagHeaderValue? known) =>
        from > 0 && response.Content.Headers.ContentRange is { } range && range.From == from
        && (range.Length is null || file.Size is null || range.Length == file.Size)
        && (response.Headers.ETag is null || response.Headers.ETag.Equals(known));

    private async Task CopyAsync(HttpResponseMessage response, CancellationToken cancel)
    {
        using var stalled = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        await using var output = new FileStream(part, FileMode.Append, FileAccess.Write, FileShare.Read, 1 << 16);
        var expected = response.Content.Headers.ContentLength is { } length ? output.Position + length : (long?)null;
        var buffer = new byte[1 << 17];
        await using var body = await ReadAsync(() => new ValueTask<Stream>(response.Content.ReadAsStreamAsync(stalled.Token)), cancel).ConfigureAwait(false);
        for (; ; )
        {
            stalled.CancelAfter(Stalled);
            var read = await ReadAsync(() => body.ReadAsync(buffer, stalled.Token), cancel).ConfigureAwait(false);
            if (read == 0) break;
            if (output.Position + read > file.Size)
            {
                output.Close();
                Forget();
                throw new InvalidDataException($"{file.Path}: the hub sent more than the {file.Size} bytes it lists. What arrived was deleted. Try again, or another --revision.");
            }
            await output.WriteAsync(buffer.AsMemory(0, read), cancel).ConfigureAwait(false);
            progress(read);
        }
        output.Flush(flushToDisk: true);
        if (output.Position < (file.Size ?? expected ?? 0)) throw new TransientException($"the connection ended after {output.Position} of {file.Size ?? expected} bytes");
    }

    /// <summary>Reads from the network: its failures may pass, those of the disk do not.</summary>
    private static async Task<T> ReadAsync<T>(Func<ValueTask<T>> read, CancellationToken cancel)
    {
        try
        {
            return await read().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or HttpRequestException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            throw new TransientException("the connection was dropped", inner: e);
        }
    }

    private void Forget()
    {
        if (Length > 0) progress(-Length);
        File.Delete(part);
        File.Delete(etagFile);
    }

    /// <summary>What is wrong with a file, or null.</summary>
    private string? Problem(string path)
    {
        if (!File.Exists(path)) File.WriteAllBytes(path, []);                      // an empty file arrives without a byte
        using var stream = File.OpenRead(path);
        if (file.Size is { } size && stream.Length != size) return $"it has {stream.Length} bytes and the hub lists {size}";
        if (file.Sha256 is { } sha256 && Convert.ToHexStringLower(SHA256.HashData(stream)) is var found && !found.Equals(sha256, StringComparison.OrdinalIgnoreCase))
            return $"its SHA-256 is {found} and the hub lists {sha256}";
        if (file.Sha256 is null && file.GitSha1 is { Length: 40 } sha1 && GitSha1(stream) is var blob && !blob.Equals(sha1, StringComparison.OrdinalIgnoreCase))
            return $"its Git SHA-1 is {blob} and the hub lists {sha1}";
        return null;
    }

    private static string GitSha1(FileStream stream)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(Encoding.ASCII.GetBytes($"blob {stream.Length}\0"));
        var buffer = new byte[1 << 16];
        for (int read; (read = stream.Read(buffer)) > 0;) hash.AppendData(buffer, 0, read);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}

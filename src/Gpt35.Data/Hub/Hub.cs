using System.IO.Enumeration;

namespace Gpt35.Data;

/// <summary>What a pull did.</summary>
/// <param name="Repository">What was pulled; its revision is the commit, where the hub names it.</param>
/// <param name="Fetched">Files fetched.</param>
/// <param name="Present">Files that stood there already.</param>
/// <param name="Unverified">Files fetched for which the hub lists no checksum.</param>
public sealed record HubResult(HubRepository Repository, IReadOnlyList<string> Fetched, IReadOnlyList<string> Present, IReadOnlyList<string> Unverified);

/// <summary>Told how a pull goes.</summary>
public interface IHubObserver
{
    /// <summary>The files are known.</summary>
    void Listed(HubRepository repository, int files, long bytes);

    /// <summary>Bytes that are there now, of those listed.</summary>
    void Reached(long bytes);
}

/// <summary>Models and data sets of a hub in the layout of Hugging Face.</summary>
public static class Hub
{
    /// <summary>Fetches the files of a repository that are not there yet, each under its final name only when it is whole and its checksum is right.</summary>
    /// <param name="repository">What to fetch. A model that the hub does not know is looked for among the data sets.</param>
    /// <param name="folder">Where to; made where it does not exist.</param>
    /// <param name="include">Patterns with * and ?, of which a file's path must match one; none takes all files.</param>
    /// <param name="options">The hub.</param>
    /// <param name="observer">Told how it goes.</param>
    /// <param name="cancel">Stops soon; the same call goes on from there.</param>
    /// <exception cref="IOException">The hub or the disk fails, the disk is too small, or there is no such repository.</exception>
    /// <exception cref="UnauthorizedAccessException">The repository needs a token.</exception>
    /// <exception cref="InvalidDataException">The hub's answers contradict each other, or nothing matches.</exception>
    public static async Task<HubResult> PullAsync(
        HubRepository repository, string folder, IReadOnlyList<string> include, HubOptions options, IHubObserver observer, CancellationToken cancel = default)
    {
        using var client = new HubClient(options);
        (repository, var listing) = await FindAsync(client, repository, cancel).ConfigureAwait(false);
        if (listing.Commit is { Length: > 0 } commit) repository = repository with { Revision = commit };      // a branch may move while we read
        var chosen = listing.Files.Where(file => include.Count == 0 || include.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, file.Path, ignoreCase: false))).ToList();
        if (chosen.Count == 0)
            throw new InvalidDataException($"{repository}: none of its {listing.Files.Count} files matches {string.Join(" or ", include)}; there are {string.Join(", ", listing.Files.Take(8).Select(file => file.Path))}{(listing.Files.Count > 8 ? ", …" : "")}.");
        observer.Listed(repository, chosen.Count, chosen.Sum(file => file.Size ?? 0));

        long reached = 0;
        var downloads = chosen.Select(file => (File: file, Download: new HubDownload(client, client.Address(repository.FilePath(file.Path)), file, Path.Combine(Path.GetFullPath(folder), file.Path), bytes =>
        {
            reached += bytes;
            observer.Reached(reached);
        }))).ToList();
        var present = downloads.Where(each => each.Download.IsDone()).Select(each => each.File).ToList();
        var missing = downloads.Where(each => !present.Contains(each.File)).ToList();
        reached = present.Sum(file => file.Size ?? 0) + missing.Sum(each => PartLength(folder, each.File));
        Directory.CreateDirectory(folder);
        RequireSpace(folder, [.. missing.Select(each => each.File)], options);
        observer.Reached(reached);
        foreach (var (_, download) in missing)
        {
            cancel.ThrowIfCancellationRequested();
            await download.RunAsync(cancel).ConfigureAwait(false);
        }
        var fetched = missing.Select(each => each.File).ToList();
        return new HubResult(repository, [.. fetched.Select(file => file.Path)], [.. present.Select(file => file.Path)],
            [.. fetched.Where(file => file.Sha256 is null && file.GitSha1 is null).Select(file => file.Path)]);
    }

    private static async Task<(HubRepository, HubListing)> FindAsync(HubClient client, HubRepository repository, CancellationToken cancel)
    {
        try
        {
            return (repository, await ListAsync(client, repository, cancel).ConfigureAwait(false));
        }
        catch (Exception e) when (!repository.IsDataset && e is FileNotFoundException or UnauthorizedAccessException)
        {
            // Hugging Face answers 401 for names that do not exist. If there is no data set either, the first answer is the one to show.
            var dataset = repository with { IsDataset = true };
            try
            {
                return (dataset, await ListAsync(client, dataset, cancel).ConfigureAwait(false));
            }
            catch (Exception second) when (second is FileNotFoundException or UnauthorizedAccessException)
            {
                throw e is FileNotFoundException ? new FileNotFoundException(e.Message, e) : new UnauthorizedAccessException(e.Message, e);
            }
        }
    }

    private static async Task<HubListing> ListAsync(HubClient client, HubRepository repository, CancellationToken cancel)
    {
        var address = client.Address(repository.ListingPath);
        var json = await client.RetryAsync(repository.ToString(), async () =>
        {
            using var response = await client.GetAsync(address, null, null, cancel).ConfigureAwait(false);
            try
            {
                return await response.Content.ReadAsByteArrayAsync(cancel).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                throw new TransientException("the connection was dropped", inner: e);
            }
        }, () => 0, cancel).ConfigureAwait(false);
        return HubListing.Read(json, address.ToString());
    }

    private static long PartLength(string folder, HubFile file) =>
        new FileInfo(Path.Combine(folder, file.Path) + HubListing.PartSuffix) is { Exists: true } part ? part.Length : 0;

    private static void RequireSpace(string folder, IReadOnlyList<HubFile> missing, HubOptions options)
    {
        var needed = missing.Sum(file => Math.Max(0, (file.Size ?? 0) - PartLength(folder, file)));
        if (options.FreeSpace(folder) is var free && free < needed)
            throw new IOException($"{Path.GetFullPath(folder)}: the disk has {free:N0} bytes left and the download needs {needed:N0}. Nothing was fetched; free some space, choose another --out, or fewer files with --include.");
    }
}

using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Gpt35.Data.Tests;

/// <summary>What a client asked for.</summary>
internal sealed record HubRequest(string Path, IReadOnlyDictionary<string, string> Headers)
{
    public string? this[string header] => Headers.GetValueOrDefault(header);

    /// <summary>First byte of the range asked for; 0 for the whole.</summary>
    public int From => this["Range"] is { } range ? int.Parse(range["bytes=".Length..].TrimEnd('-'), System.Globalization.CultureInfo.InvariantCulture) : 0;
}

/// <summary>What a server answers, lies included.</summary>
internal sealed record HubReply(int Status, byte[] Body)
{
    public Dictionary<string, string> Headers { get; init; } = [];
    /// <summary>What Content-Length says; null tells the truth.</summary>
    public long? ClaimedLength { get; init; }
    /// <summary>The connection ends after so many bytes of the body.</summary>
    public int? DropAfter { get; init; }

    public static HubReply Text(int status, string text = "") => new(status, Encoding.UTF8.GetBytes(text));
}

/// <summary>A hub on this machine that answers as it is told, over plain sockets, so that it can also break the rules of HTTP.</summary>
internal sealed class LocalHub : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly List<HubRequest> requests = [];

    public LocalHub()
    {
        listener.Start();
        Endpoint = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
        _ = Task.Run(AcceptAsync);
    }

    public Uri Endpoint { get; }

    /// <summary>Files of the repository "owner/name", by path.</summary>
    public Dictionary<string, byte[]> Files { get; } = [];

    /// <summary>Large files, which have a SHA-256 instead of Git's SHA-1.</summary>
    public HashSet<string> Large { get; } = [];

    /// <summary>Changes the listing before it is sent.</summary>
    public Action<JsonObject> Listing { get; set; } = _ => { };

    /// <summary>Answers instead of the hub where it returns something.</summary>
    public Func<HubRequest, HubReply?> Intercept { get; set; } = _ => null;

    public string ListingPath { get; set; } = "/api/models/owner/name/revision/main?blobs=true";
    public string ResolvePath { get; set; } = "/owner/name/resolve/c0ffee/";

    public IReadOnlyList<HubRequest> Requests { get { lock (requests) return [.. requests]; } }

    public void Dispose() => listener.Stop();

    /// <summary>A well-behaved answer with range and ETag.</summary>
    public HubReply Serve(HubRequest request)
    {
        if (request.Path == ListingPath) return new HubReply(200, Encoding.UTF8.GetBytes(ListingJson()));
        if (!request.Path.StartsWith(ResolvePath, StringComparison.Ordinal) || !Files.TryGetValue(Uri.UnescapeDataString(request.Path[ResolvePath.Length..]), out var body)) return HubReply.Text(404);
        var etag = $"\"{Convert.ToHexStringLower(SHA256.HashData(body))[..16]}\"";
        var from = request["If-Range"] is { } tag && tag != etag ? 0 : request.From;
        return new HubReply(from > 0 ? 206 : 200, body[from..])
        {
            Headers = from > 0 ? new() { ["ETag"] = etag, ["Content-Range"] = $"bytes {from}-{body.Length - 1}/{body.Length}" } : new() { ["ETag"] = etag },
        };
    }

    private string ListingJson()
    {
        var listing = new JsonObject
        {
            ["sha"] = "c0ffee",
            ["siblings"] = new JsonArray([.. Files.Select(file => new JsonObject
            {
                ["rfilename"] = file.Key,
                ["size"] = file.Value.Length,
                ["blobId"] = Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {file.Value.Length}\0"), .. file.Value])),
                ["lfs"] = Large.Contains(file.Key) ? new JsonObject { ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(file.Value)), ["size"] = file.Value.Length, ["pointerSize"] = 130 } : null,
            })]),
        };
        Listing(listing);
        return listing.ToJsonString();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync();
                try
                {
                    await AnswerAsync(client);
                }
                catch (IOException)
                {
                    // The client went away; the next one may come.
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    private async Task AnswerAsync(TcpClient client)
    {
        await using var stream = client.GetStream();
        using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
        if (await reader.ReadLineAsync() is not { } line) return;
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        while (await reader.ReadLineAsync() is { Length: > 0 } header) headers[header[..header.IndexOf(':')]] = header[(header.IndexOf(':') + 1)..].Trim();
        var request = new HubRequest(line.Split(' ')[1], headers);
        lock (requests) requests.Add(request);
        var reply = Intercept(request) ?? Serve(request);
        reply.Headers.TryAdd("Content-Length", $"{reply.ClaimedLength ?? reply.Body.Length}");
        var head = $"HTTP/1.1 {reply.Status} Whatever\r\nConnection: close\r\n{string.Concat(reply.Headers.Select(header => $"{header.Key}: {header.Value}\r\n"))}\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head));
        await stream.WriteAsync(reply.Body.AsMemory(0, Math.Min(reply.DropAfter ?? int.MaxValue, reply.Body.Length)));
        client.Client.Shutdown(SocketShutdown.Send);
    }
}

using System.Text;

namespace Gpt35.Data.Tests;

/// <summary>A hub on this machine, with three files, and pulls from it.</summary>
public abstract class HubTest : IDisposable, IHubObserver
{
    private protected string Root { get; } = Directory.CreateTempSubdirectory("gpt35-hub-").FullName;

    private protected LocalHub Server { get; } = new();

    /// <summary>What was waited for before another attempt.</summary>
    private protected List<TimeSpan> Waits { get; } = [];

    /// <summary>Of the largest file.</summary>
    private protected byte[] Content { get; } = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 31 + i / 256))];

    /// <summary>Bytes that the observer was told of.</summary>
    private protected long Listed { get; private set; }

    private protected long Reached { get; private set; }

    private protected string? Token { get; set; }

    /// <summary>Bytes that the disk has left.</summary>
    private protected long Free { get; set; } = long.MaxValue;

    protected HubTest()
    {
        Server.Files["config.json"] = Encoding.UTF8.GetBytes("{\"vocab_size\": 7}\n");
        Server.Files["data/model #1.safetensors"] = Content;
        Server.Files["empty"] = [];
        Server.Large.Add("data/model #1.safetensors");
    }

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        Server.Dispose();
        Directory.Delete(Root, recursive: true);
    }

    void IHubObserver.Listed(HubRepository repository, int files, long bytes) => Listed = bytes;

    void IHubObserver.Reached(long bytes) => Reached = bytes;

    private protected string Out => Path.Combine(Root, "out");

    private protected string Weights => Path.Combine(Out, "data", "model #1.safetensors");

    private protected Task<HubResult> Pull(string name = "owner/name", string[]? include = null, CancellationToken? cancel = null) => Hub.PullAsync(
        HubRepository.Parse(name, "main"), Out, include ?? [], new HubOptions
        {
            Endpoint = Server.Endpoint,
            Token = Token,
            Wait = (time, _) =>
            {
                Waits.Add(time);
                return Task.CompletedTask;
            },
            FreeSpace = _ => Free,
        }, this, cancel ?? TestContext.Current.CancellationToken);

    private protected string[] Names => Directory.Exists(Out) ? [.. Directory.GetFiles(Out, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(Out, path).Replace('\\', '/')).Order(StringComparer.Ordinal)] : [];

    private protected static bool IsWeights(HubRequest request) => request.Path.Contains("/resolve/", StringComparison.Ordinal) && request.Path.Contains("model", StringComparison.Ordinal);

    private protected void RequireWhole()
    {
        Assert.Equal(["config.json", "data/model #1.safetensors", "empty"], Names);
        foreach (var (name, content) in Server.Files) Assert.Equal(content, File.ReadAllBytes(Path.Combine(Out, name)));
        Assert.Equal(Listed, Reached);
    }

    /// <summary>The first answer to a request for the weights is another one.</summary>
    private protected void Once(Func<HubRequest, HubReply> reply)
    {
        var done = false;
        Server.Intercept = request =>
        {
            if (done || !IsWeights(request)) return null;
            done = true;
            return reply(request);
        };
    }
}

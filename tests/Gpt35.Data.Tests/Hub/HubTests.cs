using System.Text;
using System.Text.Json.Nodes;

namespace Gpt35.Data.Tests;

/// <summary>Downloads from a hub that drops connections, lies and changes its mind.</summary>
public sealed class HubTests : IDisposable, IHubObserver
{
    private readonly string root = Directory.CreateTempSubdirectory("gpt35-hub-").FullName;
    private readonly LocalHub hub = new();
    private readonly List<TimeSpan> waits = [];
    private readonly byte[] weights = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 31 + i / 256))];
    private long listed, reached;
    private string? token;
    private long free = long.MaxValue;

    public HubTests()
    {
        hub.Files["config.json"] = Encoding.UTF8.GetBytes("{\"vocab_size\": 7}\n");
        hub.Files["data/model #1.safetensors"] = weights;
        hub.Files["empty"] = [];
        hub.Large.Add("data/model #1.safetensors");
    }

    public void Dispose()
    {
        hub.Dispose();
        Directory.Delete(root, recursive: true);
    }

    void IHubObserver.Listed(HubRepository repository, int files, long bytes) => listed = bytes;

    void IHubObserver.Reached(long bytes) => reached = bytes;

    private string Out => Path.Combine(root, "out");

    private string Weights => Path.Combine(Out, "data", "model #1.safetensors");

    private Task<HubResult> Pull(string name = "owner/name", string[]? include = null, CancellationToken? cancel = null) => Hub.PullAsync(
        HubRepository.Parse(name, "main"), Out, include ?? [], new HubOptions
        {
            Endpoint = hub.Endpoint,
            Token = token,
            Wait = (time, _) =>
            {
                waits.Add(time);
                return Task.CompletedTask;
            },
            FreeSpace = _ => free,
        }, this, cancel ?? TestContext.Current.CancellationToken);

    private string[] Names => Directory.Exists(Out) ? [.. Directory.GetFiles(Out, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(Out, path).Replace('\\', '/')).Order(StringComparer.Ordinal)] : [];

    private static bool IsWeights(HubRequest request) => request.Path.Contains("/resolve/", StringComparison.Ordinal) && request.Path.Contains("model", StringComparison.Ordinal);

    private void RequireWhole()
    {
        Assert.Equal(["config.json", "data/model #1.safetensors", "empty"], Names);
        foreach (var (name, content) in hub.Files) Assert.Equal(content, File.ReadAllBytes(Path.Combine(Out, name)));
        Assert.Equal(listed, reached);
    }

    /// <summary>The first answer to a request for the weights is another one.</summary>
    private void Once(Func<HubRequest, HubReply> reply)
    {
        var done = false;
        hub.Intercept = request =>
        {
            if (done || !IsWeights(request)) return null;
            done = true;
            return reply(request);
        };
    }

    [Fact]
    public async Task A_repository_arrives_whole_and_is_not_fetched_twice()
    {
        var first = await Pull();
        RequireWhole();
        Assert.Equal(("c0ffee", 3, 0, 0), (first.Repository.Revision, first.Fetched.Count, first.Present.Count, first.Unverified.Count));
        var before = hub.Requests.Count;
        var second = await Pull();
        Assert.Equal((0, 3), (second.Fetched.Count, second.Present.Count));
        Assert.Equal(before + 1, hub.Requests.Count);
        Assert.Empty(waits);
    }

    [Fact]
    public async Task A_dropped_connection_is_continued_where_it_broke()
    {
        Once(request => hub.Serve(request) with { ClaimedLength = weights.Length, DropAfter = 100_000 });
        await Pull();
        RequireWhole();
        Assert.Equal([0, 100_000], hub.Requests.Where(IsWeights).Select(request => request.From));
        Assert.NotNull(hub.Requests.Last(IsWeights)["If-Range"]);
        Assert.Equal([TimeSpan.FromSeconds(1)], waits);
    }

    [Fact]
    public async Task A_connection_that_drops_again_and_again_gets_there_as_long_as_it_gets_further()
    {
        hub.Intercept = request => IsWeights(request) && hub.Serve(request) is var whole && whole.Body.Length > 20_000 ? whole with { ClaimedLength = whole.Body.Length, DropAfter = 20_000 } : null;
        await Pull();
        RequireWhole();
        Assert.True(waits.Count > 10);
        Assert.All(waits, wait => Assert.Equal(TimeSpan.FromSeconds(1), wait));
    }

    [Fact]
    public async Task A_stopped_pull_goes_on_from_where_it_was()
    {
        using var stop = new CancellationTokenSource();
        hub.Intercept = request =>
        {
            if (!IsWeights(request)) return null;
            if (request.From == 0) return hub.Serve(request) with { ClaimedLength = weights.Length, DropAfter = 150_000 };
            stop.Cancel();
            return null;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Pull(cancel: stop.Token));
        Assert.False(File.Exists(Weights));
        Assert.True(File.Exists(Weights + ".part"));
        var before = hub.Requests.Count;
        await Pull();
        RequireWhole();
        Assert.InRange(hub.Requests.Skip(before).Single(IsWeights).From, 150_000, weights.Length - 1);
    }

    [Fact]
    public async Task A_part_of_an_earlier_run_is_continued_and_the_disk_needs_room_for_the_rest_only()
    {
        hub.Intercept = request => IsWeights(request) ? hub.Serve(request) is var whole && request.From == 0 ? whole with { ClaimedLength = whole.Body.Length, DropAfter = 120_000 } : HubReply.Text(503) : null;
        var error = await Assert.ThrowsAsync<IOException>(() => Pull());
        Assert.Contains("status 503, 6 times in a row", error.Message);
        Assert.Equal(120_000, new FileInfo(Weights + ".part").Length);
        hub.Intercept = _ => null;
        free = weights.Length - 120_000;
        await Pull();
        RequireWhole();
        Assert.Equal(120_000, hub.Requests.Last(IsWeights).From);
    }

    [Fact]
    public async Task Content_that_changed_meanwhile_is_fetched_anew()
    {
        Once(request => hub.Serve(request) with { ClaimedLength = weights.Length, DropAfter = 50_000, Headers = new() { ["ETag"] = "\"older\"" } });
        await Pull();
        RequireWhole();
        Assert.Equal("\"older\"", hub.Requests.Last(IsWeights)["If-Range"]);
    }

    [Fact]
    public async Task A_server_that_ignores_if_range_is_caught_by_its_etag()
    {
        var answers = 0;
        hub.Intercept = request => IsWeights(request) ? ++answers switch
        {
            1 => hub.Serve(request) with { ClaimedLength = weights.Length, DropAfter = 50_000, Headers = new() { ["ETag"] = "\"older\"" } },
            2 => new HubReply(206, weights[50_000..]) { Headers = new() { ["ETag"] = "\"newer\"", ["Content-Range"] = $"bytes 50000-{weights.Length - 1}/{weights.Length}" } },
            _ => null,
        } : null;
        await Pull();
        RequireWhole();
        Assert.Equal([0, 50_000, 0], hub.Requests.Where(IsWeights).Select(request => request.From));
    }

    [Fact]
    public async Task A_server_that_ignores_ranges_sends_the_whole_again()
    {
        hub.Intercept = request => IsWeights(request) ? new HubReply(200, weights) { Headers = new() { ["ETag"] = "\"same\"" }, ClaimedLength = weights.Length, DropAfter = hub.Requests.Count(IsWeights) < 3 ? 90_000 : null } : null;
        await Pull();
        RequireWhole();
        Assert.Equal([0, 90_000, 90_000], hub.Requests.Where(IsWeights).Select(request => request.From));
    }

    [Fact]
    public async Task Without_a_strong_etag_a_part_is_not_trusted()
    {
        Once(request => new HubReply(200, weights) { ClaimedLength = weights.Length, DropAfter = 90_000, Headers = new() { ["ETag"] = "W/\"weak\"" } });
        await Pull();
        RequireWhole();
        Assert.Equal([0, 0], hub.Requests.Where(IsWeights).Select(request => request.From));
    }

    [Fact]
    public async Task A_wrong_range_is_not_written_into_the_file()
    {
        var answers = 0;
        hub.Intercept = request => IsWeights(request) ? ++answers switch
        {
            1 => hub.Serve(request) with { ClaimedLength = weights.Length, DropAfter = 50_000 },
            2 => new HubReply(206, weights[10..]) { Headers = new() { ["Content-Range"] = $"bytes 10-{weights.Length - 1}/{weights.Length}" } },
            3 => HubReply.Text(416),
            _ => null,
        } : null;
        await Pull();
        RequireWhole();
    }

    [Theory]
    [InlineData(1_000_000, "the connection", true)]
    [InlineData(1_000, "1000 of 300000 bytes", true)]
    public async Task A_false_content_length_never_makes_a_short_file(long claimed, string reason, bool always)
    {
        hub.Intercept = request => always && IsWeights(request) ? new HubReply(200, weights[..1000]) { ClaimedLength = claimed } : null;
        var error = await Assert.ThrowsAsync<IOException>(() => Pull());
        Assert.Contains(reason, error.Message);
        Assert.False(File.Exists(Weights));
        Assert.Equal([1, 2, 4, 8, 16], waits.Select(wait => (int)wait.TotalSeconds));
    }

    [Fact]
    public async Task More_bytes_than_listed_are_refused()
    {
        hub.Intercept = request => IsWeights(request) ? new HubReply(200, [.. weights, 1]) : null;
        Assert.Contains("more than the 300000 bytes", (await Assert.ThrowsAsync<InvalidDataException>(() => Pull())).Message);
        Assert.Equal(["config.json"], Names);
    }

    [Theory]
    [InlineData("data/model #1.safetensors", "SHA-256")]
    [InlineData("config.json", "Git SHA-1")]
    public async Task A_wrong_checksum_leaves_nothing_behind(string name, string kind)
    {
        var wrong = hub.Files[name].ToArray();
        wrong[^2] ^= 1;
        hub.Intercept = request => Uri.UnescapeDataString(request.Path).EndsWith(name, StringComparison.Ordinal) ? new HubReply(200, wrong) : null;
        var error = await Assert.ThrowsAsync<InvalidDataException>(() => Pull());
        Assert.Contains($"{name}: its {kind} is", error.Message);
        Assert.DoesNotContain(Names, file => file.StartsWith(name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_damaged_part_is_replaced_once()
    {
        Once(request => hub.Serve(request) with { Body = new byte[weights.Length], ClaimedLength = weights.Length, DropAfter = 90_000 });
        await Pull();
        RequireWhole();
        Assert.Equal([0, 90_000, 0], hub.Requests.Where(IsWeights).Select(request => request.From));
    }

    [Fact]
    public async Task A_file_that_differs_from_the_hubs_is_fetched_again()
    {
        await Pull();
        File.AppendAllText(Path.Combine(Out, "config.json"), "edited");
        Assert.Equal(["config.json"], (await Pull()).Fetched);
        RequireWhole();
    }

    [Theory]
    [InlineData(429, true)]
    [InlineData(500, true)]
    [InlineData(503, true)]
    [InlineData(408, true)]
    [InlineData(404, false)]
    [InlineData(401, false)]
    [InlineData(403, false)]
    [InlineData(418, false)]
    public async Task What_may_pass_is_tried_again_and_what_will_not_is_said(int status, bool passes)
    {
        Once(_ => HubReply.Text(status) with { Headers = new() { ["Retry-After"] = "7" } });
        if (passes)
        {
            await Pull();
            RequireWhole();
            Assert.Equal([TimeSpan.FromSeconds(7)], waits);
            return;
        }
        var error = await Assert.ThrowsAnyAsync<Exception>(() => Pull());
        Assert.True(error is IOException or UnauthorizedAccessException, error.ToString());
        Assert.Contains($"status {status}", error.Message);
        if (status is 401 or 403) Assert.Contains("HF_TOKEN", error.Message);
        Assert.Empty(waits);
    }

    [Fact]
    public async Task A_token_goes_to_the_endpoint_and_not_to_where_it_redirects()
    {
        using var elsewhere = new LocalHub { Intercept = _ => new HubReply(200, weights) };
        token = "secret";
        hub.Intercept = request => IsWeights(request) ? HubReply.Text(302) with { Headers = new() { ["Location"] = new Uri(elsewhere.Endpoint, "/cdn/blob?signature=1").ToString() } } : null;
        await Pull();
        RequireWhole();
        Assert.All(hub.Requests, request => Assert.Equal("Bearer secret", request["Authorization"]));
        var there = Assert.Single(elsewhere.Requests);
        Assert.Equal("/cdn/blob?signature=1", there.Path);
        Assert.Null(there["Authorization"]);
    }

    [Fact]
    public async Task Redirects_in_a_circle_and_to_other_schemes_end()
    {
        foreach (var location in (string[])["/owner/name/resolve/c0ffee/data/model", "file:///etc/passwd"])
        {
            hub.Intercept = request => IsWeights(request) ? HubReply.Text(302) with { Headers = new() { ["Location"] = location } } : null;
            Assert.Contains("redirected", (await Assert.ThrowsAsync<IOException>(() => Pull())).Message);
        }
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("/etc/passwd")]
    [InlineData("a/../../b")]
    [InlineData("a//b")]
    [InlineData("C:\\windows")]
    [InlineData("a\\b")]
    [InlineData("nul\0")]
    [InlineData("")]
    [InlineData("config.json.part")]
    [InlineData("config.json.part.etag")]
    [InlineData("CONFIG.json")]
    public async Task A_name_that_leaves_the_folder_or_hides_a_part_is_refused_before_anything_is_written(string name)
    {
        hub.Listing = listing => listing["siblings"]!.AsArray().Add(new JsonObject { ["rfilename"] = name, ["size"] = 1 });
        await Assert.ThrowsAsync<InvalidDataException>(() => Pull());
        Assert.Empty(Directory.GetFileSystemEntries(root));
        Assert.Single(hub.Requests);
    }

    [Theory]
    [InlineData("<html>")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("{\"siblings\": 7}")]
    [InlineData("{\"siblings\": [{\"size\": 1}]}")]
    [InlineData("{\"siblings\": [{\"rfilename\": \"a\", \"size\": -1}]}")]
    [InlineData("{\"siblings\": [{\"rfilename\": \"a\", \"size\": 1e300}]}")]
    public async Task An_answer_that_is_no_listing_is_said_to_be_none(string answer)
    {
        hub.Intercept = _ => HubReply.Text(200, answer);
        Assert.Contains("--endpoint", (await Assert.ThrowsAsync<InvalidDataException>(() => Pull())).Message);
    }

    [Fact]
    public async Task A_data_set_is_found_by_its_prefix_or_where_there_is_no_model_of_that_name()
    {
        hub.ListingPath = "/api/datasets/owner/name/revision/main?blobs=true";
        hub.ResolvePath = "/datasets/owner/name/resolve/c0ffee/";
        foreach (var name in (string[])["datasets/owner/name", "owner/name"])
        {
            Assert.True((await Pull(name)).Repository.IsDataset);
            RequireWhole();
        }
        var missing = await Assert.ThrowsAsync<FileNotFoundException>(() => Pull("owner/other"));
        Assert.Contains("/api/models/owner/other", missing.Message);
    }

    [Fact]
    public async Task Patterns_choose_files_and_one_that_matches_none_shows_what_there_is()
    {
        Assert.Equal(["data/model #1.safetensors"], (await Pull(include: ["*.safetensors", "*.bin"])).Fetched);
        Assert.Equal(weights.Length, listed);
        Assert.Contains("config.json", (await Assert.ThrowsAsync<InvalidDataException>(() => Pull(include: ["*.gguf"]))).Message);
    }

    [Fact]
    public async Task A_disk_that_is_too_small_is_said_before_anything_is_fetched()
    {
        free = 1000;
        Assert.Contains("1,000 bytes left", (await Assert.ThrowsAsync<IOException>(() => Pull())).Message);
        Assert.Single(hub.Requests);
    }

    [Fact]
    public async Task A_hub_without_sizes_and_checksums_still_gives_whole_files_and_they_are_called_unverified()
    {
        hub.Listing = listing =>
        {
            listing.Remove("sha");
            foreach (var file in listing["siblings"]!.AsArray()) foreach (var key in (string[])["size", "blobId", "lfs"]) file!.AsObject().Remove(key);
        };
        hub.ResolvePath = "/owner/name/resolve/main/";
        Once(request => hub.Serve(request) with { ClaimedLength = weights.Length, DropAfter = 70_000 });
        Assert.Equal(3, (await Pull()).Unverified.Count);
        Assert.Equal(weights, File.ReadAllBytes(Weights));
    }

    [Theory]
    [InlineData("a/b/c")]
    [InlineData("../x")]
    [InlineData("a/..")]
    [InlineData("a b")]
    [InlineData("")]
    [InlineData("datasets/")]
    [InlineData("https://huggingface.co/a/b")]
    public void A_name_that_is_none_is_refused(string name) =>
        Assert.Contains("owner/name", Assert.Throws<InvalidDataException>(() => HubRepository.Parse(name, "main")).Message);
}

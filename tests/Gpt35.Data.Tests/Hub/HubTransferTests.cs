namespace Gpt35.Data.Tests;

/// <summary>Downloads from a hub that drops connections and changes its mind: what is continued, and what begins anew.</summary>
public sealed class HubTransferTests : HubTest
{
    [Fact]
    public async Task A_repository_arrives_whole_and_is_not_fetched_twice()
    {
        var first = await Pull();
        RequireWhole();
        Assert.Equal(("c0ffee", 3, 0, 0), (first.Repository.Revision, first.Fetched.Count, first.Present.Count, first.Unverified.Count));
        var before = Server.Requests.Count;
        var second = await Pull();
        Assert.Equal((0, 3), (second.Fetched.Count, second.Present.Count));
        Assert.Equal(before + 1, Server.Requests.Count);
        Assert.Empty(Waits);
    }

    [Fact]
    public async Task A_dropped_connection_is_continued_where_it_broke()
    {
        Once(request => Server.Serve(request) with { ClaimedLength = Content.Length, DropAfter = 100_000 });
        await Pull();
        RequireWhole();
        Assert.Equal([0, 100_000], Server.Requests.Where(IsWeights).Select(request => request.From));
        Assert.NotNull(Server.Requests.Last(IsWeights)["If-Range"]);
        Assert.Equal([TimeSpan.FromSeconds(1)], Waits);
    }

    [Fact]
    public async Task A_connection_that_drops_again_and_again_gets_there_as_long_as_it_gets_further()
    {
        Server.Intercept = request => IsWeights(request) && Server.Serve(request) is var whole && whole.Body.Length > 20_000 ? whole with { ClaimedLength = whole.Body.Length, DropAfter = 20_000 } : null;
        await Pull();
        RequireWhole();
        Assert.True(Waits.Count > 10);
        Assert.All(Waits, wait => Assert.Equal(TimeSpan.FromSeconds(1), wait));
    }

    [Fact]
    public async Task A_stopped_pull_goes_on_from_where_it_was()
    {
        using var stop = new CancellationTokenSource();
        Server.Intercept = request =>
        {
            if (!IsWeights(request)) return null;
            if (request.From == 0) return Server.Serve(request) with { ClaimedLength = Content.Length, DropAfter = 150_000 };
            stop.Cancel();
            return null;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Pull(cancel: stop.Token));
        Assert.False(File.Exists(Weights));
        Assert.True(File.Exists(Weights + ".part"));
        var before = Server.Requests.Count;
        await Pull();
        RequireWhole();
        Assert.InRange(Server.Requests.Skip(before).Single(IsWeights).From, 150_000, Content.Length - 1);
    }

    [Fact]
    public async Task A_part_of_an_earlier_run_is_continued_and_the_disk_needs_room_for_the_rest_only()
    {
        Server.Intercept = request => IsWeights(request) ? Server.Serve(request) is var whole && request.From == 0 ? whole with { ClaimedLength = whole.Body.Length, DropAfter = 120_000 } : HubReply.Text(503) : null;
        var error = await Assert.ThrowsAsync<IOException>(() => Pull());
        Assert.Contains("status 503, 6 times in a row", error.Message);
        Assert.Equal(120_000, new FileInfo(Weights + ".part").Length);
        Server.Intercept = _ => null;
        Free = Content.Length - 120_000;
        await Pull();
        RequireWhole();
        Assert.Equal(120_000, Server.Requests.Last(IsWeights).From);
    }

    [Fact]
    public async Task Content_that_changed_meanwhile_is_fetched_anew()
    {
        Once(request => Server.Serve(request) with { ClaimedLength = Content.Length, DropAfter = 50_000, Headers = new() { ["ETag"] = "\"older\"" } });
        await Pull();
        RequireWhole();
        Assert.Equal("\"older\"", Server.Requests.Last(IsWeights)["If-Range"]);
    }

    [Fact]
    public async Task A_server_that_ignores_if_range_is_caught_by_its_etag()
    {
        var answers = 0;
        Server.Intercept = request => IsWeights(request) ? ++answers switch
        {
            1 => Server.Serve(request) with { ClaimedLength = Content.Length, DropAfter = 50_000, Headers = new() { ["ETag"] = "\"older\"" } },
            2 => new HubReply(206, Content[50_000..]) { Headers = new() { ["ETag"] = "\"newer\"", ["Content-Range"] = $"bytes 50000-{Content.Length - 1}/{Content.Length}" } },
            _ => null,
        } : null;
        await Pull();
        RequireWhole();
        Assert.Equal([0, 50_000, 0], Server.Requests.Where(IsWeights).Select(request => request.From));
    }

    [Fact]
    public async Task A_server_that_ignores_ranges_sends_the_whole_again()
    {
        Server.Intercept = request => IsWeights(request) ? new HubReply(200, Content) { Headers = new() { ["ETag"] = "\"same\"" }, ClaimedLength = Content.Length, DropAfter = Server.Requests.Count(IsWeights) < 3 ? 90_000 : null } : null;
        await Pull();
        RequireWhole();
        Assert.Equal([0, 90_000, 90_000], Server.Requests.Where(IsWeights).Select(request => request.From));
    }

    [Fact]
    public async Task Without_a_strong_etag_a_part_is_not_trusted()
    {
        Once(request => new HubReply(200, Content) { ClaimedLength = Content.Length, DropAfter = 90_000, Headers = new() { ["ETag"] = "W/\"weak\"" } });
        await Pull();
        RequireWhole();
        Assert.Equal([0, 0], Server.Requests.Where(IsWeights).Select(request => request.From));
    }

    [Fact]
    public async Task A_wrong_range_is_not_written_into_the_file()
    {
        var answers = 0;
        Server.Intercept = request => IsWeights(request) ? ++answers switch
        {
            1 => Server.Serve(request) with { ClaimedLength = Content.Length, DropAfter = 50_000 },
            2 => new HubReply(206, Content[10..]) { Headers = new() { ["Content-Range"] = $"bytes 10-{Content.Length - 1}/{Content.Length}" } },
            3 => HubReply.Text(416),
            _ => null,
        } : null;
        await Pull();
        RequireWhole();
    }
}

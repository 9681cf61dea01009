using System.Text.Json.Nodes;

namespace Gpt35.Data.Tests;

/// <summary>What is asked of a hub and what it may answer: refusals, redirects, listings, names.</summary>
public sealed class HubRequestTests : HubTest
{
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
            Assert.Equal([TimeSpan.FromSeconds(7)], Waits);
            return;
        }
        var error = await Assert.ThrowsAnyAsync<Exception>(() => Pull());
        Assert.True(error is IOException or UnauthorizedAccessException, error.ToString());
        Assert.Contains($"status {status}", error.Message);
        if (status is 401 or 403) Assert.Contains("HF_TOKEN", error.Message);
        Assert.Empty(Waits);
    }

    [Fact]
    public async Task A_token_goes_to_the_endpoint_and_not_to_where_it_redirects()
    {
        using var elsewhere = new LocalHub { Intercept = _ => new HubReply(200, Content) };
        Token = "secret";
        Server.Intercept = request => IsWeights(request) ? HubReply.Text(302) with { Headers = new() { ["Location"] = new Uri(elsewhere.Endpoint, "/cdn/blob?signature=1").ToString() } } : null;
        await Pull();
        RequireWhole();
        Assert.All(Server.Requests, request => Assert.Equal("Bearer secret", request["Authorization"]));
        var there = Assert.Single(elsewhere.Requests);
        Assert.Equal("/cdn/blob?signature=1", there.Path);
        Assert.Null(there["Authorization"]);
    }

    [Fact]
    public async Task Redirects_in_a_circle_and_to_other_schemes_end()
    {
        foreach (var location in (string[])["/owner/name/resolve/c0ffee/data/model", "file:///etc/passwd"])
        {
            Server.Intercept = request => IsWeights(request) ? HubReply.Text(302) with { Headers = new() { ["Location"] = location } } : null;
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
        Server.Listing = listing => listing["siblings"]!.AsArray().Add(new JsonObject { ["rfilename"] = name, ["size"] = 1 });
        await Assert.ThrowsAsync<InvalidDataException>(() => Pull());
        Assert.Empty(Directory.GetFileSystemEntries(Root));
        Assert.Single(Server.Requests);
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
        Server.Intercept = _ => HubReply.Text(200, answer);
        Assert.Contains("--endpoint", (await Assert.ThrowsAsync<InvalidDataException>(() => Pull())).Message);
    }

    [Fact]
    public async Task A_data_set_is_found_by_its_prefix_or_where_there_is_no_model_of_that_name()
    {
        Server.ListingPath = "/api/datasets/owner/name/revision/main?blobs=true";
        Server.ResolvePath = "/datasets/owner/name/resolve/c0ffee/";
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
        Assert.Equal(Content.Length, Listed);
        Assert.Contains("config.json", (await Assert.ThrowsAsync<InvalidDataException>(() => Pull(include: ["*.gguf"]))).Message);
    }

    [Fact]
    public async Task A_disk_that_is_too_small_is_said_before_anything_is_fetched()
    {
        Free = 1000;
        Assert.Contains("1,000 bytes left", (await Assert.ThrowsAsync<IOException>(() => Pull())).Message);
        Assert.Single(Server.Requests);
    }

    [Fact]
    public async Task A_hub_without_sizes_and_checksums_still_gives_whole_files_and_they_are_called_unverified()
    {
        Server.Listing = listing =>
        {
            listing.Remove("sha");
            foreach (var file in listing["siblings"]!.AsArray()) foreach (var key in (string[])["size", "blobId", "lfs"]) file!.AsObject().Remove(key);
        };
        Server.ResolvePath = "/owner/name/resolve/main/";
        Once(request => Server.Serve(request) with { ClaimedLength = Content.Length, DropAfter = 70_000 });
        Assert.Equal(3, (await Pull()).Unverified.Count);
        Assert.Equal(Content, File.ReadAllBytes(Weights));
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

namespace Gpt35.Data.Tests;

/// <summary>Downloads from a hub whose lengths and checksums do not fit what it sends.</summary>
public sealed class HubContentTests : HubTest
{
    [Theory]
    [InlineData(1_000_000, "the connection", true)]
    [InlineData(1_000, "1000 of 300000 bytes", true)]
    public async Task A_false_content_length_never_makes_a_short_file(long claimed, string reason, bool always)
    {
        Server.Intercept = request => always && IsWeights(request) ? new HubReply(200, Content[..1000]) { ClaimedLength = claimed } : null;
        var error = await Assert.ThrowsAsync<IOException>(() => Pull());
        Assert.Contains(reason, error.Message);
        Assert.False(File.Exists(Weights));
        Assert.Equal([1, 2, 4, 8, 16], Waits.Select(wait => (int)wait.TotalSeconds));
    }

    [Fact]
    public async Task More_bytes_than_listed_are_refused()
    {
        Server.Intercept = request => IsWeights(request) ? new HubReply(200, [.. Content, 1]) : null;
        Assert.Contains("more than the 300000 bytes", (await Assert.ThrowsAsync<InvalidDataException>(() => Pull())).Message);
        Assert.Equal(["config.json"], Names);
    }

    [Theory]
    [InlineData("data/model #1.safetensors", "SHA-256")]
    [InlineData("config.json", "Git SHA-1")]
    public async Task A_wrong_checksum_leaves_nothing_behind(string name, string kind)
    {
        var wrong = Server.Files[name].ToArray();
        wrong[^2] ^= 1;
        Server.Intercept = request => Uri.UnescapeDataString(request.Path).EndsWith(name, StringComparison.Ordinal) ? new HubReply(200, wrong) : null;
        var error = await Assert.ThrowsAsync<InvalidDataException>(() => Pull());
        Assert.Contains($"{name}: its {kind} is", error.Message);
        Assert.DoesNotContain(Names, file => file.StartsWith(name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_damaged_part_is_replaced_once()
    {
        Once(request => Server.Serve(request) with { Body = new byte[Content.Length], ClaimedLength = Content.Length, DropAfter = 90_000 });
        await Pull();
        RequireWhole();
        Assert.Equal([0, 90_000, 0], Server.Requests.Where(IsWeights).Select(request => request.From));
    }

    [Fact]
    public async Task A_file_that_differs_from_the_hubs_is_fetched_again()
    {
        await Pull();
        File.AppendAllText(Path.Combine(Out, "config.json"), "edited");
        Assert.Equal(["config.json"], (await Pull()).Fetched);
        RequireWhole();
    }
}

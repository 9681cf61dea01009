using System.Text;
using Gpt35.Data.Tests;

namespace Gpt35.Cli.Tests;

public sealed class PullVerbTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly LocalHub hub = new();
    private readonly Terminal terminal = new();

    public PullVerbTests() => hub.Files["config.json"] = Encoding.UTF8.GetBytes("{}\n");

    public void Dispose()
    {
        terminal.Dispose();
        hub.Dispose();
        folder.Dispose();
    }

    private int Pull(params string[] more) => terminal.Run(["pull", "owner/name", "--endpoint", hub.Endpoint.ToString(), "--out", folder["out"], .. more]);

    [Fact]
    public void A_repository_is_fetched_into_the_folder_named()
    {
        Assert.Equal(0, Pull());
        Assert.Equal("{}\n", File.ReadAllText(folder["out/config.json"]));
        Assert.Contains("owner/name at c0ffee: 1 files fetched, 0 already there", terminal.Out);
    }

    [Fact]
    public void Ctrl_c_ends_with_130_and_says_how_to_go_on()
    {
        hub.Intercept = request =>
        {
            if (request.Path.Contains("/resolve/", StringComparison.Ordinal)) terminal.Session.Interrupts.Press();
            return null;
        };
        Assert.Equal(130, Pull());
        Assert.Contains("The same command goes on from there.", terminal.Error);
        Assert.False(File.Exists(folder["out/config.json"]));
    }

    [Theory]
    [InlineData("nowhere", "The endpoint is \"nowhere\"")]
    [InlineData("ftp://hub", "The endpoint is \"ftp://hub\"")]
    public void A_wrong_endpoint_is_said_to_be_none(string endpoint, string message)
    {
        Assert.Equal(2, terminal.Run("pull", "owner/name", "--endpoint", endpoint, "--out", folder["out"]));
        Assert.Contains(message, terminal.Error);
    }

    [Fact]
    public void What_the_hub_does_not_have_and_what_matches_nothing_are_the_users_to_correct()
    {
        Assert.Equal(2, Pull("--include", "*.gguf"));
        Assert.Contains("config.json", terminal.Error);
        Assert.Equal(2, Pull("--revision", "v2"));
        Assert.Contains("--revision", terminal.Error);
        Assert.False(Directory.Exists(folder["out"]));
    }
}

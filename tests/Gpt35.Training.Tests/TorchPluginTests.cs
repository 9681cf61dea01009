namespace Gpt35.Training.Tests;

public sealed class TorchPluginTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("gpt35-plugin-").FullName;

    [Fact]
    public void It_is_looked_for_beside_the_program_and_in_its_clone_and_where_one_says_only_there()
    {
        File.WriteAllText(Path.Combine(root, "Gpt35.slnx"), "");
        var program = Path.Combine(root, "src", "Gpt35.Cli", "bin", "Release", "net10.0") + Path.DirectorySeparatorChar;
        Assert.Equal([Path.Combine(program, "torch"), Path.Combine(root, "src", "Gpt35.Model.Torch", "bin", "Release", "net10.0")], TorchPlugin.Folders(program, null));
        Assert.Equal(["/opt/torch"], TorchPlugin.Folders(program, "/opt/torch"));
        Assert.Single(TorchPlugin.Folders(Path.GetTempPath(), ""));
    }

    [Fact]
    public void Where_it_is_not_built_the_message_says_how_to_get_it()
    {
        var error = Assert.Throws<InvalidDataException>(() => TorchPlugin.FindModel([root], Path.Combine(AppContext.BaseDirectory, "Gpt35.Model.dll")));
        foreach (var part in (string[])[root, "dotnet build src/Gpt35.Model.Torch -c Release", "GPT35_TORCH", "cpu backend"]) Assert.Contains(part, error.Message);
    }

    [Fact]
    public void A_build_of_other_sources_is_refused_before_it_runs()
    {
        foreach (var name in (string[])["Gpt35.Model.Torch.dll", "Gpt35.Model.dll"]) File.WriteAllText(Path.Combine(root, name), "another");
        var error = Assert.Throws<InvalidDataException>(() => TorchPlugin.FindModel([root], Path.Combine(AppContext.BaseDirectory, "Gpt35.Model.dll")));
        Assert.Contains("built from other sources", error.Message);
    }

    public void Dispose() => Directory.Delete(root, recursive: true);
}

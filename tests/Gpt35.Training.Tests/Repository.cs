namespace Gpt35.Training.Tests;

internal static class Repository
{
    /// <summary>The folder with the solution, found from where the test runs.</summary>
    public static string Root
    {
        get
        {
            var folder = new DirectoryInfo(AppContext.BaseDirectory);
            while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Gpt35.slnx"))) folder = folder.Parent;
            return folder?.FullName ?? throw new DirectoryNotFoundException("Gpt35.slnx is in no folder above the tests.");
        }
    }
}

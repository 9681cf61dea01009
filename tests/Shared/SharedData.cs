namespace Gpt35.Tests;

/// <summary>Real data sets, where a machine has them: the folder <c>shared/data</c> beside the repository or above it.</summary>
internal static class SharedData
{
    /// <summary>Path of a file under <c>shared/data</c>; where there is none, the calling test is skipped with a message.</summary>
    public static string Require(string relativePath)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "shared", "data", relativePath);
            if (File.Exists(path)) return path;
        }
        Assert.Skip($"shared/data/{relativePath} is not on this machine.");
        return "";
    }
}

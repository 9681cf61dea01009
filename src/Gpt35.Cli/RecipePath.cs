namespace Gpt35.Cli;

/// <summary>Recipes named on the command line.</summary>
internal static class RecipePath
{
    /// <summary>The file itself, or the one of that relative path that travels with the program.</summary>
    /// <exception cref="FileNotFoundException">There is neither.</exception>
    public static string Find(string path)
    {
        if (File.Exists(path)) return path;
        var shipped = Path.Combine(AppContext.BaseDirectory, path);
        return !Path.IsPathRooted(path) && File.Exists(shipped) ? shipped : InputFile.Require(path, "a recipe file (YAML)");
    }
}

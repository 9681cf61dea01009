namespace Gpt35.Cli;

/// <summary>Checks on files named on the command line, made before any work starts.</summary>
internal static class InputFile
{
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static string Require(string path, string expected) =>
        File.Exists(path) ? path
        : Directory.Exists(path) ? throw new FileNotFoundException($"{path} is a folder; expected {expected}.", path)
        : throw new FileNotFoundException($"{path}: no such file. Expected {expected}; the current folder is {Directory.GetCurrentDirectory()}.", path);
}

/// <summary>Folders that a command makes.</summary>
internal static class OutputFolder
{
    /// <summary>A folder to write a run into: it may exist, but hold nothing.</summary>
    /// <exception cref="IOException">It holds something already.</exception>
    public static string RequireEmpty(string path, string howToGoOn)
    {
        RequireName(path);
        if (File.Exists(path)) throw new IOException($"{path} is a file; expected the name of a folder to write into.");
        if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
            throw new IOException($"{path} exists and is not empty. Nothing was changed. {howToGoOn}");
        return path;
    }

    /// <summary>A folder that may hold other things, but not yet what is about to be written.</summary>
    /// <exception cref="IOException">It holds a file of that name already.</exception>
    public static string RequireNew(string path, string file)
    {
        RequireName(path);
        if (File.Exists(path)) throw new IOException($"{path} is a file; expected the name of a folder to write {file} into.");
        if (File.Exists(Path.Combine(path, file)))
            throw new IOException($"{Path.Combine(path, file)} exists. Nothing was changed. Choose another --out, or delete it first.");
        return path;
    }

    /// <exception cref="IOException">It is empty, as a shell makes it of a variable that is not set.</exception>
    private static void RequireName(string path)
    {
        if (string.IsNullOrWhiteSpace(path)) throw new IOException("--out is empty; expected the name of a folder to write into.");
    }
}

/// <summary>Files that a command makes.</summary>
internal static class OutputFile
{
    /// <summary>A file for rows, whose name says so: readers tell text from rows by it.</summary>
    /// <exception cref="IOException">There is something of that name already.</exception>
    /// <exception cref="InvalidDataException">The name does not end in .jsonl or .jsonl.gz.</exception>
    public static string RequireNewRows(string path) =>
        path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".jsonl.gz", StringComparison.OrdinalIgnoreCase)
            ? RequireNew(path)
            : throw new InvalidDataException($"{path}: found another ending; expected .jsonl or .jsonl.gz, because rows are written as JSON lines. Choose another name.");

    /// <exception cref="IOException">There is something of that name already.</exception>
    public static string RequireNew(string path)
    {
        if (Directory.Exists(path)) throw new IOException($"{path} is a folder; expected the name of a file to write.");
        if (File.Exists(path)) throw new IOException($"{path} exists. Nothing was changed. Choose another name, or delete it first.");
        return path;
    }
}

namespace Gpt35.Model;

/// <summary>Folders that appear whole or not at all.</summary>
public static class AtomicFolder
{
    /// <summary>
    /// Lets <paramref name="fill"/> write into a temporary folder beside <paramref name="path"/>, flushes it to the disk and renames it.
    /// A folder already there is replaced only after that; whatever goes wrong, one whole folder stays.
    /// </summary>
    public static void Write(string path, Action<string> fill)
    {
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        var temporary = $"{path}.{Environment.ProcessId}.tmp";
        if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        Directory.CreateDirectory(temporary);
        try
        {
            fill(temporary);
            foreach (var file in Directory.EnumerateFiles(temporary, "*", SearchOption.AllDirectories)) FlushToDisk(file);
            if (!Directory.Exists(path))
            {
                Directory.Move(temporary, path);
                return;
            }
            var old = $"{path}.{Environment.ProcessId}.old";
            if (Directory.Exists(old)) Directory.Delete(old, recursive: true);
            Directory.Move(path, old);
            Directory.Move(temporary, path);
            Directory.Delete(old, recursive: true);
        }
        catch
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            throw;
        }
    }

    private static void FlushToDisk(string file)
    {
        using var handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(handle);
    }
}

using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Gpt35.Model;

/// <summary>Folders that appear whole or not at all, whenever the process is killed or the power fails.</summary>
public static partial class AtomicFolder
{
    /// <summary>
    /// Lets <paramref name="fill"/> write into a temporary folder beside <paramref name="path"/>, flushes it to the disk and renames it.
    /// A folder already there is replaced only after that; whatever goes wrong, one whole folder stays.
    /// </summary>
    public static void Write(string path, Action<string> fill)
    {
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        var temporary = Beside(path, "tmp");
        if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        Directory.CreateDirectory(temporary);
        try
        {
            fill(temporary);
            foreach (var file in Directory.EnumerateFiles(temporary, "*", SearchOption.AllDirectories)) FlushFile(file);
            foreach (var folder in Directory.EnumerateDirectories(temporary, "*", SearchOption.AllDirectories)) FlushFolder(folder);
            FlushFolder(temporary);
            Rename(temporary, path);
            FlushFolder(Path.GetDirectoryName(path)!);
        }
        catch
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            throw;
        }
    }

    /// <summary>Deletes a folder so that no half of it is ever seen under its name.</summary>
    public static void Delete(string path)
    {
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        var temporary = Beside(path, "tmp");
        if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        Directory.Move(path, temporary);
        Directory.Delete(temporary, recursive: true);
    }

    /// <summary>
    /// Mends what a killed process left directly in <paramref name="folder"/>: temporary files and folders are deleted, and a folder that was
    /// moved aside and not yet replaced gets its name back. No other process may be writing there.
    /// </summary>
    public static void Recover(string folder)
    {
        if (!Directory.Exists(folder)) return;
        foreach (var left in Directory.EnumerateFileSystemEntries(folder).ToList())
        {
            if (Leftover().Match(Path.GetFileName(left)) is not { Success: true } match) continue;
            var owner = Path.Combine(folder, match.Groups["owner"].Value);
            if (File.Exists(left)) File.Delete(left);
            // The owner of a nested leftover is itself a temporary folder, which nobody wants back.
            else if (match.Groups["kind"].Value == "old" && !Directory.Exists(owner) && !Leftover().IsMatch(Path.GetFileName(owner))) Directory.Move(left, owner);
            else Directory.Delete(left, recursive: true);
        }
    }

    /// <summary>Gives a folder its name back that a killed process had moved aside and not yet replaced.</summary>
    public static void Restore(string path)
    {
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (Directory.Exists(path) || Path.GetDirectoryName(path) is not { } parent || !Directory.Exists(parent)) return;
        var name = Path.GetFileName(path);
        foreach (var left in Directory.EnumerateDirectories(parent, $"{name}.*.old"))
        {
            if (Leftover().Match(Path.GetFileName(left)) is not { Success: true } match || match.Groups["owner"].Value != name) continue;
            Directory.Move(left, path);
            return;
        }
    }

    /// <summary>Makes the names in a folder last through a power failure (fsync of the folder; Windows does so by itself).</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        var file = Open(folder, 0);
        if (file < 0) throw new IOException($"{folder}: cannot be opened to flush it to the disk (error {Marshal.GetLastPInvokeError()}).");
        try
        {
            if (Fsync(file) != 0 && Marshal.GetLastPInvokeError() is var error and not InvalidArgument)     // EINVAL: a file system without it
                throw new IOException($"{folder}: flushing it to the disk failed: {Marshal.GetPInvokeErrorMessage(error)}.");
        }
        finally
        {
            _ = Close(file);
        }
    }

    private const int InvalidArgument = 22, CurrentFolder = -100;
    private const uint Exchange = 2;

    private static string Beside(string path, string kind) => $"{path}.{Environment.ProcessId}.{kind}";

    /// <summary>
    /// Moves <paramref name="temporary"/> to <paramref name="path"/>. Linux can exchange two folders at once; elsewhere the old one steps aside
    /// first, and <see cref="Recover"/> or <see cref="Restore"/> mend it when the process dies in between.
    /// </summary>
    private static void Rename(string temporary, string path)
    {
        if (!Directory.Exists(path))
        {
            Directory.Move(temporary, path);
            return;
        }
        if (OperatingSystem.IsLinux() && TryExchange(temporary, path))
        {
            Directory.Delete(temporary, recursive: true);
            return;
        }
        var old = Beside(path, "old");
        if (Directory.Exists(old)) Directory.Delete(old, recursive: true);
        Directory.Move(path, old);
        Directory.Move(temporary, path);
        Directory.Delete(old, recursive: true);
    }

    private static bool TryExchange(string one, string other)
    {
        try
        {
            return RenameAt(CurrentFolder, one, CurrentFolder, other, Exchange) == 0;
        }
        catch (EntryPointNotFoundException)
        {
            return false;                                    // a C library without renameat2
        }
    }

    private static void FlushFile(string file)
    {
        using var handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(handle);
    }

    /// <summary>What <see cref="Write"/> and Gpt35.Data.AtomicFile call their temporaries: name.PID.tmp, name.PID-N.tmp, name.PID.old.</summary>
    [GeneratedRegex(@"^(?<owner>.+?)\.\d+(-\d+)?\.(?<kind>tmp|old)$")]
    private static partial Regex Leftover();

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);
}

namespace Gpt35.Data;

/// <summary>Writes a file so that its final name never shows less than all of it: temporary file beside it, fsync, rename.</summary>
public static class AtomicFile
{
    private static int written;

    /// <summary>Makes the folder where it does not exist. When <paramref name="write"/> throws, whatever stood under the name before still does.</summary>
    public static void Write(string path, Action<Stream> write)
    {
        var full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        var temporary = $"{full}.{Environment.ProcessId}-{Interlocked.Increment(ref written)}.tmp";
        try
        {
            using (var stream = File.Create(temporary, bufferSize: 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, full, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}

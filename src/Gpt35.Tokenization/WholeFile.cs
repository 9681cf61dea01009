namespace Gpt35.Tokenization;

/// <summary>Files that appear under their name when they are complete: temporary file, fsync, rename.</summary>
public static class WholeFile
{
    /// <summary>Makes the folder where it does not exist. When <paramref name="write"/> throws, whatever stood under the name before still does.</summary>
    public static void Write(string file, Action<Stream> write)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        var temporary = file + ".tmp";
        try
        {
            using (var stream = File.Create(temporary))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, file, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}

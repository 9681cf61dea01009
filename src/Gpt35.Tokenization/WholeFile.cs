namespace Gpt35.Tokenization;

/// <summary>Files that appear under their name when they are complete: temporary file, fsync, rename.</summary>
public static class WholeFile
{
    /// <summary>When <paramref name="write"/> throws, whatever stood under the name before still does.</summary>
    public static void Write(string file, Action<Stream> write)
    {
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

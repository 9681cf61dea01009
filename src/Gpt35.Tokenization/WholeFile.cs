namespace Gpt35.Tokenization;

/// <summary>Files that appear under their name when they are complete: temporary file, fsync, rename.</summary>
internal static class WholeFile
{
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

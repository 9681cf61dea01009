using System.IO.Compression;
using System.Text;

namespace Gpt35.Data;

/// <summary>A UTF-8 text file, gzip-compressed or not, read forwards with its line number at hand.</summary>
internal sealed class DataFile : IDisposable
{
    private readonly string path;
    private readonly StreamReader reader;

    // Without this, .NET takes a truncated gzip stream for a complete one and the missing rows go unnoticed.
    static DataFile() => AppContext.SetSwitch("System.IO.Compression.UseStrictValidation", true);

    private DataFile(string path, Stream stream)
    {
        this.path = path;
        reader = new StreamReader(stream, new UTF8Encoding(false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: true, bufferSize: 1 << 16);
    }

    /// <summary>Line of the character or line that is read next, from 1.</summary>
    public int NextLine { get; private set; } = 1;

    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static void Require(string path)
    {
        if (File.Exists(path)) return;
        throw new FileNotFoundException(
            Directory.Exists(path)
                ? $"{path} is a folder; expected a data file (.jsonl, .json or .txt, each may end in .gz). Name one of its files."
                : $"{path}: no such file; expected a data file (.jsonl, .json or .txt, each may end in .gz). Check the path.", path);
    }

    /// <summary>Whether the name says plain text; everything else is JSON rows.</summary>
    public static bool IsPlainText(string path)
    {
        var name = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? path[..^3] : path;
        return name.EndsWith(".txt", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Opens a file; whether it is compressed is told by its first two bytes (RFC 1952), not by its name.</summary>
    public static DataFile Open(string path)
    {
        Require(path);
        var stream = File.OpenRead(path);
        var compressed = stream.ReadByte() == 0x1f && stream.ReadByte() == 0x8b;
        stream.Position = 0;
        return new DataFile(path, compressed ? new GZipStream(stream, CompressionMode.Decompress) : stream);
    }

    /// <summary>The next line without its end, or null at the end of the file.</summary>
    public string? ReadLine()
    {
        try
        {
            var line = reader.ReadLine();
            if (line is not null) NextLine++;
            return line;
        }
        catch (Exception error) when (Explain(error) is { } explained) { throw explained; }
    }

    /// <summary>The next character, or −1 at the end of the file.</summary>
    public int Read()
    {
        try
        {
            var character = reader.Read();
            if (character == '\n') NextLine++;
            return character;
        }
        catch (Exception error) when (Explain(error) is { } explained) { throw explained; }
    }

    public void Dispose() => reader.Dispose();

    // The reader decodes ahead in blocks, so the line is a lower bound.
    private InvalidDataException? Explain(Exception error) => error switch
    {
        DecoderFallbackException => new($"{path}:{NextLine}: found bytes that are not UTF-8, on this line or after it; expected UTF-8 text. Convert the file, for example with iconv.", error),
        InvalidDataException => new($"{path}:{NextLine}: found a damaged gzip stream ({error.Message}); expected the whole compressed file. Fetch it again.", error),
        _ => null,
    };
}

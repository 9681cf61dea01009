using System.Buffers;
using System.IO.Compression;
using System.Text;
using System.Text.Unicode;
using ZstdSharp;

namespace Gpt35.Data;

/// <summary>A UTF-8 text file, plain or compressed with gzip or Zstandard, read forwards with its line number at hand.</summary>
internal sealed class DataFile : IDisposable
{
    /// <summary>Characters that one row or document may have. A file that has lost its line ends, or unpacks to gigabytes of one line, must not fill the memory.</summary>
    public const int RowLimit = 1 << 26;

    private readonly string path;
    private readonly Stream stream;
    private readonly byte[] bytes = new byte[1 << 16];
    private readonly char[] characters = new char[1 << 16];
    private int undecoded;                    // bytes of a code point whose end has not been read yet
    private int next, end;                    // what is left in `characters`
    private Func<Exception>? fault;           // what is wrong with the bytes after those characters

    // Without this, .NET takes a truncated gzip stream for a complete one and the missing rows go unnoticed.
    static DataFile() => AppContext.SetSwitch("System.IO.Compression.UseStrictValidation", true);

    private DataFile(string path, Stream stream)
    {
        this.path = path;
        this.stream = stream;
        Fill();
        if (end > 0 && characters[0] == '\uFEFF') next = 1;
    }

    /// <summary>Line of the character or line that is read next, from 1.</summary>
    public long NextLine { get; private set; } = 1;

    /// <summary>Opens a file; whether it is compressed is told by its first bytes, and its name must not say otherwise.</summary>
    public static DataFile Open(string path)
    {
        DataFormats.Require(path);
        var stream = File.OpenRead(path);
        try
        {
            return new DataFile(path, DataFormats.CompressionOf(path, DataFormats.Start(path)) switch
            {
                Compression.Gzip => new GZipStream(stream, CompressionMode.Decompress),
                Compression.Zstandard => new DecompressionStream(stream, leaveOpen: false),
                _ => stream,
            });
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The next line without its end, or null at the end of the file.</summary>
    public string? ReadLine()
    {
        if (next == end && !Fill()) return null;
        StringBuilder? begun = null;
        while (true)
        {
            var rest = characters.AsSpan(next, end - next);
            if (rest.IndexOfAny('\n', '\r') is >= 0 and var length)
            {
                var line = begun is null ? new string(rest[..length]) : begun.Append(rest[..length]).ToString();
                next += length + 1;
                if (rest[length] == '\r' && (next < end || Fill()) && characters[next] == '\n') next++;
                NextLine++;
                return line;
            }
            (begun ??= new StringBuilder()).Append(rest);
            if (begun.Length > RowLimit) throw TooLong(NextLine);
            if (Fill()) continue;
            NextLine++;
            return begun.ToString();
        }
    }

    /// <summary>The next character, or −1 at the end of the file.</summary>
    public int Read()
    {
        if (next == end && !Fill()) return -1;
        var character = characters[next++];
        if (character == '\n') NextLine++;
        return character;
    }

    /// <summary>Some of the next characters; 0 at the end of the file.</summary>
    public int Read(Span<char> into)
    {
        if (into.IsEmpty || (next == end && !Fill())) return 0;
        var count = Math.Min(into.Length, end - next);
        characters.AsSpan(next, count).CopyTo(into);
        next += count;
        NextLine += into[..count].Count('\n');
        return count;
    }

    public void Dispose() => stream.Dispose();

    /// <summary>What to say of a row or document that passes <see cref="RowLimit"/>.</summary>
    public InvalidDataException TooLong(long line) =>
        new($"{path}:{line}: found a row of more than {RowLimit:N0} characters; expected rows that fit into memory. Check that the file has its line ends.");

    /// <summary>Decodes the next block. What is wrong with the file is thrown only when everything before it has been read, so that the line is the right one.</summary>
    private bool Fill()
    {
        next = end = 0;
        if (fault is not null) throw fault();
        while (end == 0)
        {
            var read = ReadBytes();
            if (fault is not null) break;
            var available = undecoded + read;
            if (available == 0) return false;
            var status = Utf8.ToUtf16(bytes.AsSpan(0, available), characters, out var decoded, out end, replaceInvalidSequences: false, isFinalBlock: read == 0);
            if (status == OperationStatus.InvalidData)
                fault = () => new InvalidDataException($"{path}:{NextLine}: found bytes that are not UTF-8; expected UTF-8 text. Convert the file, for example with iconv.");
            undecoded = available - decoded;
            bytes.AsSpan(decoded, undecoded).CopyTo(bytes);
            if (fault is not null) break;
        }
        return end > 0 ? true : throw fault!();
    }

    private int ReadBytes()
    {
        try
        {
            return stream.Read(bytes, undecoded, bytes.Length - undecoded);
        }
        catch (Exception error) when (error is InvalidDataException or ZstdException or EndOfStreamException)
        {
            fault = () => new InvalidDataException($"{path}:{NextLine}: found a damaged {(stream is GZipStream ? "gzip" : "Zstandard")} stream ({error.Message.TrimEnd('.')}); expected the whole compressed file. Fetch it again.", error);
            return 0;
        }
    }
}

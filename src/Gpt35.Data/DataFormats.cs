namespace Gpt35.Data;

/// <summary>How a data file is written.</summary>
internal enum DataFormat { PlainText, Json, Csv, Tsv, Parquet }

/// <summary>How a text file is packed.</summary>
internal enum Compression { None, Gzip, Zstandard }

/// <summary>Tells by its name and its first bytes how a data file is written.</summary>
internal static class DataFormats
{
    /// <summary>Every kind of data file, for messages and help texts.</summary>
    public const string Names = ".txt, .jsonl, .json, .csv or .tsv, each also with .gz or .zst, or .parquet";

    private static readonly (byte[] Start, string Name)[] Foreign =
    [
        ("PK\x03\x04"u8.ToArray(), "a zip archive (.zip, .xlsx)"),
        ("BZh"u8.ToArray(), "a bzip2 file"),
        ([0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z'], "an xz file"),
        ("ARROW1"u8.ToArray(), "an Arrow file"),
        ([0xFF, 0xFE], "UTF-16 text"),
        ([0xFE, 0xFF], "UTF-16 text"),
    ];

    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static void Require(string path)
    {
        if (File.Exists(path)) return;
        throw new FileNotFoundException(
            Directory.Exists(path)
                ? $"{path} is a folder; expected a data file ({Names}). Name one of its files."
                : $"{path}: no such file; expected a data file ({Names}). Check the path.", path);
    }

    /// <summary>Whether the name says plain text.</summary>
    public static bool IsPlainText(string path) => Extension(path) == ".txt";

    /// <summary>How the rows are written: the name tells, except for Parquet, which its first bytes tell. A name that says nothing means JSON.</summary>
    public static DataFormat Of(string path)
    {
        var start = Start(path);
        if (start.StartsWith("PAR1"u8)) return DataFormat.Parquet;
        switch (Extension(path))
        {
            case ".txt": return DataFormat.PlainText;
            case ".csv": return DataFormat.Csv;
            case ".tsv": return DataFormat.Tsv;
            case ".parquet" when CompressionOf(path, start) != Compression.None:
                throw new InvalidDataException($"{path}: found a compressed file; expected Parquet, which is compressed within. Unpack it first.");
            case ".parquet":
                throw new InvalidDataException($"{path}: found a file that does not begin as Parquet files do (\"PAR1\"); expected Parquet. Fetch it again, or name it by what it is.");
            default: return DataFormat.Json;
        }
    }

    /// <summary>The first bytes of a file, eight or fewer.</summary>
    public static ReadOnlySpan<byte> Start(string path)
    {
        using var stream = File.OpenRead(path);
        if (!stream.CanSeek) throw new InvalidDataException($"{path}: found a pipe or a device; expected a file, which can be read more than once. Save it to a file first.");
        var start = new byte[8];
        return start.AsSpan(0, stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false));
    }

    /// <summary>How a text file is packed.</summary>
    /// <exception cref="InvalidDataException">It is a file of another kind, or not what its name says.</exception>
    public static Compression CompressionOf(string path, ReadOnlySpan<byte> start)
    {
        if (start.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B])) return Compression.Gzip;                    // RFC 1952
        if (start.StartsWith((ReadOnlySpan<byte>)[0x28, 0xB5, 0x2F, 0xFD])) return Compression.Zstandard;   // RFC 8878
        foreach (var (bytes, name) in Foreign)
            if (start.StartsWith(bytes)) throw new InvalidDataException($"{path}: found {name}; expected UTF-8 text, plain or packed with gzip or Zstandard. Unpack or convert it first.");
        if (start.StartsWith("PAR1"u8)) throw new InvalidDataException($"{path}: found a Parquet file; expected text. Name it .parquet.");
        if (!start.IsEmpty && PackedExtension(path) is { Length: > 0 } packed)
            throw new InvalidDataException($"{path}: found a file that is not packed as \"{packed}\" says; expected gzip or Zstandard. Fetch it again, or name it by what it is.");
        return Compression.None;
    }

    private static string Extension(string path) => Path.GetExtension(path[..^PackedExtension(path).Length]).ToLowerInvariant();

    private static string PackedExtension(string path) => Path.GetExtension(path).ToLowerInvariant() is ".gz" or ".zst" ? Path.GetExtension(path) : "";
}

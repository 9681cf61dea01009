using System.IO.Compression;
using System.Text;
using ZstdSharp;

namespace Gpt35.Data.Tests;

/// <summary>A folder of its own for one test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("gpt35-data-");

    public string Path(string name) => System.IO.Path.Combine(folder.FullName, name);

    public string File(string name, string content) => File(name, Encoding.UTF8.GetBytes(content));

    public string File(string name, byte[] content)
    {
        using var stream = System.IO.File.Create(Path(name));
        if (name.EndsWith(".gz", StringComparison.OrdinalIgnoreCase))
        {
            using var gzip = new GZipStream(stream, CompressionLevel.Fastest);
            gzip.Write(content);
        }
        else if (name.EndsWith(".zst", StringComparison.Ordinal))
        {
            using var zstandard = new CompressionStream(stream);
            zstandard.SetParameter(ZstdSharp.Unsafe.ZSTD_cParameter.ZSTD_c_checksumFlag, 1);     // as the zstd command does
            zstandard.Write(content);
        }
        else stream.Write(content);
        return Path(name);
    }

    public string[] Names => [.. folder.GetFiles().Select(file => file.Name)];

    public void Dispose() => folder.Delete(recursive: true);
}

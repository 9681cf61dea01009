using System.IO.MemoryMappedFiles;

namespace Gpt35.Model;

/// <summary>A file mapped into memory for reading; no byte is read before it is looked at.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? file;
    private readonly MemoryMappedViewAccessor? view;
    private readonly byte* start;

    /// <exception cref="IOException">The file is not there or cannot be read.</exception>
    public MappedFile(string path)
    {
        Path = path;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        Length = stream.Length;
        if (Length == 0) return;                                            // an empty file cannot be mapped
        file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        view = file.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
    }

    public string Path { get; }
    public long Length { get; }

    /// <summary>Bytes of the file; the range must lie within it. Valid until this is disposed.</summary>
    public ReadOnlySpan<byte> Bytes(long offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - offset);
        ObjectDisposedException.ThrowIf(view is { CanRead: false }, this);
        return new ReadOnlySpan<byte>(start + offset, count);
    }

    public void Dispose()
    {
        if (view is { CanRead: true }) view.SafeMemoryMappedViewHandle.ReleasePointer();
        view?.Dispose();
        file?.Dispose();
    }
}

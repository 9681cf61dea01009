using System.Runtime.InteropServices;

namespace Gpt35.Kernels;

/// <summary>Zeroed memory outside the managed heap, aligned to a cache line, in huge pages where the system gives them.</summary>
public sealed unsafe class NativeBuffer<T> : IDisposable where T : unmanaged
{
    private T* pointer;

    /// <param name="length">Elements; may be 0.</param>
    public NativeBuffer(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length;
        pointer = (T*)NativePages.Allocate(checked((nuint)length * (nuint)sizeof(T)));
    }

    ~NativeBuffer() => Free();

    /// <summary>First element, 64-byte aligned. Keep the buffer itself reachable while using it.</summary>
    public T* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(pointer == null, this);
            return pointer;
        }
    }

    public long Length { get; }

    /// <summary>All elements; for buffers of at most int.MaxValue of them.</summary>
    public Span<T> Span => new(Pointer, checked((int)Length));

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(pointer);
        pointer = null;
    }
}

internal static unsafe partial class NativePages
{
    private const nuint CacheLine = 64, HugePage = 2 << 20;
    private const int AdviseHugePage = 14;

    internal static void* Allocate(nuint bytes)
    {
        var alignment = bytes >= HugePage ? HugePage : CacheLine;
        var rounded = checked(Math.Max(bytes, 1) + alignment - 1) / alignment * alignment;
        var pointer = NativeMemory.AlignedAlloc(rounded, alignment);
        // Before the first touch, so that the pages come huge; a refusal costs speed only.
        if (alignment == HugePage && OperatingSystem.IsLinux()) _ = Advise(pointer, rounded, AdviseHugePage);
        NativeMemory.Clear(pointer, rounded);
        return pointer;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* start, nuint length, int advice);
}

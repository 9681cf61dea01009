namespace Gpt35.Kernels;

/// <summary>Memory for many things that live and end together, side by side in huge pages; each of them alone would lie in small ones, where a walk through weights spends a tenth of its time on the page tables.</summary>
public sealed unsafe class NativeArena : IDisposable
{
    private const long CacheLine = 64;

    private readonly NativeBuffer<byte> memory;
    private long taken;

    /// <param name="bytes">The sum of <see cref="BytesOf"/> over all that will be taken.</param>
    public NativeArena(long bytes) => memory = new NativeBuffer<byte>(bytes);

    /// <summary>What something of that size takes up, in whole cache lines.</summary>
    public static long BytesOf(long bytes) => (bytes + CacheLine - 1) / CacheLine * CacheLine;

    /// <summary>The next piece, of zeros.</summary>
    /// <exception cref="InvalidOperationException">The arena is used up.</exception>
    internal Piece<T> Take<T>(long length) where T : unmanaged
    {
        long first = taken, bytes = BytesOf(checked(length * sizeof(T)));
        if (first + bytes > memory.Length) throw new InvalidOperationException($"The arena of {memory.Length} bytes has {memory.Length - first} left; {bytes} are asked for.");
        taken += bytes;
        return new Piece<T>(memory, first, length);
    }

    public void Dispose() => memory.Dispose();

    /// <summary>A piece of an arena; its pointer is refused once the arena was disposed of.</summary>
    internal readonly record struct Piece<T>(NativeBuffer<byte> Memory, long First, long Length) where T : unmanaged
    {
        internal T* Pointer => (T*)(Memory.Pointer + First);
    }
}

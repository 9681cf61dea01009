using System.Runtime.InteropServices;

namespace Gpt35.Kernels;

/// <summary>Memory with instructions in it: written first, then made executable and no longer writable. Linux; it lives as long as the process.</summary>
internal static unsafe partial class ExecutableMemory
{
    private const int Read = 1, Write = 2, Execute = 4, Private = 2, Anonymous = 0x20;

    /// <summary>The address of the code; null where the system refuses such memory.</summary>
    public static void* Create(ReadOnlySpan<byte> code)
    {
        if (!OperatingSystem.IsLinux()) return null;
        var memory = Map(null, (nuint)code.Length, Read | Write, Private | Anonymous, -1, 0);
        if (memory == (void*)-1) return null;
        code.CopyTo(new Span<byte>(memory, code.Length));
        if (Protect(memory, (nuint)code.Length, Read | Execute) == 0) return memory;
        _ = Unmap(memory, (nuint)code.Length);
        return null;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial void* Map(void* at, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(void* memory, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(void* memory, nuint length);
}

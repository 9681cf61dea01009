using Xunit;

namespace Gpt35.Kernels.Tests;

public unsafe class NativeArenaTests
{
    [Fact]
    public void Pieces_are_zero_begin_with_a_cache_line_and_share_nothing()
    {
        using var arena = new NativeArena(NativeArena.BytesOf(3) + NativeArena.BytesOf(100 * sizeof(ushort)) + NativeArena.BytesOf(1));
        var (first, second, third) = (arena.Take<byte>(3), arena.Take<ushort>(100), arena.Take<byte>(1));
        new Span<byte>(first.Pointer, 3).Fill(1);
        new Span<ushort>(second.Pointer, 100).Fill(2);
        Assert.Equal(0, *third.Pointer);
        Assert.Equal([1, 1, 1], new Span<byte>(first.Pointer, 3).ToArray());
        Assert.All((nint[])[(nint)first.Pointer, (nint)second.Pointer, (nint)third.Pointer], pointer => Assert.Equal(0, pointer % 64));
    }

    [Fact]
    public void More_than_there_is_and_memory_that_was_freed_are_refused()
    {
        var arena = new NativeArena(NativeArena.BytesOf(64));
        var piece = arena.Take<float>(16);
        Assert.Throws<InvalidOperationException>(() => arena.Take<byte>(1));
        arena.Dispose();
        Assert.Throws<ObjectDisposedException>(() => (nint)piece.Pointer);
    }
}

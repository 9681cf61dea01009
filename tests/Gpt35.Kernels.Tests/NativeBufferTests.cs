namespace Gpt35.Kernels.Tests;

public sealed unsafe class NativeBufferTests
{
    [Theory, InlineData(0), InlineData(1), InlineData(17), InlineData(100_000), InlineData(3_000_000)]
    public void Memory_is_aligned_zeroed_and_writable_to_the_end(int length)
    {
        using var buffer = new NativeBuffer<int>(length);
        Assert.Equal(0, (long)buffer.Pointer % 64);
        Assert.Equal(length, buffer.Span.Length);
        Assert.False(buffer.Span.ContainsAnyExcept(0));
        buffer.Span.Fill(7);
        Assert.False(buffer.Span.ContainsAnyExcept(7));
    }

    [Fact]
    public void Disposing_twice_is_harmless_and_use_after_it_is_refused()
    {
        var buffer = new NativeBuffer<float>(10);
        buffer.Dispose();
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => buffer.Span.Length);
    }

    [Fact]
    public void A_negative_length_is_refused() => Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBuffer<float>(-1));
}

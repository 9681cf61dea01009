using System.Globalization;

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
    public void Large_memory_is_advised_to_come_in_huge_pages()
    {
        Assert.SkipUnless(File.Exists("/sys/kernel/mm/transparent_hugepage/enabled") && File.Exists("/proc/self/smaps"), "needs Linux with transparent huge pages");
        using var buffer = new NativeBuffer<float>(4 << 20);
        Assert.Equal(0, (long)buffer.Pointer % (2 << 20));
        var (first, last) = ((ulong)buffer.Pointer, (ulong)(buffer.Pointer + buffer.Length) - 1);
        Assert.Contains("hg", FlagsAt(first));
        Assert.Contains("hg", FlagsAt(last));

        // What the kernel notes of the region that holds an address; "hg" is MADV_HUGEPAGE (proc_pid_smaps(5)).
        static string[] FlagsAt(ulong address)
        {
            var inside = false;
            foreach (var line in File.ReadLines("/proc/self/smaps"))
            {
                var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (words[0].Contains('-'))
                {
                    ulong[] ends = [.. words[0].Split('-').Select(end => ulong.Parse(end, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
                    inside = ends[0] <= address && address < ends[1];
                }
                if (inside && words[0] == "VmFlags:") return words[1..];
            }
            return [];
        }
    }

    [Fact]
    public void A_negative_length_is_refused() => Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBuffer<float>(-1));
}

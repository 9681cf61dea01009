using System.Buffers;

namespace Gpt35.Tokenization;

/// <summary>A growing list of ids in pooled memory.</summary>
internal ref struct IdBuffer(int capacity)
{
    private int[] ids = ArrayPool<int>.Shared.Rent(Math.Max(16, capacity));
    private int count;

    public readonly int Count => count;

    public readonly int this[int index] => ids[index];

    public void Add(int id)
    {
        var at = count;
        if ((uint)at >= (uint)ids.Length) Grow(1);
        ids[at] = id;
        count = at + 1;
    }

    public void Add(scoped ReadOnlySpan<int> more)
    {
        if (more.Length > ids.Length - count) Grow(more.Length);
        more.CopyTo(ids.AsSpan(count));
        count += more.Length;
    }

    /// <summary>
    /// Appends <paramref name="length"/> ids from <paramref name="start"/> on, some of which may have been truncated: their memory is as it was left.
    /// </summary>
    public void Repeat(int start, int length)
    {
        if (length > ids.Length - count) Grow(length);
        ids.AsSpan(start, length).CopyTo(ids.AsSpan(count));
        count += length;
    }

    public void Truncate(int length) => count = length;

    public readonly ReadOnlySpan<int> From(int start) => ids.AsSpan(start, count - start);

    public readonly int[] ToArray()
    {
        var result = GC.AllocateUninitializedArray<int>(count);
        From(0).CopyTo(result);
        return result;
    }

    public void Dispose()
    {
        ArrayPool<int>.Shared.Return(ids);
        ids = [];
        count = 0;
    }

    private void Grow(int more)
    {
        var larger = ArrayPool<int>.Shared.Rent((int)Math.Min(Array.MaxLength, Math.Max(2L * ids.Length, (long)count + more)));
        ids.AsSpan().CopyTo(larger);                                         // all of it: what was truncated may be repeated
        ArrayPool<int>.Shared.Return(ids);
        ids = larger;
    }
}

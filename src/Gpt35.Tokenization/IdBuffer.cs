using System.Buffers;

namespace Gpt35.Tokenization;

/// <summary>A growing list of ids in pooled memory.</summary>
internal ref struct IdBuffer(int capacity)
{
    private int[] ids = ArrayPool<int>.Shared.Rent(Math.Max(16, capacity));
    private int count;

    public readonly int Count => count;

    public void Add(int id)
    {
        if (count == ids.Length) Grow(1);
        ids[count++] = id;
    }

    public void Add(scoped ReadOnlySpan<int> more)
    {
        if (more.Length > ids.Length - count) Grow(more.Length);
        more.CopyTo(ids.AsSpan(count));
        count += more.Length;
    }

    public readonly ReadOnlySpan<int> From(int start) => ids.AsSpan(start, count - start);

    public readonly int[] ToArray() => From(0).ToArray();

    public void Dispose()
    {
        ArrayPool<int>.Shared.Return(ids);
        ids = [];
        count = 0;
    }

    private void Grow(int more)
    {
        var larger = ArrayPool<int>.Shared.Rent((int)Math.Min(Array.MaxLength, Math.Max(2L * ids.Length, (long)count + more)));
        From(0).CopyTo(larger);
        ArrayPool<int>.Shared.Return(ids);
        ids = larger;
    }
}

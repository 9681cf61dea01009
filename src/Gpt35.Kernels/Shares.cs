namespace Gpt35.Kernels;

/// <summary>
/// Work cut for the threads of a <see cref="WorkerPool"/>: each has a share in one piece, which falls into parts of half of it, a quarter, an eighth and so on. So a thread goes through
/// its share in long runs, as memory likes it, and what it has not begun when the others are done is small.
/// </summary>
internal readonly record struct Shares
{
    private readonly int count, unit, share, partsOfShare;

    /// <param name="count">Items.</param>
    /// <param name="threads">Threads.</param>
    /// <param name="unit">Items that stay together.</param>
    /// <param name="least">Items that are not worth a part of their own.</param>
    internal Shares(int count, int threads, int unit, int least)
    {
        (this.count, this.unit) = (count, unit);
        share = Simd.Pieces(Simd.Pieces(count, threads), unit) * unit;
        partsOfShare = 1;
        for (var rest = share / 2; rest >= Math.Max(least, unit); rest /= 2) partsOfShare++;
        Parts = threads * partsOfShare;
    }

    /// <summary>All items as one part.</summary>
    internal static Shares Whole(int count) => new(count, 1, count, count);

    internal int Parts { get; }

    /// <summary>Items of a thread's share; the last threads' may be fewer.</summary>
    internal int Largest => share;

    internal (int First, int End) Part(int part)
    {
        int first = part / partsOfShare * share, step = part % partsOfShare;
        return (Math.Min(first + Cut(step), count), Math.Min(first + Cut(step + 1), count));
    }

    /// <summary>Where a step begins within a share: 0, then half of it, three quarters, …</summary>
    private int Cut(int step) => step == partsOfShare ? share : (share - (share >> step)) / unit * unit;
}

namespace Gpt35.Training;

/// <summary>Best-fit bin packing (Johnson 1973) with a bounded number of open bins, so that an example never waits for long.</summary>
internal static class BestFit
{
    /// <summary>Bins that may be open at once. More fill better and keep the random order less.</summary>
    private const int OpenBins = 32;

    /// <summary>Puts each item into the fullest open bin with room for it; where there is none and no bin may be added, the fullest is closed.</summary>
    /// <param name="items">What to pack, in order.</param>
    /// <param name="size">Size of an item.</param>
    /// <param name="budget">Most a bin holds; a larger item has a bin of its own.</param>
    /// <returns>The bins as they are closed, each in the order of its items.</returns>
    public static IEnumerable<List<int>> Pack(IEnumerable<int> items, Func<int, int> size, long budget)
    {
        var open = new List<(List<int> Items, long Held)>();
        foreach (var item in items)
        {
            var best = -1;
            for (var i = 0; i < open.Count; i++)
                if (open[i].Held + size(item) <= budget && (best < 0 || open[i].Held > open[best].Held)) best = i;
            if (best >= 0)
            {
                open[best].Items.Add(item);
                open[best] = open[best] with { Held = open[best].Held + size(item) };
            }
            else
            {
                if (open.Count == OpenBins) yield return Close(Fullest());
                open.Add(([item], size(item)));
                best = open.Count - 1;
            }
            if (open[best].Held >= budget) yield return Close(best);
        }
        // What is left, in the order it was begun.
        foreach (var (rest, _) in open) yield return rest;

        int Fullest() => open.IndexOf(open.MaxBy(bin => bin.Held));

        List<int> Close(int bin)
        {
            var closed = open[bin].Items;
            open.RemoveAt(bin);
            return closed;
        }
    }
}

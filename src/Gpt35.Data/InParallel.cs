namespace Gpt35.Data;

/// <summary>Work on items of which each stands for itself.</summary>
internal static class InParallel
{
    /// <summary>The results in the order of the items; reading them stays on the calling thread, so that its errors arrive as they are.</summary>
    /// <param name="items">What to work on.</param>
    /// <param name="threads">At most so many at a time; 0: all cores.</param>
    /// <param name="work">For any thread.</param>
    public static TResult[] Map<T, TResult>(T[] items, int threads, Func<T, TResult> work)
    {
        var results = new TResult[items.Length];
        Parallel.For(0, items.Length, new ParallelOptions { MaxDegreeOfParallelism = threads > 0 ? threads : -1 }, i => results[i] = work(items[i]));
        return results;
    }
}

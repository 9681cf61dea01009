using System.Runtime.ExceptionServices;

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

    /// <summary>
    /// The results in the order of the items, made while they are read and a little ahead of it. Of the items one at a time is read, on any thread; the first error of reading or working arrives as it is.
    /// </summary>
    /// <param name="items">What to work on.</param>
    /// <param name="threads">At most so many at a time; 0: all cores.</param>
    /// <param name="work">For any thread; receives the item and its place.</param>
    /// <param name="cancel">Stops.</param>
    public static IEnumerable<TResult> Stream<T, TResult>(IEnumerable<T> items, int threads, Func<T, int, TResult> work, CancellationToken cancel = default)
    {
        var query = items.AsParallel().AsOrdered().WithCancellation(cancel);
        if (threads > 0) query = query.WithDegreeOfParallelism(Math.Min(threads, MostThreads));
        using var results = query.Select(work).GetEnumerator();
        while (MoveNext(results)) yield return results.Current;
    }

    /// <summary>The most that PLINQ takes.</summary>
    private const int MostThreads = 512;

    private static bool MoveNext<T>(IEnumerator<T> results)
    {
        try
        {
            return results.MoveNext();
        }
        catch (AggregateException several)
        {
            ExceptionDispatchInfo.Throw(several.Flatten().InnerExceptions[0]);
            throw;
        }
    }
}

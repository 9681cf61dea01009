namespace Gpt35.Data.Tests;

public sealed class InParallelTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void No_more_threads_work_than_were_allowed_and_results_keep_their_order(int threads)
    {
        var (working, most) = (0, 0);
        var gate = new Lock();
        var results = InParallel.Map(Enumerable.Range(0, 200).ToArray(), threads, item =>
        {
            lock (gate) most = Math.Max(most, ++working);
            Thread.Yield();
            lock (gate) working--;
            return 2 * item;
        });
        Assert.Equal(Enumerable.Range(0, 200).Select(item => 2 * item), results);
        Assert.InRange(most, 1, threads);
    }
}

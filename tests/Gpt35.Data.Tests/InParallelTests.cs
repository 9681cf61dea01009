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

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_stream_keeps_to_the_threads_and_the_order_and_stops_when_nobody_reads_on(int threads)
    {
        var (working, most, read) = (0, 0, 0);
        var gate = new Lock();
        var results = InParallel.Stream(Items(), threads, (item, place) =>
        {
            lock (gate) most = Math.Max(most, ++working);
            Thread.Yield();
            lock (gate) working--;
            return (item, place);
        }, TestContext.Current.CancellationToken);
        Assert.Equal(Enumerable.Range(0, 300).Select(place => (2 * place, place)), results.Take(300));
        Assert.InRange(most, 1, threads);
        Assert.InRange(read, 300, 1_000_000);

        IEnumerable<int> Items()
        {
            while (true) yield return 2 * read++;
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void What_goes_wrong_in_a_stream_arrives_as_it_is(int threads)
    {
        Assert.Equal("row 7", Assert.Throws<InvalidDataException>(() => InParallel.Stream(Items(), threads, (item, _) => item, TestContext.Current.CancellationToken).Count()).Message);
        Assert.Equal("item 5", Assert.Throws<IOException>(() => InParallel.Stream(Enumerable.Range(0, 6), threads, (item, _) => item == 5 ? throw new IOException("item 5") : item, TestContext.Current.CancellationToken).Count()).Message);

        static IEnumerable<int> Items()
        {
            for (var i = 0; i < 7; i++) yield return i;
            throw new InvalidDataException("row 7");
        }
    }
}

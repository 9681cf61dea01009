namespace Gpt35.Kernels.Tests;

public sealed class WorkerPoolTests
{
    private readonly struct Count(int[] runs) : IParallelJob
    {
        public void Run(int part) => Interlocked.Increment(ref runs[part]);
    }

    private readonly struct FailAt(int bad) : IParallelJob
    {
        public void Run(int part)
        {
            if (part == bad) throw new InvalidOperationException($"part {part}");
        }
    }

    private readonly struct Nested(WorkerPool pool, int[] runs) : IParallelJob
    {
        public void Run(int part) => pool.Run(4, new CountFrom(runs, part * 4));
    }

    /// <summary>One part ends only when all others have.</summary>
    private readonly struct LastOfAll(int last, CountdownEvent others) : IParallelJob
    {
        public void Run(int part)
        {
            if (part != last) others.Signal();
            else if (!others.Wait(TimeSpan.FromMinutes(1))) throw new TimeoutException("The other parts were left waiting.");
        }
    }

    private readonly struct CountFrom(int[] runs, int first) : IParallelJob
    {
        public void Run(int part) => Interlocked.Increment(ref runs[first + part]);
    }

    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(8)]
    public void Every_part_of_every_job_runs_exactly_once(int threads)
    {
        using var pool = new WorkerPool(threads);
        Assert.Equal(threads, pool.Threads);
        for (var round = 0; round < 2000; round++)
        {
            var runs = new int[round % 17];
            pool.Run(runs.Length, new Count(runs));
            Assert.DoesNotContain(runs, count => count != 1);
        }
    }

    [Theory, InlineData(2, 0), InlineData(2, 8), InlineData(3, 0), InlineData(3, 5)]
    public void Threads_that_are_done_take_what_a_busy_one_has_left(int threads, int slowPart)
    {
        using var pool = new WorkerPool(threads);
        using var others = new CountdownEvent(15);
        pool.Run(16, new LastOfAll(slowPart, others));
        Assert.True(others.IsSet);
    }

    [Fact]
    public unsafe void Reading_ahead_changes_nothing_whatever_it_is_told()
    {
        using var pool = new WorkerPool(3);
        using var memory = new NativeBuffer<byte>(1 << 16);
        for (var round = 0; round < 200; round++)
        {
            pool.Foresee(new ReadAhead(round % 3 == 0 ? 0 : (nint)memory.Pointer, 4096 * (round % 5), 1 << round % 20));
            var runs = new int[1 + round % 11];
            pool.Run(runs.Length, new Count(runs));
            Assert.DoesNotContain(runs, count => count != 1);
        }
    }

    [Fact]
    public async Task Jobs_from_several_threads_do_not_mix()
    {
        using var pool = new WorkerPool(3);
        var threads = Enumerable.Range(0, 4).Select(_ => new Task(() =>
        {
            for (var round = 0; round < 500; round++)
            {
                var runs = new int[1 + round % 7];
                pool.Run(runs.Length, new Count(runs));
                Assert.DoesNotContain(runs, count => count != 1);
            }
        }, TaskCreationOptions.LongRunning)).ToArray();
        foreach (var thread in threads) thread.Start();
        await Task.WhenAll(threads);
    }

    [Fact]
    public void A_job_inside_a_part_runs_to_its_end_there()
    {
        using var pool = new WorkerPool(3);
        var runs = new int[40];
        pool.Run(10, new Nested(pool, runs));
        Assert.DoesNotContain(runs, count => count != 1);
    }

    [Fact]
    public void An_exception_reaches_the_caller_and_the_pool_lives_on()
    {
        using var pool = new WorkerPool(2);
        for (var round = 0; round < 50; round++)
        {
            Assert.Equal("part 5", Assert.Throws<InvalidOperationException>(() => pool.Run(9, new FailAt(5))).Message);
            var runs = new int[9];
            pool.Run(9, new Count(runs));
            Assert.DoesNotContain(runs, count => count != 1);
        }
    }

    [Fact]
    public void An_exception_in_a_single_part_leaves_the_thread_able_to_share_work()
    {
        using var pool = new WorkerPool(2);
        Assert.Throws<InvalidOperationException>(() => pool.Run(1, new FailAt(0)));
        var runs = new int[64];
        pool.Run(64, new Count(runs));
        Assert.DoesNotContain(runs, count => count != 1);
    }

    [Fact]
    public void A_profile_counts_what_each_phase_launched_and_runs_all_of_it()
    {
        using var pool = new WorkerPool(2);
        var runs = new int[12];
        var profile = new PoolProfile();
        pool.Profile = profile;
        profile.Phase = "first";
        pool.Run(4, new Count(runs));
        pool.Run(3, new Count(runs));
        profile.Phase = "second";
        pool.Run(2, new Nested(pool, runs));
        pool.Profile = null;
        pool.Run(4, new Count(runs));

        Assert.Equal((2, 7), (profile.Entries[("first", typeof(Count))].Launches, (int)profile.Entries[("first", typeof(Count))].Parts));
        Assert.Equal((1, 2), (profile.Entries[("second", typeof(Nested))].Launches, (int)profile.Entries[("second", typeof(Nested))].Parts));
        Assert.False(profile.Entries.ContainsKey(("second", typeof(CountFrom))), "what a part runs belongs to its job");
        Assert.Equal([4, 4, 4, 3, 1, 1, 1, 1, 0, 0, 0, 0], runs);
    }

    [Fact]
    public void A_job_allocates_nothing()
    {
        using var pool = new WorkerPool(2);
        var runs = new int[8];
        pool.Run(8, new Count(runs));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++) pool.Run(8, new Count(runs));
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void A_disposed_pool_refuses_work()
    {
        var pool = new WorkerPool(2);
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pool.Run(2, new Count(new int[2])));
        pool.Dispose();
    }
}

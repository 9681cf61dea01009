using System.Diagnostics;

namespace Gpt35.Kernels;

/// <summary>Where the time of the jobs of a <see cref="WorkerPool"/> goes, by kind of job; for one calling thread. Costs two reads of the clock a part.</summary>
internal sealed class PoolProfile
{
    private readonly Dictionary<(string Phase, Type Job), Entry> entries = [];
    private Entry last = new();
    private long lastEnd = Stopwatch.GetTimestamp(), busy;

    /// <summary>Times of one kind of job within one phase, in ticks of <see cref="Stopwatch"/>.</summary>
    internal sealed record Entry
    {
        internal int Launches { get; set; }
        internal long Parts { get; set; }
        /// <summary>From launch to return.</summary>
        internal long Wall { get; set; }
        /// <summary>In parts, added up over the threads.</summary>
        internal long Busy { get; set; }
        /// <summary>On the calling thread alone, from the return to the next launch or the end of the phase.</summary>
        internal long After { get; set; }
    }

    /// <summary>By phase and type of the job.</summary>
    internal IReadOnlyDictionary<(string Phase, Type Job), Entry> Entries => entries;

    /// <summary>The name of what follows. A phase's time before its first launch is in an entry of its own, of the type <see cref="PoolProfile"/>.</summary>
    internal string Phase
    {
        get;
        set
        {
            CloseGap(Stopwatch.GetTimestamp());
            field = value;
            last = EntryOf(typeof(PoolProfile));
        }
    } = "";

    internal void Run<TJob>(WorkerPool pool, int parts, in TJob job) where TJob : struct, IParallelJob
    {
        var start = Stopwatch.GetTimestamp();
        CloseGap(start);
        Interlocked.Exchange(ref busy, 0);
        pool.RunUnobserved(parts, new Timed<TJob>(job, this));
        lastEnd = Stopwatch.GetTimestamp();
        last = EntryOf(typeof(TJob));
        last.Launches++;
        last.Parts += parts;
        last.Wall += lastEnd - start;
        last.Busy += Interlocked.Read(ref busy);
    }

    private void CloseGap(long now)
    {
        last.After += now - lastEnd;
        lastEnd = now;
    }

    private Entry EntryOf(Type job)
    {
        if (entries.TryGetValue((Phase, job), out var found)) return found;
        return entries[(Phase, job)] = new Entry();
    }

    private readonly struct Timed<TJob>(TJob job, PoolProfile profile) : IParallelJob where TJob : struct, IParallelJob
    {
        private readonly TJob job = job;

        public void Run(int part)
        {
            var start = Stopwatch.GetTimestamp();
            job.Run(part);
            Interlocked.Add(ref profile.busy, Stopwatch.GetTimestamp() - start);
        }
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>A piece of work that falls into independent parts; results must not depend on which thread runs which part.</summary>
public interface IParallelJob
{
    void Run(int part);
}

/// <summary>Long-lived worker threads that spin, then park, between jobs. One job at a time; the calling thread works too.</summary>
/// <remarks>
/// Each thread has a range of the parts for its own, which it takes from first to last before it helps the others with theirs: neighbouring parts stay with one
/// thread, and no thread writes what another waits to read. A range's word holds the number of the job and the next part to hand out. A part is taken by
/// compare-and-swap, so a worker that comes late to a finished job cannot take anything from the next one under the old job's description.
/// </remarks>
public sealed unsafe class WorkerPool : IDisposable
{
    // About 50 µs (the runtime makes a spin about 37 ns): longer than the gap between two kernels of a training step, shorter than anyone notices.
    private const int SpinsBeforeParking = 1500;
    private const int Closed = int.MaxValue;
    private const int CacheLine = 64;
    /// <summary>From one thread's range to the next one's: two cache lines, which processors fetch in pairs.</summary>
    private const int RangeStride = 2 * CacheLine / sizeof(long);
    /// <summary>Cache lines that are fetched between two looks for work.</summary>
    private const int LinesAtOnce = 16;

    private static readonly Lazy<WorkerPool> shared = new(() => new WorkerPool());
    [ThreadStatic] private static bool insidePart;

    private readonly Lock oneJob = new();
    private readonly object workGate = new(), doneGate = new();
    private readonly Thread[] workers;
    private readonly long[] ranges;
    private delegate*<void*, int, void> invoke;
    private void* job;
    private int number, parts, remaining, sleepingWorkers, foreseen;
    private ReadAhead ahead;
    private volatile bool callerSleeps, stopping;
    private Exception? failure;

    /// <param name="threads">Threads in all, the caller included; 0 = all cores.</param>
    public WorkerPool(int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        Threads = threads == 0 ? Environment.ProcessorCount : threads;
        ranges = new long[(Threads + 1) * RangeStride];
        for (var thread = 0; thread < Threads; thread++) Range(thread) = Closed;
        workers = new Thread[Threads - 1];
        for (var i = 0; i < workers.Length; i++)
        {
            var thread = i + 1;
            workers[i] = new Thread(() => Work(thread)) { IsBackground = true, Name = $"Kernel worker {thread}" };
            workers[i].Start();
        }
    }

    /// <summary>One pool over all cores for the whole process; nobody disposes of it.</summary>
    public static WorkerPool Shared => shared.Value;

    public int Threads { get; }

    /// <summary>Runs parts 0 … parts − 1 and returns when all are done. Allocates nothing.</summary>
    /// <remarks>
    /// Several threads may call at once: jobs that are shared run one after the other. A job of one part, any job of a pool of one thread, and any call from inside a part of a shared job run on the
    /// calling thread alone, at once. An exception in a part is rethrown here, of several the first: after all other parts where the job is shared, instead of the parts that would follow where it is not.
    /// </remarks>
    /// <exception cref="ObjectDisposedException">The pool was disposed of.</exception>
    public void Run<TJob>(int parts, in TJob job) where TJob : struct, IParallelJob
    {
        if (Profile is { } profile && !insidePart) profile.Run(this, parts, job);
        else RunUnobserved(parts, job);
    }

    /// <summary>Keeps the times of all jobs from now on; null, as it is at first: nothing is kept.</summary>
    internal PoolProfile? Profile { private get; set; }

    internal void RunUnobserved<TJob>(int parts, in TJob job) where TJob : struct, IParallelJob
    {
        ObjectDisposedException.ThrowIf(stopping, this);
        if (parts <= 1 || workers.Length == 0 || insidePart)
        {
            for (var part = 0; part < parts; part++) Unsafe.AsRef(in job).Run(part);
            return;
        }
        var copy = job;
        lock (oneJob) RunShared(parts, &Invoke<TJob>, Unsafe.AsPointer(ref copy));
    }

    /// <summary>
    /// Says what the next job will read, so that workers without work fetch the beginning of their shares into their caches: the memory is busy while one thread
    /// does what it cannot share. Changes no result.
    /// </summary>
    internal void Foresee(ReadAhead what)
    {
        if (workers.Length == 0) return;
        ahead = what;
        Volatile.Write(ref foreseen, foreseen + 1);
    }

    /// <summary>Stops the threads; waits for a job in progress.</summary>
    public void Dispose()
    {
        lock (oneJob)
        {
            stopping = true;
            lock (workGate) Monitor.PulseAll(workGate);
        }
        foreach (var worker in workers) worker.Join();
    }

    private static void Invoke<TJob>(void* job, int part) where TJob : struct, IParallelJob => Unsafe.AsRef<TJob>(job).Run(part);

    private void RunShared(int count, delegate*<void*, int, void> method, void* argument)
    {
        var next = unchecked(number + 1);
        for (var thread = 0; thread < Threads; thread++) Interlocked.Exchange(ref Range(thread), Word(next, Closed));
        invoke = method;
        job = argument;
        parts = count;
        remaining = count;
        failure = null;
        for (var thread = 0; thread < Threads; thread++) Volatile.Write(ref Range(thread), Word(next, FirstPart(thread, count)));
        Interlocked.Exchange(ref number, next);
        if (Volatile.Read(ref sleepingWorkers) > 0)
            lock (workGate) Monitor.PulseAll(workGate);
        TakeParts(0);
        WaitForOthers();
        if (failure is { } exception) ExceptionDispatchInfo.Throw(exception);
    }

    private static long Word(int number, int part) => ((long)number << 32) | (uint)part;

    /// <summary>The part that a thread's range begins with.</summary>
    private int FirstPart(int thread, int count) => (int)((long)count * thread / Threads);

    /// <summary>The word of a thread's range, behind a stride with the array's length.</summary>
    private ref long Range(int thread) => ref ranges[(thread + 1) * RangeStride];

    /// <summary>Takes a thread's own parts, then those that the others have not come to.</summary>
    private void TakeParts(int thread)
    {
        insidePart = true;
        var done = 0;
        for (var i = 0; i < Threads; i++, thread = thread + 1 == Threads ? 0 : thread + 1) done += TakeRange(thread);
        insidePart = false;
        if (done > 0 && Interlocked.Add(ref remaining, -done) == 0 && callerSleeps)
            lock (doneGate) Monitor.PulseAll(doneGate);
    }

    /// <returns>Parts done.</returns>
    private int TakeRange(int thread)
    {
        ref var word = ref Range(thread);
        var done = 0;
        while (true)
        {
            var seen = Volatile.Read(ref word);
            var part = (int)seen;
            if (part >= FirstPart(thread + 1, Volatile.Read(ref parts))) return done;
            var method = invoke;
            var argument = job;
            if (Interlocked.CompareExchange(ref word, seen + 1, seen) != seen) continue;
            try
            {
                method(argument, part);
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref failure, exception, null);
            }
            done++;
        }
    }

    private void WaitForOthers()
    {
        for (var spin = 0; spin < SpinsBeforeParking; spin++)
        {
            if (Volatile.Read(ref remaining) == 0) return;
            Thread.SpinWait(1);
        }
        lock (doneGate)
        {
            callerSleeps = true;
            Interlocked.MemoryBarrier();
            while (Volatile.Read(ref remaining) != 0) Monitor.Wait(doneGate);
            callerSleeps = false;
        }
    }

    private void Work(int thread)
    {
        var fetched = 0;
        while (!stopping)
        {
            var last = Volatile.Read(ref number);
            TakeParts(thread);
            for (var spin = 0; spin < SpinsBeforeParking && Volatile.Read(ref number) == last && !stopping; spin++)
                if (Volatile.Read(ref foreseen) == fetched) Thread.SpinWait(1);
                else
                {
                    fetched = Volatile.Read(ref foreseen);
                    Fetch(thread, last);
                }
            if (Volatile.Read(ref number) != last) continue;
            lock (workGate)
            {
                Interlocked.Increment(ref sleepingWorkers);
                while (Volatile.Read(ref number) == last && !stopping) Monitor.Wait(workGate);
                Interlocked.Decrement(ref sleepingWorkers);
            }
        }
    }

    /// <summary>Fetches the beginning of what the thread will read, until there is work. What it finds may be half written; a fetch of any address is harmless.</summary>
    private void Fetch(int thread, int last)
    {
        if (!Sse.IsSupported) return;
        var (data, bytesOfShare, bytes) = ahead;
        var at = (byte*)data + thread * bytesOfShare;
        for (var end = at + Math.Min(bytes, bytesOfShare); at < end && Volatile.Read(ref number) == last;)
            for (var i = 0; i < LinesAtOnce; i++, at += CacheLine) Sse.Prefetch1(at);
    }
}

/// <summary>What a job will read, one thread's share behind the other's.</summary>
/// <param name="Data">Where the first share begins.</param>
/// <param name="BytesOfShare">Bytes of each.</param>
/// <param name="Bytes">Most bytes that a thread fetches.</param>
internal readonly record struct ReadAhead(nint Data, long BytesOfShare, long Bytes);

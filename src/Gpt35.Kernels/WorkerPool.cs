using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Gpt35.Kernels;

/// <summary>A piece of work that falls into independent parts; results must not depend on which thread runs which part.</summary>
public interface IParallelJob
{
    void Run(int part);
}

/// <summary>Long-lived worker threads that spin, then park, between jobs. One job at a time; the calling thread works too.</summary>
/// <remarks>
/// The state word holds the number of the job and the next part to hand out. A part is taken by compare-and-swap, so a
/// worker that comes late to a finished job cannot take anything from the next one under the old job's description.
/// </remarks>
public sealed unsafe class WorkerPool : IDisposable
{
    // About 50 µs (the runtime makes a spin about 37 ns): longer than the gap between two kernels of a training step, shorter than anyone notices.
    private const int SpinsBeforeParking = 1500;
    private const int Closed = int.MaxValue;

    private static readonly Lazy<WorkerPool> shared = new(() => new WorkerPool());
    [ThreadStatic] private static bool insidePart;

    private readonly Lock oneJob = new();
    private readonly object workGate = new(), doneGate = new();
    private readonly Thread[] workers;
    private long state = Closed;
    private delegate*<void*, int, void> invoke;
    private void* job;
    private int parts, remaining, sleepingWorkers;
    private volatile bool callerSleeps, stopping;
    private Exception? failure;

    /// <param name="threads">Threads in all, the caller included; 0 = all cores.</param>
    public WorkerPool(int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        Threads = threads == 0 ? Environment.ProcessorCount : threads;
        workers = new Thread[Threads - 1];
        for (var i = 0; i < workers.Length; i++)
        {
            workers[i] = new Thread(Work) { IsBackground = true, Name = $"Kernel worker {i + 1}" };
            workers[i].Start();
        }
    }

    /// <summary>One pool over all cores for the whole process; nobody disposes of it.</summary>
    public static WorkerPool Shared => shared.Value;

    public int Threads { get; }

    /// <summary>Runs parts 0 … parts − 1 and returns when all are done. Allocates nothing. An exception in a part is rethrown here.</summary>
    /// <remarks>Several threads may call at once: their jobs run one after the other. A call from inside a part runs on that thread alone.</remarks>
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
        var number = (Volatile.Read(ref state) >> 32) + 1;
        Interlocked.Exchange(ref state, (number << 32) | Closed);
        invoke = method;
        job = argument;
        parts = count;
        remaining = count;
        failure = null;
        Interlocked.Exchange(ref state, number << 32);
        if (Volatile.Read(ref sleepingWorkers) > 0)
            lock (workGate) Monitor.PulseAll(workGate);
        TakeParts();
        WaitForOthers();
        if (failure is { } exception) ExceptionDispatchInfo.Throw(exception);
    }

    private void TakeParts()
    {
        insidePart = true;
        while (true)
        {
            var seen = Volatile.Read(ref state);
            var part = (int)seen;
            if (part >= Volatile.Read(ref parts)) break;
            var method = invoke;
            var argument = job;
            if (Interlocked.CompareExchange(ref state, seen + 1, seen) != seen) continue;
            try
            {
                method(argument, part);
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref failure, exception, null);
            }
            if (Interlocked.Decrement(ref remaining) == 0 && callerSleeps)
                lock (doneGate) Monitor.PulseAll(doneGate);
        }
        insidePart = false;
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

    private bool HasParts => (int)Volatile.Read(ref state) < Volatile.Read(ref parts);

    private void Work()
    {
        while (!stopping)
        {
            TakeParts();
            for (var spin = 0; spin < SpinsBeforeParking && !HasParts && !stopping; spin++) Thread.SpinWait(1);
            if (HasParts) continue;
            lock (workGate)
            {
                Interlocked.Increment(ref sleepingWorkers);
                while (!HasParts && !stopping) Monitor.Wait(workGate);
                Interlocked.Decrement(ref sleepingWorkers);
            }
        }
    }
}

namespace Gpt35.Kernels;

/// <summary>A piece of work that falls into independent parts; results must not depend on which thread runs which part.</summary>
public interface IParallelJob
{
    void Run(int part);
}

/// <summary>Long-lived worker threads that spin, then park, between jobs. One job at a time; the calling thread works too.</summary>
public sealed class WorkerPool : IDisposable
{
    /// <param name="threads">Threads in all, the caller included; 0 = all cores.</param>
    public WorkerPool(int threads = 0) => throw new NotImplementedException();
    public int Threads => throw new NotImplementedException();
    /// <summary>Runs parts 0 … parts − 1 and returns when all are done. Allocates nothing. An exception in a part is rethrown here.</summary>
    public void Run<TJob>(int parts, in TJob job) where TJob : struct, IParallelJob => throw new NotImplementedException();
    public void Dispose() { }
}

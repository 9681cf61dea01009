using System.Diagnostics;
using System.Numerics;
using Gpt35.Kernels;

namespace Gpt35.Benchmarks;

/// <summary>How fast all cores together read memory that no cache holds.</summary>
internal sealed unsafe class ReadBandwidth : IDisposable
{
    private const long Bytes = 512L << 20;
    private const int Piece = 1 << 20;

    private readonly NativeBuffer<byte> memory = new(Bytes);
    private readonly NativeBuffer<int> sums = new(Bytes / Piece);

    /// <summary>GB/s of one pass.</summary>
    public double Pass()
    {
        var start = Stopwatch.GetTimestamp();
        WorkerPool.Shared.Run((int)(Bytes / Piece), new ReadJob(memory.Pointer, sums.Pointer));
        return Bytes / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9;
    }

    public void Dispose()
    {
        memory.Dispose();
        sums.Dispose();
    }

    private readonly struct ReadJob(byte* memory, int* sums) : IParallelJob
    {
        public void Run(int part)
        {
            var piece = memory + (long)part * Piece;
            Vector<int> a = default, b = default, c = default, d = default;
            var width = Vector<byte>.Count;
            for (var i = 0; i < Piece; i += 4 * width)
            {
                a += Vector.Load((int*)(piece + i));
                b += Vector.Load((int*)(piece + i + width));
                c += Vector.Load((int*)(piece + i + 2 * width));
                d += Vector.Load((int*)(piece + i + 3 * width));
            }
            sums[part] = Vector.Sum(a + b + c + d);
        }
    }
}

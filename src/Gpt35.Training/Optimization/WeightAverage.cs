using System.Numerics;
using Gpt35.Kernels;

namespace Gpt35.Training;

/// <summary>Exponential moving average of weights, ā ← d·ā + (1 − d)·w after every step (Polyak and Juditsky 1992; InstructGPT, appendix C.4: d = 0.992).</summary>
internal sealed unsafe class WeightAverage : IDisposable
{
    private const int Chunk = 16384;
    private readonly NativeBuffer<float> values;
    private readonly float* weights;
    private readonly double decay;

    /// <param name="weights">(n,), where the average starts.</param>
    /// <param name="count">n.</param>
    /// <param name="decay">d.</param>
    public WeightAverage(float* weights, long count, double decay)
    {
        this.weights = weights;
        this.decay = decay;
        values = new NativeBuffer<float>(count);
        Buffer.MemoryCopy(weights, values.Pointer, count * sizeof(float), count * sizeof(float));
    }

    public float* Pointer => values.Pointer;

    public void Update(WorkerPool pool) => pool.Run(Parts, new UpdateJob(values.Pointer, weights, values.Length, (float)(1 - decay)));

    /// <summary>Exchanges the average with the weights; a second time takes it back.</summary>
    public void Swap(WorkerPool pool) => pool.Run(Parts, new SwapJob(values.Pointer, weights, values.Length));

    public void Dispose() => values.Dispose();

    private int Parts => (int)((values.Length + Chunk - 1) / Chunk);

    private readonly struct UpdateJob(float* average, float* weights, long n, float share) : IParallelJob
    {
        public void Run(int part)
        {
            var i = (long)part * Chunk;
            var end = Math.Min(i + Chunk, n);
            var factor = new Vector<float>(share);
            for (; i + Vector<float>.Count <= end; i += Vector<float>.Count)
            {
                var old = Vector.Load(average + i);
                Vector.Store(old + factor * (Vector.Load(weights + i) - old), average + i);
            }
            for (; i < end; i++) average[i] += share * (weights[i] - average[i]);
        }
    }

    private readonly struct SwapJob(float* average, float* weights, long n) : IParallelJob
    {
        public void Run(int part)
        {
            for (var i = (long)part * Chunk; i < Math.Min((part + 1L) * Chunk, n); i++) (average[i], weights[i]) = (weights[i], average[i]);
        }
    }
}

using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// x_i ← x_i·keep_i/(1 − rate), keep_i = 1 with probability 1 − rate (Srivastava et al. 2014), a function of the key and i alone.
/// So the backward pass is the same call, with the same key, on the gradient.
/// </summary>
public static unsafe class Dropout
{
    /// <summary>Elements whose mask comes from one key.</summary>
    public const int Chunk = 8192;

    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(n,), changed in place.</param>
    /// <param name="n">Elements.</param>
    /// <param name="rate">Probability of becoming 0, in [0, 1); 0 leaves x alone.</param>
    /// <param name="key">Names the mask: derive it from seed, step, layer and place with <see cref="CounterRandom.Hash"/>.</param>
    /// <param name="first">Which element of the mask x starts with; a multiple of 8,192.</param>
    public static void Apply(WorkerPool pool, float* x, long n, float rate, ulong key, long first = 0)
    {
        if (!(rate >= 0 && rate < 1)) throw new ArgumentOutOfRangeException(nameof(rate), rate, "A dropout rate is in [0, 1).");
        if (first % Chunk != 0) throw new ArgumentOutOfRangeException(nameof(first), first, $"A piece of a mask starts at a multiple of {Chunk}.");
        if (rate > 0) Simd.Run(pool, Simd.Pieces(n, Chunk), new Job(x, n, rate, key, first / Chunk));
    }

    /// <summary>The definition: whether element i survives.</summary>
    internal static bool Keeps(long i, float rate, ulong key)
    {
        var (first, second) = Keys(i / Chunk, key);
        return Mix(Mix((uint)(i % Chunk) ^ first) ^ second) >= Threshold(rate);
    }

    private static uint Threshold(float rate) => (uint)Math.Min(Math.Round(rate * 4294967296.0), uint.MaxValue);

    private static (uint First, uint Second) Keys(long chunk, ulong key)
    {
        var hash = CounterRandom.Hash(key, (ulong)chunk);
        return ((uint)hash, (uint)(hash >> 32));
    }

    /// <summary>A bijection of 32 bits with full avalanche (Wellons 2018, "lowbias32").</summary>
    private static uint Mix(uint z)
    {
        z = (z ^ (z >> 16)) * 0x7FEB352D;
        z = (z ^ (z >> 15)) * 0x846CA68B;
        return z ^ (z >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Mix<W, V>(V z) where W : struct, ILanes<V> where V : unmanaged
    {
        z = W.MultiplyBits(W.XorBits(z, W.ShiftRight(z, 16)), W.CreateBits(0x7FEB352D));
        z = W.MultiplyBits(W.XorBits(z, W.ShiftRight(z, 15)), W.CreateBits(0x846CA68B));
        return W.XorBits(z, W.ShiftRight(z, 16));
    }

    private readonly struct Job(float* x, long n, float rate, ulong key, long firstChunk) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var (firstKey, secondKey) = Keys(firstChunk + part, key);
            V first = W.CreateBits(firstKey), second = W.CreateBits(secondKey), threshold = W.CreateBits(Threshold(rate));
            V scale = W.Create(1 / (1 - rate)), zero = W.Create(0);
            var from = x + (long)part * Chunk;
            var count = (int)Math.Min(Chunk, n - (long)part * Chunk);
            var i = 0;
            for (; i < count; i += W.Count)
            {
                var bits = Mix<W, V>(W.XorBits(Mix<W, V>(W.XorBits(W.Counters((uint)i), first)), second));
                var factor = W.Select(W.LessBits(bits, threshold), zero, scale);
                if (i + W.Count <= count) W.Store(from + i, W.Multiply(W.Load(from + i), factor));
                else LaneMath<W, V>.StoreFirst(from + i, W.Multiply(LaneMath<W, V>.LoadFirst(from + i, count - i), factor), count - i);
            }
        }
    }
}

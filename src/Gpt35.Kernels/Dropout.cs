using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>
/// x_rc ← x_rc·keep_rc/(1 − rate), keep_rc = 1 with probability 1 − rate (Srivastava et al. 2014), a function of the row's key, the place in the network and the
/// column c alone. So the backward pass is the same call, with the same keys, on the gradient, and a row's mask does not depend on where it lies among others.
/// </summary>
public static unsafe class Dropout
{
    /// <summary>About how many elements a thread takes at a time.</summary>
    private const int Chunk = 8192;

    /// <summary>Key of the masks of a token.</summary>
    /// <param name="sequenceKey">Names the masks of its sequence.</param>
    /// <param name="position">Its position within the sequence.</param>
    public static ulong RowKey(ulong sequenceKey, int position) => CounterRandom.Hash(sequenceKey, (ulong)position);

    /// <param name="pool">Threads to use.</param>
    /// <param name="x">(rows, width), changed in place.</param>
    /// <param name="rows">Rows, one for each token.</param>
    /// <param name="width">Columns.</param>
    /// <param name="rate">Probability of becoming 0, in [0, 1); 0 leaves x alone.</param>
    /// <param name="rowKeys">Key of each row, (rows,): <see cref="RowKey"/>.</param>
    /// <param name="place">Which of the masks of the network's places.</param>
    public static void Apply(WorkerPool pool, float* x, int rows, int width, float rate, ulong* rowKeys, int place)
    {
        if (!(rate >= 0 && rate < 1)) throw new ArgumentOutOfRangeException(nameof(rate), rate, "A dropout rate is in [0, 1).");
        if (rate == 0) return;
        var rowsPerPart = Math.Max(1, Chunk / width);
        Simd.Run(pool, Simd.Pieces(rows, rowsPerPart), new Job(x, rows, width, rate, rowKeys, place, rowsPerPart));
    }

    /// <summary>The definition: whether an element survives.</summary>
    internal static bool Keeps(int column, float rate, ulong rowKey, int place)
    {
        var (first, second) = Keys(rowKey, place);
        return Mix(Mix((uint)column ^ first) ^ second) >= Threshold(rate);
    }

    private static uint Threshold(float rate) => (uint)Math.Min(Math.Round(rate * 4294967296.0), uint.MaxValue);

    private static (uint First, uint Second) Keys(ulong rowKey, int place)
    {
        var hash = CounterRandom.Hash(rowKey, (ulong)place);
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

    private readonly struct Job(float* x, int rows, int width, float rate, ulong* rowKeys, int place, int rowsPerPart) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            V threshold = W.CreateBits(Threshold(rate)), scale = W.Create(1 / (1 - rate)), zero = W.Create(0);
            var end = Math.Min((part + 1) * rowsPerPart, rows);
            for (var row = part * rowsPerPart; row < end; row++)
            {
                var (firstKey, secondKey) = Keys(rowKeys[row], place);
                V first = W.CreateBits(firstKey), second = W.CreateBits(secondKey);
                var from = x + (nint)row * width;
                for (var i = 0; i < width; i += W.Count)
                {
                    var bits = Mix<W, V>(W.XorBits(Mix<W, V>(W.XorBits(W.Counters((uint)i), first)), second));
                    var factor = W.Select(W.LessBits(bits, threshold), zero, scale);
                    if (i + W.Count <= width) W.Store(from + i, W.Multiply(W.Load(from + i), factor));
                    else LaneMath<W, V>.StoreFirst(from + i, W.Multiply(LaneMath<W, V>.LoadFirst(from + i, width - i), factor), width - i);
                }
            }
        }
    }
}

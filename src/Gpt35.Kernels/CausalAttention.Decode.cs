using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

public static unsafe partial class CausalAttention
{
    /// <summary>Attention of single new tokens over cached keys and values; a task's result does not depend on the others.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="q">Query of task i at q + i·qStride, (H·K,), heads side by side.</param>
    /// <param name="qStride">Floats from one query to the next.</param>
    /// <param name="keys">For each task its cache of keys, (capacity, G·K).</param>
    /// <param name="values">For each task its cache of values, (capacity, G·K).</param>
    /// <param name="lengths">Cached positions of each task, its own included, at least 1.</param>
    /// <param name="tasks">New tokens.</param>
    /// <param name="shape">Heads and window.</param>
    /// <param name="o">Receives the output of task i at o + i·oStride, (H·K,).</param>
    /// <param name="oStride">Floats from one output to the next.</param>
    public static void Decode(
        WorkerPool pool, float* q, int qStride, float** keys, float** values, int* lengths, int tasks, AttentionShape shape,
        float* o, int oStride)
    {
        // Few tasks are split by head, so that one conversation also uses all cores; but not when that costs more than it brings.
        long work = 0;
        for (var i = 0; i < tasks; i++) work += (long)shape.Reach(1, lengths[i]) * shape.Width;
        var partsPerTask = tasks < 2 * pool.Threads ? shape.Heads : 1;
        var job = new DecodeJob(q, qStride, keys, values, lengths, tasks, shape, shape.Heads / partsPerTask, o, oStride);
        if (work < WorkOfOneThread) Simd.Run(pool, 1, new WholeDecodeJob(job, tasks * partsPerTask));
        else Simd.Run(pool, tasks * partsPerTask, job);
    }

    /// <summary>Multiply-adds per product of a decoding step that are not worth waking another thread for.</summary>
    private const long WorkOfOneThread = 50_000;

    private readonly struct WholeDecodeJob(DecodeJob job, int parts) : ITieredJob
    {
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            for (var i = 0; i < parts; i++) job.Run<W, V>(i);
        }
    }

    private readonly struct DecodeJob(
        float* q, int qStride, float** keys, float** values, int* lengths, int tasks, AttentionShape shape, int headsPerPart,
        float* o, int oStride) : ITieredJob
    {
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var partsPerTask = shape.Heads / headsPerPart;
            int task = part / partsPerTask, firstHead = part % partsPerTask * headsPerPart;
            if (task >= tasks) return;
            int size = shape.HeadSize, stride = shape.KeyValueWidth, firstKey = shape.FirstKey(lengths[task] - 1), seen = lengths[task] - firstKey;
            var scores = Scratch.ForPart(seen + W.Count);
            for (var head = firstHead; head < firstHead + headsPerPart; head++)
            {
                var from = (nint)firstKey * stride + head / shape.HeadsPerGroup * size;
                Scores<W, V>(q + (nint)task * qStride + head * size, keys[task] + from, stride, size, seen, scores);
                Softmax<W, V>(scores, seen, shape.Scale);
                Mix<W, V>(scores, values[task] + from, stride, size, seen, o + (nint)task * oStride + head * size);
            }
        }
    }

    /// <summary>Turns n scores into softmax(scale·scores), up to a whole vector of them (0 beyond n).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Softmax<W, V>(float* scores, int n, float scale) where W : struct, ILanes<V> where V : unmanaged
    {
        V mask = W.FirstLanes(n % W.Count), lowest = W.Create(float.NegativeInfinity), largest = lowest, zero = W.Create(0);
        var whole = n / W.Count * W.Count;
        for (var j = 0; j < whole; j += W.Count) largest = W.Max(largest, W.Load(scores + j));
        if (whole < n) largest = W.Max(largest, W.Select(mask, W.Load(scores + whole), lowest));

        V factor = W.Create(scale), minusMax = W.Create(-W.Max(largest) * scale), sum = zero;
        for (var j = 0; j < whole; j += W.Count)
        {
            var p = LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(scores + j), factor, minusMax));
            sum = W.Add(sum, p);
            W.Store(scores + j, p);
        }
        if (whole < n)
        {
            var p = W.Select(mask, LaneMath<W, V>.Exp(W.MultiplyAdd(W.Load(scores + whole), factor, minusMax)), zero);
            sum = W.Add(sum, p);
            W.Store(scores + whole, p);
        }
        var inverse = W.Create(1 / W.Sum(sum));
        for (var j = 0; j < n; j += W.Count) W.Store(scores + j, W.Multiply(W.Load(scores + j), inverse));
    }

    /// <summary>scores_j = q·k_j, four keys at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scores<W, V>(float* q, float* keys, int stride, int size, int length, float* scores)
        where W : struct, ILanes<V> where V : unmanaged
    {
        var j = 0;
        if (size % W.Count == 0)
            for (; j + 4 <= length; j += 4, keys += 4 * (nint)stride)
            {
                V a = W.Create(0), b = a, c = a, d = a;
                for (var i = 0; i < size; i += W.Count)
                {
                    var x = W.Load(q + i);
                    a = W.MultiplyAdd(x, W.Load(keys + i), a);
                    b = W.MultiplyAdd(x, W.Load(keys + stride + i), b);
                    c = W.MultiplyAdd(x, W.Load(keys + 2 * (nint)stride + i), c);
                    d = W.MultiplyAdd(x, W.Load(keys + 3 * (nint)stride + i), d);
                }
                scores[j] = W.Sum(a);
                scores[j + 1] = W.Sum(b);
                scores[j + 2] = W.Sum(c);
                scores[j + 3] = W.Sum(d);
            }
        for (; j < length; j++, keys += stride) scores[j] = Dot<W, V>(q, keys, size);
    }

    /// <summary>o = Σ_j weights_j·v_j, the even and the odd positions in sums of their own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mix<W, V>(float* weights, float* values, int stride, int size, int length, float* o)
        where W : struct, ILanes<V> where V : unmanaged
    {
        var i = 0;
        for (; i + 2 * W.Count <= size; i += 2 * W.Count)
        {
            V a = W.Create(0), b = a, c = a, d = a;
            var row = values + i;
            var j = 0;
            for (; j + 2 <= length; j += 2, row += 2 * (nint)stride)
            {
                V even = W.Create(weights[j]), odd = W.Create(weights[j + 1]);
                a = W.MultiplyAdd(even, W.Load(row), a);
                b = W.MultiplyAdd(even, W.Load(row + W.Count), b);
                c = W.MultiplyAdd(odd, W.Load(row + stride), c);
                d = W.MultiplyAdd(odd, W.Load(row + stride + W.Count), d);
            }
            if (j < length)
            {
                a = W.MultiplyAdd(W.Create(weights[j]), W.Load(row), a);
                b = W.MultiplyAdd(W.Create(weights[j]), W.Load(row + W.Count), b);
            }
            W.Store(o + i, W.Add(a, c));
            W.Store(o + i + W.Count, W.Add(b, d));
        }
        for (; i < size; i += W.Count)
        {
            var count = Math.Min(W.Count, size - i);
            var sum = W.Create(0);
            for (var j = 0; j < length; j++)
            {
                var v = count == W.Count ? W.Load(values + (nint)j * stride + i) : LaneMath<W, V>.LoadFirst(values + (nint)j * stride + i, count);
                sum = W.MultiplyAdd(W.Create(weights[j]), v, sum);
            }
            if (count == W.Count) W.Store(o + i, sum);
            else LaneMath<W, V>.StoreFirst(o + i, sum, count);
        }
    }
}

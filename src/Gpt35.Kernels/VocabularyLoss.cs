using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>
/// What the losses need of the next-token distribution p = softmax(logits/τ): log p of the target and the entropy H = −Σ p·log p, in nats,
/// and the way back from their gradients to the logits.
/// </summary>
public static unsafe class VocabularyLoss
{
    private const int RowsPerPart = 4;

    /// <param name="pool">Threads to use.</param>
    /// <param name="logits">(N, V), column stride 1.</param>
    /// <param name="targets">(N,), each below V.</param>
    /// <param name="temperature">τ &gt; 0.</param>
    /// <param name="logProb">Receives log p[target], (N,).</param>
    /// <param name="entropy">Receives H, (N,), or null.</param>
    /// <param name="lse">Receives log Σ exp(logits/τ), (N,), which the backward pass needs.</param>
    public static void Forward(WorkerPool pool, Matrix logits, int* targets, float temperature, float* logProb, float* entropy, float* lse)
    {
        Check(logits, temperature);
        Simd.Run(pool, Simd.Pieces(logits.RowCount, RowsPerPart), new ForwardJob(logits, targets, temperature, logProb, entropy, lse));
    }

    /// <summary>Overwrites the logits with ∂loss/∂logits = (dLogProb·(onehot − p) − dEntropy·p·(log p + H))/τ.</summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="logits">(N, V), column stride 1: the logits in, their gradient out.</param>
    /// <param name="targets">(N,).</param>
    /// <param name="temperature">τ of the forward pass.</param>
    /// <param name="lse">(N,), from the forward pass.</param>
    /// <param name="entropy">(N,), from the forward pass; unread when dEntropy is null.</param>
    /// <param name="dLogProb">(N,), or null for zeros.</param>
    /// <param name="dEntropy">(N,), or null for zeros.</param>
    public static void Backward(
        WorkerPool pool, Matrix logits, int* targets, float temperature, float* lse, float* entropy, float* dLogProb, float* dEntropy)
    {
        Check(logits, temperature);
        if (dEntropy != null && entropy == null)
            throw new ArgumentException("The gradient of the entropy needs the entropy of the forward pass.", nameof(entropy));
        Simd.Run(pool, Simd.Pieces(logits.RowCount, RowsPerPart),
            new BackwardJob(logits, targets, temperature, lse, entropy, dLogProb, dEntropy));
    }

    /// <summary>log Σ e^((z − max)/τ) of one row, with the bits it has in <see cref="Forward"/>, on the calling thread.</summary>
    /// <param name="logits">z, (V,).</param>
    /// <param name="max">The largest of them.</param>
    /// <param name="temperature">τ &gt; 0.</param>
    /// <param name="weights">Receives e^((z − max)/τ), (V,); empty: not wanted.</param>
    public static float LogSum(ReadOnlySpan<float> logits, float max, float temperature, Span<float> weights = default)
    {
        if (!weights.IsEmpty && weights.Length != logits.Length) throw new ArgumentException($"{logits.Length} logits and room for {weights.Length} weights.", nameof(weights));
        var scale = 1 / temperature;
        fixed (float* z = logits, e = weights)
            return MathF.Log(Simd.Tier switch
            {
                SimdTier.Vector512 => ForwardJob.Sums<Lanes512, Vector512<float>>(z, logits.Length, max, scale, e).Sum,
                SimdTier.Vector256 => ForwardJob.Sums<Lanes256, Vector256<float>>(z, logits.Length, max, scale, e).Sum,
                _ => ForwardJob.Sums<Lanes128, Vector128<float>>(z, logits.Length, max, scale, e).Sum,
            });
    }

    /// <summary>log p of a token: (z − max)/τ less the logarithm that <see cref="LogSum"/> gives.</summary>
    public static float LogProb(float logit, float max, float temperature, float logSum) => (logit - max) / temperature - logSum;

    /// <summary>The definition, for one row.</summary>
    internal static (double LogProb, double Entropy) Reference(ReadOnlySpan<double> logits, int target, double temperature)
    {
        double max = double.NegativeInfinity, sum = 0, entropy = 0;
        foreach (var logit in logits) max = Math.Max(max, logit / temperature);
        foreach (var logit in logits) sum += Math.Exp(logit / temperature - max);
        var lse = max + Math.Log(sum);
        foreach (var logit in logits) entropy -= Math.Exp(logit / temperature - lse) * (logit / temperature - lse);
        return (logits[target] / temperature - lse, entropy);
    }

    private static void Check(Matrix logits, float temperature)
    {
        if (logits.ColumnStride != 1) throw new ArgumentException($"The logits ({logits}) must have column stride 1.", nameof(logits));
        if (!(temperature > 0)) throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "A temperature is above 0.");
    }

    private readonly struct ForwardJob(Matrix logits, int* targets, float temperature, float* logProb, float* entropy, float* lse) : ITieredJob
    {
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            for (var row = part * RowsPerPart; row < Math.Min((part + 1) * RowsPerPart, logits.RowCount); row++)
            {
                var z = logits.Data + (nint)row * logits.RowStride;
                var max = Largest<W, V>(z, logits.ColumnCount);
                var (sum, weighted) = Sums<W, V>(z, logits.ColumnCount, max, 1 / temperature, null);
                var logSum = MathF.Log(sum);
                lse[row] = max / temperature + logSum;
                logProb[row] = LogProb(z[targets[row]], max, temperature, logSum);
                if (entropy != null) entropy[row] = logSum - weighted / sum;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Largest<W, V>(float* z, int n) where W : struct, ILanes<V> where V : unmanaged
        {
            V first = W.Create(float.NegativeInfinity), second = first;
            var j = 0;
            for (; j + 2 * W.Count <= n; j += 2 * W.Count)
            {
                first = W.Max(first, W.Load(z + j));
                second = W.Max(second, W.Load(z + j + W.Count));
            }
            var max = W.Max(W.Max(first, second));
            for (; j < n; j++) max = Math.Max(max, z[j]);
            return max;
        }

        /// <summary>Σ e^d and Σ e^d·d with d = (z − max)/τ, and e^d itself where it is wanted, (n,), else null.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        internal static (float Sum, float Weighted) Sums<W, V>(float* z, int n, float max, float scale, float* weights)
            where W : struct, ILanes<V> where V : unmanaged
        {
            V top = W.Create(max), factor = W.Create(scale), zero = W.Create(0), sum = zero, weighted = zero;
            var j = 0;
            for (; j + W.Count <= n; j += W.Count)
            {
                var d = W.Multiply(W.Subtract(W.Load(z + j), top), factor);
                var e = LaneMath<W, V>.Exp(d);
                sum = W.Add(sum, e);
                weighted = W.MultiplyAdd(e, d, weighted);
                if (weights != null) W.Store(weights + j, e);
            }
            if (j < n)
            {
                var mask = W.FirstLanes(n - j);
                var d = W.Multiply(W.Subtract(LaneMath<W, V>.LoadFirst(z + j, n - j), top), factor);
                var e = W.Select(mask, LaneMath<W, V>.Exp(d), zero);
                sum = W.Add(sum, e);
                weighted = W.Select(mask, W.MultiplyAdd(e, d, weighted), weighted);
                if (weights != null) LaneMath<W, V>.StoreFirst(weights + j, e, n - j);
            }
            return (W.Sum(sum), W.Sum(weighted));
        }
    }

    private readonly struct BackwardJob(
        Matrix logits, int* targets, float temperature, float* lse, float* entropy, float* dLogProb, float* dEntropy) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var n = logits.ColumnCount;
            var scale = 1 / temperature;
            for (var row = part * RowsPerPart; row < Math.Min((part + 1) * RowsPerPart, logits.RowCount); row++)
            {
                var z = logits.Data + (nint)row * logits.RowStride;
                float ofLogProb = dLogProb == null ? 0 : dLogProb[row], ofEntropy = dEntropy == null ? 0 : dEntropy[row];
                // Per unit of p: −(dLogProb + dEntropy·(log p + H))/τ.
                var constant = -(ofLogProb + (ofEntropy == 0 ? 0 : ofEntropy * entropy[row])) * scale;
                V factor = W.Create(scale), minusLse = W.Create(-lse[row]), c = W.Create(constant), s = W.Create(-ofEntropy * scale);
                var j = 0;
                for (; j + W.Count <= n; j += W.Count)
                {
                    var logP = W.MultiplyAdd(W.Load(z + j), factor, minusLse);
                    W.Store(z + j, W.Multiply(LaneMath<W, V>.Exp(logP), W.MultiplyAdd(s, logP, c)));
                }
                if (j < n)
                {
                    var logP = W.MultiplyAdd(LaneMath<W, V>.LoadFirst(z + j, n - j), factor, minusLse);
                    LaneMath<W, V>.StoreFirst(z + j, W.Multiply(LaneMath<W, V>.Exp(logP), W.MultiplyAdd(s, logP, c)), n - j);
                }
                z[targets[row]] += ofLogProb * scale;
            }
        }
    }
}

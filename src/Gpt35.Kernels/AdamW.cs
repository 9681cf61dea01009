using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), one pass over the four buffers.</summary>
public static unsafe class AdamW
{
    private const int Chunk = 8192;

    /// <summary>
    /// g ← gradientScale·g; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²;
    /// w ← w − lr·(m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε) + weightDecay·w). The gradient buffer itself stays as it is.
    /// </summary>
    /// <param name="pool">Threads to use.</param>
    /// <param name="w">Weights, (n,), updated.</param>
    /// <param name="g">Gradient, (n,).</param>
    /// <param name="m">First moment, (n,), updated.</param>
    /// <param name="v">Second moment, (n,), updated.</param>
    /// <param name="n">Elements.</param>
    /// <param name="lr">Learning rate of this step.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Added to the root of the second moment.</param>
    /// <param name="weightDecay">Decay per unit of learning rate.</param>
    /// <param name="step">t, counted from 1.</param>
    /// <param name="gradientScale">Factor on the gradient: clipping, averaging.</param>
    public static void Step(
        WorkerPool pool, float* w, float* g, float* m, float* v, long n,
        float lr, float beta1, float beta2, float eps, float weightDecay, int step, float gradientScale)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        var rate = (float)(lr / (1 - Math.Pow(beta1, step)));
        var secondScale = (float)(1 / (1 - Math.Pow(beta2, step)));
        Simd.Run(pool, Simd.Pieces(n, Chunk),
            new Job(w, g, m, v, n, new Constants(rate, beta1, beta2, eps, 1 - lr * weightDecay, secondScale, gradientScale)));
    }

    /// <summary>The definition, for one weight.</summary>
    internal static void Reference(
        ref double w, double g, ref double m, ref double v, double lr, double beta1, double beta2, double eps, double weightDecay, int step)
    {
        m = beta1 * m + (1 - beta1) * g;
        v = beta2 * v + (1 - beta2) * g * g;
        double first = m / (1 - Math.Pow(beta1, step)), second = v / (1 - Math.Pow(beta2, step));
        w -= lr * (first / (Math.Sqrt(second) + eps) + weightDecay * w);
    }

    private readonly record struct Constants(
        float Rate, float Beta1, float Beta2, float Eps, float Keep, float SecondScale, float GradientScale);

    private readonly struct Job(float* w, float* g, float* m, float* v, long n, Constants constants) : ITieredJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged
        {
            var rule = new Rule<W, V>(constants);
            var i = (long)part * Chunk;
            var end = Math.Min(i + Chunk, n);
            for (; i + W.Count <= end; i += W.Count)
            {
                V weight = W.Load(w + i), first = W.Load(m + i), second = W.Load(v + i);
                rule.Apply(ref weight, W.Load(g + i), ref first, ref second);
                W.Store(w + i, weight);
                W.Store(m + i, first);
                W.Store(v + i, second);
            }
            if (i < end) Tail(rule, i, (int)(end - i));
        }

        private void Tail<W, V>(in Rule<W, V> rule, long i, int count) where W : struct, ILanes<V> where V : unmanaged
        {
            V weight = LaneMath<W, V>.LoadFirst(w + i, count), gradient = LaneMath<W, V>.LoadFirst(g + i, count);
            V first = LaneMath<W, V>.LoadFirst(m + i, count), second = LaneMath<W, V>.LoadFirst(v + i, count);
            rule.Apply(ref weight, gradient, ref first, ref second);
            LaneMath<W, V>.StoreFirst(w + i, weight, count);
            LaneMath<W, V>.StoreFirst(m + i, first, count);
            LaneMath<W, V>.StoreFirst(v + i, second, count);
        }
    }

    private readonly struct Rule<W, V>(Constants k) where W : struct, ILanes<V> where V : unmanaged
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal void Apply(ref V weight, V gradient, ref V first, ref V second)
        {
            var g = W.Multiply(gradient, W.Create(k.GradientScale));
            first = W.MultiplyAdd(W.Create(k.Beta1), first, W.Multiply(W.Create(1 - k.Beta1), g));
            second = W.MultiplyAdd(W.Create(k.Beta2), second, W.Multiply(W.Create(1 - k.Beta2), W.Multiply(g, g)));
            var root = W.Add(W.Sqrt(W.Multiply(second, W.Create(k.SecondScale))), W.Create(k.Eps));
            weight = W.MultiplyAdd(W.Create(-k.Rate), W.Divide(first, root), W.Multiply(weight, W.Create(k.Keep)));
        }
    }
}

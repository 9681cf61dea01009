using System.Numerics.Tensors;

namespace Gpt35.Inference;

/// <summary>
/// Chooses the next token. With logits l, temperature T and ids in order of falling probability (equal ones by rising id):
/// <list type="bullet">
/// <item>p_i = exp(l_i / T) / Σ_j exp(l_j / T); T = 0 is greedy: the first id.</item>
/// <item>top-k keeps the first k ids (Fan et al. 2018);</item>
/// <item>top-p then keeps the shortest beginning of what is left that holds at least p of its probability (Holtzman et al. 2020, eq. 2);</item>
/// <item>what is kept is scaled to sum 1, and the id is the first whose cumulative probability exceeds u.</item>
/// </list>
/// Its only state is scratch memory, so a choice depends on its arguments alone. Allocates nothing per token. Not for use by two threads at once.
/// </summary>
public sealed class Sampler
{
    private const int BlockSize = 256;
    private const int FirstNucleusGuess = 64;

    private readonly SamplingOptions options;
    private readonly float scale;          // 1 / T
    private readonly float[] weights;      // (V,) exp((l_i − max l) / T)
    private readonly double[] blockSums;   // (⌈V / BlockSize⌉,) of the weights
    private readonly ulong[] keys;         // (V,) likely ids in sort order, see Key

    /// <param name="options">Temperature, top-k and top-p; the rest is the engine's.</param>
    /// <param name="vocabSize">V.</param>
    /// <exception cref="ArgumentException">An option is outside its range.</exception>
    public Sampler(SamplingOptions options, int vocabSize)
    {
        if (options.Problem() is { } problem) throw new ArgumentException(problem, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabSize, 1);
        this.options = options;
        scale = options.Temperature == 0 ? 1 : (float)Math.Min(1 / options.Temperature, float.MaxValue);
        weights = new float[vocabSize];
        blockSums = new double[(vocabSize + BlockSize - 1) / BlockSize];
        keys = new ulong[vocabSize];
    }

    /// <summary>The next token.</summary>
    /// <param name="logits">(V,)</param>
    /// <param name="u">A uniform random number, 0 ≤ u &lt; 1. Unused when greedy.</param>
    /// <param name="logProb">log p of the chosen token at the sampling temperature, before top-k and top-p (temperature 1 when greedy), in nats.</param>
    /// <exception cref="InvalidDataException">The logits hold a value that is not a number, or infinity.</exception>
    public int Next(ReadOnlySpan<float> logits, double u, out float logProb)
    {
        if (logits.Length != weights.Length) throw new ArgumentException($"{logits.Length} logits for a vocabulary of {weights.Length}.", nameof(logits));
        var best = TensorPrimitives.IndexOfMax(logits);
        var max = logits[best];
        if (!float.IsFinite(max))
            throw new InvalidDataException($"The model's logits hold {max} at token {best}; its weights are damaged, or its training diverged. Use an earlier checkpoint.");

        TensorPrimitives.Subtract(logits, max, weights);
        TensorPrimitives.Multiply(weights, scale, weights);
        TensorPrimitives.Exp(weights, weights);
        var total = SumBlocks();
        var token = options.Temperature == 0 ? best : Draw(logits, total, u);
        // A draw can only run past the last likely token by rounding; the most likely one is then as good as any.
        if (weights[token] == 0) token = best;
        logProb = (float)(((double)logits[token] - max) * scale - Math.Log(total));
        return token;
    }

    private int Draw(ReadOnlySpan<float> logits, double total, double u)
    {
        if (options.TopK > 0 && options.TopK < weights.Length)
        {
            var top = Top(logits, options.TopK);
            var mass = 0.0;
            for (var i = top.Length - 1; i >= 0; i--) mass += weights[Id(top[i])];
            TryNucleus(top, options.TopP * mass, u, out var token);
            return token;
        }
        if (options.TopP == 1) return DrawFromAll(total, u);
        for (var guess = FirstNucleusGuess; ; guess *= 8)
        {
            var all = guess >= weights.Length;
            if (TryNucleus(Top(logits, all ? weights.Length : guess), options.TopP * total, u, out var token) || all) return token;
        }
    }

    /// <summary>Draws from the first ids of <paramref name="top"/> (best last) that together reach <paramref name="mass"/>; false when all of them do not.</summary>
    private bool TryNucleus(ReadOnlySpan<ulong> top, double mass, double u, out int token)
    {
        var kept = 0;
        var sum = 0.0;
        while (kept < top.Length && sum < mass) sum += weights[Id(top[^++kept])];
        var rest = u * sum;
        var i = 1;
        while (i < kept && rest >= weights[Id(top[^i])]) rest -= weights[Id(top[^i++])];
        token = Id(top[^i]);
        return sum >= mass;
    }

    private int DrawFromAll(double total, double u)
    {
        var rest = u * total;
        var block = 0;
        while (block < blockSums.Length - 1 && rest >= blockSums[block]) rest -= blockSums[block++];
        var token = block * BlockSize;
        var last = Math.Min(token + BlockSize, weights.Length) - 1;
        while (token < last && rest >= weights[token]) rest -= weights[token++];
        return token;
    }

    /// <summary>Sums in a fixed order: results must not depend on where the buffer lies in memory, as library reductions may.</summary>
    private double SumBlocks()
    {
        var total = 0.0;
        for (var block = 0; block < blockSums.Length; block++)
        {
            var span = weights.AsSpan(block * BlockSize, Math.Min(BlockSize, weights.Length - block * BlockSize));
            double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
            var i = 0;
            for (; i + 4 <= span.Length; i += 4)
            {
                s0 += span[i];
                s1 += span[i + 1];
                s2 += span[i + 2];
                s3 += span[i + 3];
            }
            for (; i < span.Length; i++) s0 += span[i];
            total += blockSums[block] = s0 + s1 + (s2 + s3);
        }
        return total;
    }

    /// <summary>
    /// Keys of the k most likely ids, ascending. Partial selection: candidates above the k-th best so far collect in a buffer of 2k, which
    /// is sorted and halved when full, so the cost is about one pass over the logits.
    /// </summary>
    private ReadOnlySpan<ulong> Top(ReadOnlySpan<float> logits, int k)
    {
        var buffer = keys.AsSpan(0, (int)Math.Min(2L * k, keys.Length));
        var count = 0;
        var threshold = 0UL;
        var floor = float.NegativeInfinity;   // logit of the threshold: one comparison turns most ids away
        for (var id = 0; id < logits.Length; id++)
        {
            if (logits[id] < floor) continue;
            var key = Key(logits[id], id);
            if (key <= threshold) continue;
            if (count == buffer.Length)
            {
                buffer.Sort();
                buffer[^k..].CopyTo(buffer);
                count = k;
                threshold = buffer[0];
                floor = logits[Id(threshold)];
                if (key <= threshold) continue;
            }
            buffer[count++] = key;
        }
        buffer = buffer[..count];
        buffer.Sort();
        return buffer[^k..];
    }

    /// <summary>A number that sorts ids by logit, equal logits by falling id: the order-preserving bits of the float, then the complement of the id.</summary>
    private static ulong Key(float logit, int id)
    {
        var bits = BitConverter.SingleToUInt32Bits(logit + 0f);   // + 0 makes −0 and 0 equal
        var ordered = (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
        return (ulong)ordered << 32 | ~(uint)id;
    }

    private static int Id(ulong key) => (int)~(uint)key;
}

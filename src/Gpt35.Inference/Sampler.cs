using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using Gpt35.Kernels;

namespace Gpt35.Inference;

/// <summary>
/// Chooses the next token. With logits l, temperature T and ids in order of falling probability (equal ones by rising id):
/// <list type="bullet">
/// <item>p_i = exp(l_i / T) / Σ_j exp(l_j / T); T = 0 is greedy: the first id.</item>
/// <item>top-k keeps the first k ids (Fan et al. 2018);</item>
/// <item>top-p keeps the shortest beginning of what is left that holds at least p of its probability (Holtzman et al. 2020, eq. 2);</item>
/// <item>min-p then keeps the ids with p_i ≥ m · max p (Nguyen et al. 2024, eq. 2);</item>
/// <item>what is kept is scaled to sum 1, and the id is the first whose cumulative probability exceeds u.</item>
/// </list>
/// Log-probabilities have the bits of the training forward pass, <see cref="VocabularyLoss"/>.
/// Its only state is scratch memory, so a choice depends on its arguments alone. Allocates nothing per token. For any number of threads.
/// </summary>
public sealed class Sampler
{
    private const int FirstNucleusGuess = 64;
    /// <summary>Below it, 1 / T is no float.</summary>
    private const double LeastTemperature = 1e-38;

    private readonly SamplingOptions options;
    private readonly SamplerMemories memories;
    private readonly float temperature;    // T; 1 when greedy

    /// <param name="options">Temperature, top-k, top-p and min-p; the rest is the engine's.</param>
    /// <param name="vocabSize">V.</param>
    /// <exception cref="ArgumentException">An option is outside its range.</exception>
    public Sampler(SamplingOptions options, int vocabSize) : this(options, new SamplerMemories(vocabSize))
    {
    }

    internal Sampler(SamplingOptions options, SamplerMemories memories)
    {
        if (options.Problem() is { } problem) throw new ArgumentException(problem, nameof(options));
        (this.options, this.memories) = (options, memories);
        temperature = options.Temperature == 0 ? 1 : (float)Math.Max(options.Temperature, LeastTemperature);
    }

    /// <summary>The next token.</summary>
    /// <param name="logits">(V,)</param>
    /// <param name="u">A uniform random number, 0 ≤ u &lt; 1. Unused when greedy.</param>
    /// <param name="logProb">log p of the chosen token at the sampling temperature, before top-k, top-p and min-p (temperature 1 when greedy), in nats.</param>
    /// <exception cref="InvalidDataException">The logits hold a value that is not a number, or infinity.</exception>
    public int Next(ReadOnlySpan<float> logits, double u, out float logProb)
    {
        var memory = memories.Rent();
        try
        {
            return Next(logits, u, memory, out logProb);
        }
        finally
        {
            memories.Return(memory);
        }
    }

    internal int Next(ReadOnlySpan<float> logits, double u, SamplerMemory memory, out float logProb)
    {
        var max = MaxOf(logits);
        float logSum;
        int token;
        if (options.Temperature == 0)
        {
            logSum = VocabularyLoss.LogSum(logits, max, temperature);
            token = FirstOf(logits, max);
        }
        else
        {
            logSum = VocabularyLoss.LogSum(logits, max, temperature, memory.Weights);
            token = Draw(logits, max, WeightSums.Blocks(memory.Weights, memory.BlockSums), u, memory);
            // A draw can only run past the last likely token by rounding; the most likely one is then as good as any.
            if (memory.Weights[token] == 0) token = FirstOf(logits, max);
        }
        logProb = VocabularyLoss.LogProb(logits[token], max, temperature, logSum);
        return token;
    }

    /// <summary>log p of a token at the sampling temperature (1 when greedy), as <see cref="Next(ReadOnlySpan{float}, double, out float)"/> would give it.</summary>
    internal float LogProbability(ReadOnlySpan<float> logits, int token)
    {
        var max = MaxOf(logits);
        return VocabularyLoss.LogProb(logits[token], max, temperature, VocabularyLoss.LogSum(logits, max, temperature));
    }

    /// <summary>log p at temperature 1 of one token and of the most likely ones, best first.</summary>
    /// <param name="logits">(V,)</param>
    /// <param name="token">The token.</param>
    /// <param name="top">Receives the most likely tokens, (n,) with n at most V.</param>
    /// <param name="memory">Scratch.</param>
    /// <returns>log p of the token; the same bits as in <paramref name="top"/> where it is among them.</returns>
    internal float LogProbabilities(ReadOnlySpan<float> logits, int token, Span<TokenLogProb> top, SamplerMemory memory)
    {
        var max = MaxOf(logits);
        var logSum = VocabularyLoss.LogSum(logits, max, 1);
        if (top.Length > 0)
        {
            var keys = TokenKey.Top(logits, top.Length, memory.Keys);
            for (var i = 0; i < top.Length; i++)
            {
                var id = TokenKey.Id(keys[^(i + 1)]);
                top[i] = new TokenLogProb(id, VocabularyLoss.LogProb(logits[id], max, 1, logSum));
            }
        }
        return VocabularyLoss.LogProb(logits[token], max, 1, logSum);
    }

    private float MaxOf(ReadOnlySpan<float> logits)
    {
        if (logits.Length != memories.VocabSize) throw new ArgumentException($"{logits.Length} logits for a vocabulary of {memories.VocabSize}.", nameof(logits));
        var max = TensorPrimitives.Max(logits);
        return float.IsFinite(max) ? max : throw new InvalidDataException(
            $"The model's logits hold {max} at token {TensorPrimitives.IndexOfMax(logits)}; its weights are damaged, or its training diverged. Use an earlier checkpoint.");
    }

    /// <summary>The first id with that logit.</summary>
    private static int FirstOf(ReadOnlySpan<float> logits, float value)
    {
        var i = 0;
        for (; i + Vector<float>.Count <= logits.Length; i += Vector<float>.Count)
            if (Vector.EqualsAny(new Vector<float>(logits[i..]), new Vector<float>(value))) break;
        while (logits[i] != value) i++;
        return i;
    }

    private int Draw(ReadOnlySpan<float> logits, float max, double total, double u, SamplerMemory memory)
    {
        var weights = memory.Weights;
        var floor = (float)options.MinP;   // the largest weight is 1
        if (options.TopK > 0 && options.TopK < weights.Length)
        {
            var top = TokenKey.Top(logits, options.TopK, memory.Keys);
            var mass = 0.0;
            for (var i = top.Length - 1; i >= 0; i--) mass += weights[TokenKey.Id(top[i])];
            TryNucleus(top, weights, options.TopP * mass, floor, u, out var token);
            return token;
        }
        if (options.TopP < 1) return DrawFromNucleus(logits, max, options.TopP * total, floor, u, memory);
        return DrawFromAll(floor == 0 ? total : KeepAbove(floor, memory), u, memory);
    }

    private int DrawFromNucleus(ReadOnlySpan<float> logits, float max, double mass, float floor, double u, SamplerMemory memory)
    {
        var weights = memory.Weights;
        if (TryNucleus(TokenKey.Top(logits, Math.Min(FirstNucleusGuess, weights.Length), memory.Keys), weights, mass, floor, u, out var token)) return token;
        var ranked = memory.Ranked;
        ranked.Spread(logits, weights, max, 1 / temperature);
        var end = ranked.Find(logits, weights, mass, beyond: false, memory.Keys, out var kept);
        // Both are beginnings of the same order, so the lighter one is the shorter one.
        if (floor > 0) kept = Math.Min(kept, KeepAbove(floor, memory));
        token = ranked.Find(logits, weights, u * kept, beyond: true, memory.Keys, out _);
        return TokenKey.Of(logits[token], token) < TokenKey.Of(logits[end], end) ? end : token;   // past the end by rounding
    }

    /// <summary>Draws from the first ids of <paramref name="top"/> (best last) that together reach <paramref name="mass"/>, as far as none is lighter than <paramref name="floor"/>; false when all of them do not reach it.</summary>
    private static bool TryNucleus(ReadOnlySpan<ulong> top, float[] weights, double mass, float floor, double u, out int token)
    {
        var kept = 0;
        var sum = 0.0;
        while (kept < top.Length && sum < mass && weights[TokenKey.Id(top[^(kept + 1)])] >= floor) sum += weights[TokenKey.Id(top[^++kept])];
        var whole = kept < top.Length || sum >= mass;
        var rest = u * sum;
        var i = 1;
        while (i < kept && rest >= weights[TokenKey.Id(top[^i])]) rest -= weights[TokenKey.Id(top[^i++])];
        token = TokenKey.Id(top[^i]);
        return whole;
    }

    private static int DrawFromAll(double total, double u, SamplerMemory memory)
    {
        var rest = u * total;
        var (weights, blockSums) = (memory.Weights, memory.BlockSums);
        var block = 0;
        while (block < blockSums.Length - 1 && rest >= blockSums[block]) rest -= blockSums[block++];
        var token = block * WeightSums.BlockSize;
        var last = Math.Min(token + WeightSums.BlockSize, weights.Length) - 1;
        while (token < last && rest >= weights[token]) rest -= weights[token++];
        return token;
    }

    /// <summary>Zeroes the weights below <paramref name="floor"/>.</summary>
    /// <returns>The sum of the others.</returns>
    private static double KeepAbove(float floor, SamplerMemory memory)
    {
        var weights = memory.Weights;
        var (i, floors) = (0, Vector256.Create(floor));
        for (; i + 8 <= weights.Length; i += 8)
        {
            var eight = Vector256.Create(weights, i);
            (eight & Vector256.GreaterThanOrEqual(eight, floors)).CopyTo(weights, i);
        }
        for (; i < weights.Length; i++) weights[i] = weights[i] >= floor ? weights[i] : 0;
        return WeightSums.Blocks(weights, memory.BlockSums);
    }
}

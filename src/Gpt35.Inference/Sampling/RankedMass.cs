using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace Gpt35.Inference;

/// <summary>
/// Cumulative weight in order of falling probability, without sorting the vocabulary: tokens fall into buckets by their distance from the
/// likeliest one, and only the bucket in which the answer lies is sorted (or split again, while it is large).
/// </summary>
internal sealed class RankedMass(int vocabSize)
{
    private const int BucketCount = 512;
    private const int SmallEnough = 192;

    /// <summary>exp(−24) = 4e−11: what is rarer shares the last bucket.</summary>
    private const float Reach = 24;

    private const int Lanes = 4;

    private readonly double[] lanes = new double[Lanes * BucketCount];
    private readonly double[] first = new double[BucketCount];     // weight of each bucket, of all tokens
    private readonly double[] inner = new double[BucketCount];     // the same within one of them
    private readonly int[] buckets = new int[vocabSize];           // bucket of each token

    /// <summary>Sorts all tokens into buckets; comes before <see cref="Find"/>.</summary>
    /// <param name="logits">(V,)</param>
    /// <param name="weights">exp((l − max l) / T), (V,).</param>
    /// <param name="max">The largest logit.</param>
    /// <param name="scale">1 / T</param>
    public void Spread(ReadOnlySpan<float> logits, ReadOnlySpan<float> weights, float max, float scale)
    {
        var min = TensorPrimitives.Min(logits);
        var reach = Math.Min(Reach / scale, max - min);
        var perBucket = reach > 0 ? Math.Min(BucketCount / reach, float.MaxValue) : 0;
        var (top, factor, last) = (Vector256.Create(max), Vector256.Create(perBucket), Vector256.Create(BucketCount - 1f));
        var id = 0;
        for (; id + 8 <= logits.Length; id += 8)
            Vector256.ConvertToInt32(Vector256.Min((top - Vector256.Create(logits.Slice(id, 8))) * factor, last)).CopyTo(buckets, id);
        for (; id < logits.Length; id++) buckets[id] = (int)Math.Min((max - logits[id]) * perBucket, BucketCount - 1f);
        Add(weights);
    }

    /// <summary>Neighbours add to lanes of their own: often they share a bucket, and would wait for each other.</summary>
    private void Add(ReadOnlySpan<float> weights)
    {
        Array.Clear(lanes);
        var id = 0;
        for (; id + Lanes <= weights.Length; id += Lanes)
        {
            lanes[buckets[id]] += weights[id];
            lanes[buckets[id + 1] + BucketCount] += weights[id + 1];
            lanes[buckets[id + 2] + 2 * BucketCount] += weights[id + 2];
            lanes[buckets[id + 3] + 3 * BucketCount] += weights[id + 3];
        }
        for (; id < weights.Length; id++) lanes[buckets[id]] += weights[id];
        for (var bucket = 0; bucket < BucketCount; bucket++)
            first[bucket] = lanes[bucket] + lanes[bucket + BucketCount] + (lanes[bucket + 2 * BucketCount] + lanes[bucket + 3 * BucketCount]);
    }

    /// <summary>The first token at which the cumulative weight reaches <paramref name="target"/>; the last token of all where it never does.</summary>
    /// <param name="logits">As in <see cref="Spread"/>, (V,).</param>
    /// <param name="weights">As in <see cref="Spread"/>, (V,).</param>
    /// <param name="target">Weight to reach.</param>
    /// <param name="beyond">Whether it must be exceeded.</param>
    /// <param name="keys">(V,) scratch.</param>
    /// <param name="sum">The cumulative weight there, the token included.</param>
    public int Find(ReadOnlySpan<float> logits, ReadOnlySpan<float> weights, double target, bool beyond, ulong[] keys, out double sum)
    {
        sum = 0;
        var bucket = Bucket(first, target, beyond, ref sum);
        var count = 0;
        var wanted = Vector256.Create(bucket);
        var id = 0;
        for (; id + 8 <= logits.Length; id += 8)
            for (var hits = Vector256.Equals(Vector256.Create(buckets.AsSpan(id, 8)), wanted).ExtractMostSignificantBits(); hits != 0; hits &= hits - 1)
                Collect(id + System.Numerics.BitOperations.TrailingZeroCount(hits), logits, weights);
        for (; id < logits.Length; id++)
            if (buckets[id] == bucket) Collect(id, logits, weights);
        var found = keys.AsSpan(0, count);
        while (found.Length > SmallEnough && Split(ref found, logits, weights, target, beyond, ref sum)) { }
        // Equal logits, collected by rising id, are in order already.
        if (!IsFalling(found))
        {
            found.Sort();
            found.Reverse();
        }
        for (var i = 0; ; i++)
        {
            sum += weights[TokenKey.Id(found[i])];
            if (i + 1 == found.Length || Reached(sum, target, beyond)) return TokenKey.Id(found[i]);
        }

        void Collect(int token, ReadOnlySpan<float> logits, ReadOnlySpan<float> weights)
        {
            if (weights[token] > 0) keys[count++] = TokenKey.Of(logits[token], token);
        }
    }

    /// <summary>Keeps of <paramref name="found"/> the part in which the target is reached; false when it cannot be told apart any further.</summary>
    private bool Split(ref Span<ulong> found, ReadOnlySpan<float> logits, ReadOnlySpan<float> weights, double target, bool beyond, ref double sum)
    {
        float low = float.MaxValue, high = float.MinValue;
        foreach (var key in found)
        {
            low = Math.Min(low, logits[TokenKey.Id(key)]);
            high = Math.Max(high, logits[TokenKey.Id(key)]);
        }
        var perBucket = BucketCount / (high - low);
        if (!float.IsFinite(perBucket)) return false;
        Array.Clear(inner);
        foreach (var key in found) inner[Inner(logits[TokenKey.Id(key)])] += weights[TokenKey.Id(key)];
        var bucket = Bucket(inner, target, beyond, ref sum);
        var kept = 0;
        foreach (var key in found)
            if (Inner(logits[TokenKey.Id(key)]) == bucket) found[kept++] = key;
        found = found[..kept];
        return true;

        int Inner(float logit) => Math.Min((int)((high - logit) * perBucket), BucketCount - 1);
    }

    /// <summary>The bucket in which the target is reached; adds those before it to the sum. Of rounding it may be none: then the last that holds anything.</summary>
    private static int Bucket(double[] mass, double target, bool beyond, ref double sum)
    {
        var last = BucketCount - 1;
        while (last > 0 && mass[last] == 0) last--;
        var bucket = 0;
        while (bucket < last && !Reached(sum + mass[bucket], target, beyond)) sum += mass[bucket++];
        while (mass[bucket] == 0) bucket++;
        return bucket;
    }

    private static bool Reached(double sum, double target, bool beyond) => beyond ? sum > target : sum >= target;

    private static bool IsFalling(ReadOnlySpan<ulong> keys)
    {
        for (var i = 1; i < keys.Length; i++)
            if (keys[i] > keys[i - 1]) return false;
        return true;
    }
}

using System.Runtime.Intrinsics;

namespace Gpt35.Inference.Constraints;

/// <summary>A set of token ids, one bit each: bit id mod 64 of word id / 64.</summary>
internal static class TokenMask
{
    private static readonly Vector256<int> LaneBits = Vector256.Create(1, 2, 4, 8, 16, 32, 64, 128);

    public static ulong[] New(int vocabSize) => new ulong[(vocabSize + 63) / 64];

    public static void Add(ulong[] mask, int id) => mask[id >> 6] |= 1UL << (id & 63);

    public static bool Has(ReadOnlySpan<ulong> mask, int id) => (uint)(id >> 6) < (uint)mask.Length && (mask[id >> 6] >> (id & 63) & 1) != 0;

    /// <summary>
    /// Copies the logits of the ids in the mask and puts −∞ at all others. A logit of −∞ in the mask becomes the least finite number: when the model
    /// rules out everything that is allowed, something allowed is drawn all the same.
    /// </summary>
    /// <param name="mask">Ids beyond its end are not in it.</param>
    /// <param name="logits">(V,)</param>
    /// <param name="masked">(V,)</param>
    public static void Apply(ReadOnlySpan<ulong> mask, ReadOnlySpan<float> logits, Span<float> masked)
    {
        var never = Vector256.Create(float.NegativeInfinity);
        var least = Vector256.Create(float.MinValue);
        for (var start = 0; start < logits.Length; start += 64)
        {
            var word = start >> 6 < mask.Length ? mask[start >> 6] : 0;
            var target = masked.Slice(start, Math.Min(64, logits.Length - start));
            if (word == 0)
            {
                target.Fill(float.NegativeInfinity);
                continue;
            }
            var lane = 0;
            for (; lane + 8 <= target.Length; lane += 8)
            {
                var bits = Vector256.Create((int)(word >> lane) & 0xFF) & LaneBits;
                var values = Vector256.Max(Vector256.Create(logits.Slice(start + lane, 8)), least);
                Vector256.ConditionalSelect(Vector256.Equals(bits, LaneBits).AsSingle(), values, never).CopyTo(target[lane..]);
            }
            for (; lane < target.Length; lane++)
                target[lane] = (word >> lane & 1) != 0 ? Math.Max(logits[start + lane], float.MinValue) : float.NegativeInfinity;
        }
    }
}

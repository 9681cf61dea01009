using System.Runtime.Intrinsics;

namespace Gpt35.Inference;

/// <summary>Numbers that sort tokens by falling probability, and the selection of the first few of them.</summary>
internal static class TokenKey
{
    /// <summary>A number that sorts ids by logit, equal logits by falling id: the order-preserving bits of the float, then the complement of the id.</summary>
    public static ulong Of(float logit, int id)
    {
        var bits = BitConverter.SingleToUInt32Bits(logit + 0f);   // + 0 makes −0 and 0 equal
        var ordered = (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
        return (ulong)ordered << 32 | ~(uint)id;
    }

    public static int Id(ulong key) => (int)~(uint)key;

    /// <summary>
    /// Keys of the k most likely ids, ascending. Partial selection: candidates above the k-th best so far collect in a buffer of 2k, which
    /// is sorted and halved when full, so the cost is about one pass over the logits, eight at a time.
    /// </summary>
    /// <param name="logits">(V,)</param>
    /// <param name="k">1 to V.</param>
    /// <param name="keys">(V,) scratch; the result is a part of it.</param>
    public static ReadOnlySpan<ulong> Top(ReadOnlySpan<float> logits, int k, ulong[] keys)
    {
        var best = new Best(k, keys);
        var id = 0;
        for (; id + Vector256<float>.Count <= logits.Length; id += Vector256<float>.Count)
        {
            var chunk = logits.Slice(id, Vector256<float>.Count);
            for (var hits = Vector256.GreaterThanOrEqual(Vector256.Create(chunk), Vector256.Create(best.Floor)).ExtractMostSignificantBits(); hits != 0; hits &= hits - 1)
            {
                var lane = System.Numerics.BitOperations.TrailingZeroCount(hits);
                best.Offer(chunk[lane], id + lane, logits);
            }
        }
        for (; id < logits.Length; id++) best.Offer(logits[id], id, logits);
        return best.Sorted();
    }

    /// <summary>The k largest keys so far, among up to k others.</summary>
    private ref struct Best(int k, ulong[] keys)
    {
        private readonly Span<ulong> buffer = keys.AsSpan(0, (int)Math.Min(2L * k, keys.Length));
        private int count;
        private ulong threshold;

        /// <summary>Logit of the threshold: one comparison turns most ids away.</summary>
        public float Floor { get; private set; } = float.NegativeInfinity;

        public void Offer(float logit, int id, ReadOnlySpan<float> logits)
        {
            if (logit < Floor) return;
            var key = Of(logit, id);
            if (key <= threshold) return;
            if (count == buffer.Length)
            {
                buffer.Sort();
                buffer[^k..].CopyTo(buffer);
                count = k;
                threshold = buffer[0];
                Floor = logits[Id(threshold)];
                if (key <= threshold) return;
            }
            buffer[count++] = key;
        }

        public readonly ReadOnlySpan<ulong> Sorted()
        {
            var found = buffer[..count];
            found.Sort();
            return found[^k..];
        }
    }
}

namespace Gpt35.Kernels.Tests;

public unsafe class PagedAttentionTests
{
    private static readonly AttentionShape[] s_shapes =
    [
        new(2, 2, 32), new(3, 3, 16), new(1, 1, 64), new(2, 2, 5), new(1, 1, 24), new(4, 2, 16), new(6, 1, 8), new(2, 2, 32, 9), new(4, 1, 5, 1), new(2, 1, 8, 30),
    ];

    public static TheoryData<SimdTier> Tiers => Support.Tiers;

    [Theory, MemberData(nameof(Tiers))]
    public void Rows_are_those_of_the_whole_sequence_and_have_the_same_bits_in_any_pieces_and_company(SimdTier tier)
    {
        foreach (var shape in s_shapes)
        {
            int[] lengths = [1, 30, 7, 64, 3, 18];
            using var batch = new CausalAttentionTests.Batch(shape, lengths);
            using Guarded expected = new(batch.Tokens * shape.Width);
            Simd.Forced = tier;
            CausalAttention.Forward(Support.Pools[0], batch.Qkv, batch.Starts, lengths.Length, shape, expected, null);
            var whole = Run(batch, shape, lengths, 2, count: 1, whole: true);
            Support.Close(Support.Widen(expected.Span), whole, 1e-5);
            Assert.Equal(whole, Run(batch, shape, lengths, 1, count: 5, whole: false));
            Assert.Equal(whole, Run(batch, shape, lengths, 2, count: 17, whole: false));
            Simd.Forced = null;
        }
    }

    /// <summary>Outputs of all rows, the tokens of every sequence fed <paramref name="count"/> at a time, or all at once.</summary>
    private static float[] Run(CausalAttentionTests.Batch batch, AttentionShape shape, int[] lengths, int pool, int count, bool whole)
    {
        int width = shape.Width, wide = shape.QkvWidth;
        // Blocks in falling order, so that neighbours in a sequence are none in memory.
        int[] tableStarts = [.. lengths.Select((_, i) => lengths[..i].Sum(KvPages.BlocksOf))];
        var blocks = lengths.Sum(KvPages.BlocksOf);
        int[] tables = [.. Enumerable.Range(0, blocks).Reverse()];
        using Guarded keys = new(blocks * KvPages.BlockTokens * shape.KeyValueWidth), values = new(blocks * KvPages.BlockTokens * shape.KeyValueWidth);
        var found = new float[batch.Tokens * width];
        for (var done = 0; done < lengths.Max(); done += whole ? lengths.Max() : count)
        {
            int[] some = [.. lengths.Select(length => Math.Clamp(length - done, 0, whole ? length : count))];
            int[] live = [.. Enumerable.Range(0, lengths.Length).Where(i => some[i] > 0)];
            int[] starts = [0, .. live.Select((_, i) => live[..(i + 1)].Sum(j => some[j]))], held = [.. live.Select(_ => done)], at = [.. live.Select(i => tableStarts[i])];
            using Guarded qkv = new(starts[^1] * wide), o = new(starts[^1] * width);
            for (var i = 0; i < live.Length; i++)
                batch.Qkv.Span.Slice((batch.Starts[live[i]] + done) * wide, some[live[i]] * wide).CopyTo(qkv.Span[(starts[i] * wide)..]);
            fixed (int* s = starts, h = held, t = tables, ts = at)
            {
                var (pages, sequences) = (new KvPages(keys, values), new PagedSequences(live.Length, s, h, t, ts));
                PagedAttention.Store(qkv, pages, sequences, shape);
                PagedAttention.Forward(Support.Pools[pool], qkv, pages, sequences, shape, o);
            }
            for (var i = 0; i < live.Length; i++)
                o.Span.Slice(starts[i] * width, some[live[i]] * width).CopyTo(found.AsSpan((batch.Starts[live[i]] + done) * width));
        }
        return found;
    }
}

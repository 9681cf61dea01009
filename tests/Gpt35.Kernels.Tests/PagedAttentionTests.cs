namespace Gpt35.Kernels.Tests;

public unsafe class PagedAttentionTests
{
    /// <summary>Few heads and many to a group, sizes of every rest, windows within a block, over blocks and over a section.</summary>
    private static readonly AttentionShape[] s_shapes =
    [
        new(2, 2, 32), new(3, 3, 16), new(1, 1, 64), new(2, 2, 5), new(1, 1, 24), new(4, 2, 16), new(6, 1, 8), new(9, 1, 6), new(2, 1, 80), new(1, 1, 128), new(6, 2, 96),
        new(2, 2, 32, 9), new(4, 1, 5, 1), new(2, 1, 8, 30), new(3, 1, 16, 260), new(8, 1, 4, 16),
    ];

    private static readonly int[] s_lengths = [1, 30, 7, 300, 3, 18, 530];

    public static TheoryData<SimdTier, KvPrecision> All =>
        [.. Support.Tiers.SelectMany(tier => Enum.GetValues<KvPrecision>().Select(precision => new TheoryDataRow<SimdTier, KvPrecision>(tier.Data, precision)))];

    [Theory, MemberData(nameof(All))]
    public void Rows_are_those_of_the_whole_sequence_and_have_the_same_bits_in_any_pieces_and_company(SimdTier tier, KvPrecision precision)
    {
        foreach (var shape in s_shapes)
        {
            using var batch = new CausalAttentionTests.Batch(shape, s_lengths);
            using Guarded expected = new(batch.Tokens * shape.Width);
            Simd.Forced = tier;
            var whole = Run(batch, shape, precision, pool: 2, count: int.MaxValue);
            Assert.Equal(whole, Run(batch, shape, precision, pool: 0, count: 5));
            Assert.Equal(whole, Run(batch, shape, precision, pool: 1, count: 1));
            Assert.Equal(whole, Run(batch, shape, precision, pool: 2, count: 17));
            Assert.Equal(whole, Run(batch, shape, precision, pool: 1, count: 150));
            Reduce(batch.Qkv.Span, shape, precision);
            CausalAttention.Forward(Support.Pools[0], batch.Qkv, batch.Starts, s_lengths.Length, shape, expected, null);
            Simd.Forced = null;
            // The scale of an int8 key meets the score, not the key's numbers.
            if (precision == KvPrecision.Int8) Support.Close(Support.Widen(expected.Span), whole, 1e-5);
            else Assert.Equal(expected.Array, whole);
        }
    }

    /// <summary>Queries as large as those of a trained model, so that a few keys hold nearly all weight.</summary>
    [Fact]
    public void Over_a_cache_and_in_training_a_row_has_the_same_bits_in_every_tier_when_attention_is_peaked()
    {
        foreach (var shape in new AttentionShape[] { new(1, 1, 32), new(2, 1, 24), new(1, 1, 5), new(2, 1, 16, 300), new(1, 1, 8, 257), new(1, 1, 16, 40) })
        {
            using var batch = new CausalAttentionTests.Batch(shape, s_lengths);
            for (var i = 0; i < batch.Tokens; i++)
                foreach (ref var q in batch.Qkv.Span.Slice(i * shape.QkvWidth, shape.Width)) q *= 8;
            List<float[]> found = [];
            foreach (var tier in Enum.GetValues<SimdTier>().Where(tier => tier <= Simd.Best))
                Support.InTier(tier, () =>
                {
                    using Guarded trained = new(batch.Tokens * shape.Width), lse = new(batch.Tokens * shape.Heads);
                    CausalAttention.Forward(Support.Pools[1], batch.Qkv, batch.Starts, s_lengths.Length, shape, trained, lse);
                    found.AddRange(trained.Array, Run(batch, shape, KvPrecision.F32, pool: 2, count: int.MaxValue), Run(batch, shape, KvPrecision.F32, pool: 0, count: 19));
                });
            Assert.All(found, o => Assert.Equal(found[0], o));
            for (var i = 0; i < batch.Values.Length; i++) batch.Values[i] = batch.Qkv.Span[i];
            batch.ForEachHead((s, h) => Support.Close(batch.Reference(s, h), [.. batch.OutputOf(found[0], s, h).Select(x => (float)x)], 1e-4));
        }
    }

    /// <summary>Keys, values and queries of N(0, 1): what a number costs when nothing of a model averages it out.</summary>
    [Theory]
    [InlineData(KvPrecision.BF16, 0.02)]
    [InlineData(KvPrecision.Int8, 0.04)]
    public void A_reduced_cache_changes_results_by_no_more_than_its_bound(KvPrecision precision, double bound)
    {
        var shape = new AttentionShape(4, 2, 64);
        using var batch = new CausalAttentionTests.Batch(shape, s_lengths);
        float[] exact = Run(batch, shape, KvPrecision.F32, pool: 1, count: 64), reduced = Run(batch, shape, precision, pool: 1, count: 64);
        double largest = 0, squares = 0;
        for (var i = 0; i < exact.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(exact[i] - reduced[i]));
            squares += Math.Pow(exact[i] - reduced[i], 2);
        }
        TestContext.Current.SendDiagnosticMessage($"{precision}: largest {largest:G3}, root mean square {Math.Sqrt(squares / exact.Length):G3}");
        Assert.InRange(largest, bound / 10, bound);
    }

    [Fact]
    public void Numbers_are_stored_as_the_precision_says()
    {
        // One head of four numbers: a key, then a value.
        float[] key = [1.00390625f, -3.0078125f, 0, 127], value = [0.5f, -0.25f, 1e-35f, 0.126f];
        Assert.Equal((float[])[1, -3, 0, 127], Stored(KvPrecision.BF16, key, value).Key);               // 1 + 2^-8 and 3 + 2^-7 are ties
        Assert.Equal((float[])[1, -3, 0, 127], Stored(KvPrecision.Int8, key, value).Key);                // scale 1
        Assert.Equal((float[])[127, -64, 0, 32], Stored(KvPrecision.Int8, key, value).Value.Select(x => MathF.Round(x * 127 / 0.5f)));
        Assert.Equal(key, Stored(KvPrecision.F32, key, value).Key);
        Assert.Equal(value, Stored(KvPrecision.F32, key, value).Value);
        Assert.Equal((float[])[0, 0, 0, 0], Stored(KvPrecision.Int8, [0, 1e-36f, -1e-38f, 0], value).Key);
    }

    [Theory]
    [InlineData(KvPrecision.F32)]
    [InlineData(KvPrecision.BF16)]
    [InlineData(KvPrecision.Int8)]
    public void What_is_no_finite_number_stays_none_and_does_not_reach_other_sequences(KvPrecision precision)
    {
        var shape = new AttentionShape(2, 1, 8);
        using var batch = new CausalAttentionTests.Batch(shape, s_lengths);
        var expected = Run(batch, shape, precision, pool: 1, count: 16);
        batch.Qkv.Span[(batch.Starts[3] + 40) * shape.QkvWidth + shape.KeyColumn(0)] = float.NaN;
        batch.Qkv.Span[(batch.Starts[1] + 20) * shape.QkvWidth + shape.ValueColumn(0) + 1] = float.PositiveInfinity;
        var found = Run(batch, shape, precision, pool: 1, count: 16);
        foreach (var (sequence, place) in ((int, int)[])[(3, 40), (1, 20)])
        {
            int row = batch.Starts[sequence] + place, end = batch.Starts[sequence] + s_lengths[sequence];
            for (var i = row; i < end; i++) Assert.Contains(found[(i * shape.Width)..((i + 1) * shape.Width)], x => !float.IsFinite(x));
            expected.AsSpan(row * shape.Width, (end - row) * shape.Width).Clear();
            found.AsSpan(row * shape.Width, (end - row) * shape.Width).Clear();
            // Rows of the same piece meet the number with a weight of zero.
            var piece = batch.Starts[sequence] + place / 16 * 16;
            expected.AsSpan(piece * shape.Width, (row - piece) * shape.Width).Clear();
            found.AsSpan(piece * shape.Width, (row - piece) * shape.Width).Clear();
        }
        Assert.Equal(expected, found);
    }

    [Fact]
    public void Parts_cover_every_row_and_head_once_and_cost_about_the_same()
    {
        foreach (var (shape, rows, held, threads) in new (AttentionShape, int[], int[], int)[]
                 {
                     (new(12, 12, 64), [1], [2000], 2), (new(12, 12, 64), [2048], [0], 4), (new(32, 8, 64), [1, 1, 512, 1, 1], [5, 700, 0, 90, 4000], 3),
                     (new(4, 4, 16), [1, 1], [2, 3], 8), (new(16, 2, 128, 100), [300, 1, 7], [1000, 10, 0], 2),
                 })
        {
            int[] starts = [0, .. rows.Select((_, i) => rows[..(i + 1)].Sum())];
            fixed (int* s = starts, h = held)
            {
                var plan = new PagedPlan(new PagedSequences(rows.Length, s, h, null, null), shape, threads);
                var met = new int[starts[^1], shape.KeyValueHeads];
                var costs = new double[plan.Parts];
                for (var part = 0; part < plan.Parts; part++)
                    foreach (var strip in StripsOf(plan, part, rows.Length))
                        for (var i = 0; i < strip.Rows; i++)
                        {
                            met[strip.Row + i, strip.Group]++;
                            costs[part] += strip.Position + i + 1 - shape.FirstKey(strip.Position + i);
                        }
                Assert.All(met.Cast<int>(), count => Assert.Equal(1, count));
                if (costs.Length > 1) Assert.InRange(costs.Max(), 0, costs.Sum() / threads * 1.4);
            }
        }
    }

    private static List<PagedStrip> StripsOf(PagedPlan plan, int part, int sequences)
    {
        var found = new List<PagedStrip>();
        var (sequence, strip) = plan.Begin(part);
        for (var end = plan.Begin(part + 1); sequence < sequences && (sequence, strip) != end; strip++)
        {
            while (sequence < sequences && strip == plan.Strips(sequence)) (sequence, strip) = (sequence + 1, 0);
            if ((sequence, strip) == end) break;
            found.Add(plan.Strip(sequence, strip));
        }
        return found;
    }

    /// <summary>What a cache holds of a token's key and value.</summary>
    private static (float[] Key, float[] Value) Stored(KvPrecision precision, float[] key, float[] value)
    {
        var layout = new KvLayout(precision, 1, key.Length);
        using Guarded keys = new(((int)layout.BlockBytes + KvLayout.BytesBehind) / sizeof(float)), values = new(keys.Length), qkv = new([.. new float[key.Length], .. key, .. value]), o = new(key.Length);
        int[] starts = [0, 1], held = [3];
        var table = 0;
        fixed (int* s = starts, h = held)
            PagedAttention.Forward(Support.Pools[0], qkv, new((byte*)keys.Pointer, (byte*)values.Pointer, layout, 1), new(1, s, h, &table, &table), new(1, 1, key.Length), o);
        float At(float* memory, int i) => precision switch
        {
            KvPrecision.F32 => memory[i],
            KvPrecision.BF16 => BitConverter.UInt32BitsToSingle((uint)((ushort*)memory)[i] << 16),
            _ => ((sbyte*)memory)[i] * memory[layout.NumbersBytes / sizeof(float) + 3],
        };
        return ([.. key.Select((_, i) => At(keys, i * 16 + 3))], [.. value.Select((_, i) => At(values, 3 * value.Length + i))]);
    }

    /// <summary>Replaces keys and values by what a cache makes of them.</summary>
    private static void Reduce(Span<float> qkv, AttentionShape shape, KvPrecision precision)
    {
        for (var at = 0; at < qkv.Length; at += shape.QkvWidth)
            for (var column = shape.Width; column < shape.QkvWidth; column += shape.HeadSize)
            {
                var x = qkv.Slice(at + column, shape.HeadSize);
                var largest = 0f;
                foreach (var value in x) largest = MathF.Max(largest, MathF.Abs(value));
                foreach (ref var value in x)
                    value = precision switch
                    {
                        KvPrecision.F32 => value,
                        KvPrecision.BF16 => ToBFloat16(value),
                        _ => MathF.Round(value * (127 / largest)) * (largest / 127),
                    };
            }
    }

    /// <summary>Rounded to 8 binary places, ties to even.</summary>
    private static float ToBFloat16(float x)
    {
        var unit = MathF.ScaleB(1, MathF.ILogB(x) - 7);
        return MathF.Round(x / unit) * unit;
    }

    /// <summary>Outputs of all rows, the tokens of every sequence fed at most <paramref name="count"/> at a time.</summary>
    private static float[] Run(CausalAttentionTests.Batch batch, AttentionShape shape, KvPrecision precision, int pool, int count)
    {
        int width = shape.Width, wide = shape.QkvWidth;
        // Blocks in falling order, so that neighbours in a sequence are none in memory.
        int[] tableStarts = [.. s_lengths.Select((_, i) => s_lengths[..i].Sum(KvPages.BlocksOf))];
        var blocks = s_lengths.Sum(KvPages.BlocksOf);
        int[] tables = [.. Enumerable.Range(0, blocks).Reverse()];
        var layout = new KvLayout(precision, shape.KeyValueHeads, shape.HeadSize);
        using Guarded keys = new((blocks * (int)layout.BlockBytes + KvLayout.BytesBehind) / sizeof(float)), values = new(keys.Length);
        // What a block held before is nobody's business: all bits set are no number in any format.
        keys.Span.Fill(BitConverter.UInt32BitsToSingle(uint.MaxValue));
        values.Span.Fill(BitConverter.UInt32BitsToSingle(uint.MaxValue));
        var found = new float[batch.Tokens * width];
        for (var done = 0; done < s_lengths.Max(); done = (int)Math.Min(int.MaxValue, (long)done + count))
        {
            int[] some = [.. s_lengths.Select(length => Math.Clamp(length - done, 0, count))];
            int[] live = [.. Enumerable.Range(0, s_lengths.Length).Where(i => some[i] > 0)];
            int[] starts = [0, .. live.Select((_, i) => live[..(i + 1)].Sum(j => some[j]))], held = [.. live.Select(_ => done)], at = [.. live.Select(i => tableStarts[i])];
            using Guarded qkv = new(starts[^1] * wide), o = new(starts[^1] * width);
            for (var i = 0; i < live.Length; i++)
                batch.Qkv.Span.Slice((batch.Starts[live[i]] + done) * wide, some[live[i]] * wide).CopyTo(qkv.Span[(starts[i] * wide)..]);
            fixed (int* s = starts, h = held, t = tables, ts = at)
            {
                var (pages, sequences) = (new KvPages((byte*)keys.Pointer, (byte*)values.Pointer, layout, blocks), new PagedSequences(live.Length, s, h, t, ts));
                PagedAttention.Forward(Support.Pools[pool], qkv, pages, sequences, shape, o);
            }
            for (var i = 0; i < live.Length; i++)
                o.Span.Slice(starts[i] * width, some[live[i]] * width).CopyTo(found.AsSpan((batch.Starts[live[i]] + done) * width));
        }
        return found;
    }
}

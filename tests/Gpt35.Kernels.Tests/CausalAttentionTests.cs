namespace Gpt35.Kernels.Tests;

public sealed unsafe class CausalAttentionTests
{
    public static TheoryData<SimdTier> Tiers => Support.Tiers;

    [Theory, MemberData(nameof(Tiers))]
    public void Forward_agrees_with_the_definition(SimdTier tier)
    {
        foreach (var (shape, lengths) in new (AttentionShape, int[])[]
                 {
                     (new(1, 1, 32), [1, 2, 40]), (new(2, 2, 32), [100]), (new(4, 4, 16), [13, 7]), (new(2, 2, 64), [33]), (new(3, 3, 8), [20, 1]),
                     (new(2, 2, 24), [50]), (new(2, 2, 5), [17]), (new(1, 1, 128), [25, 12]),
                     (new(4, 2, 32), [40, 3]), (new(6, 2, 8), [37]), (new(4, 1, 5), [19]),
                     (new(1, 1, 32, 1), [5, 70]), (new(2, 2, 8, 3), [90]), (new(2, 1, 16, 31), [100, 31]), (new(2, 1, 5, 33), [130]), (new(1, 1, 8, 1000), [50]),
                 })
        {
            using var batch = new Batch(shape, lengths);
            using Guarded o = new(batch.Tokens * shape.Width), lse = new(batch.Tokens * shape.Heads);
            Support.InTier(tier, () => CausalAttention.Forward(Support.Pools[1], batch.Qkv, batch.Starts, lengths.Length, shape, o, lse));
            batch.ForEachHead((s, h) => Support.Close(batch.Reference(s, h), Narrow(batch.OutputOf(o.Array, s, h)), 1e-5));
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Backward_agrees_with_finite_differences_of_the_definition(SimdTier tier)
    {
        foreach (var (shape, lengths) in new (AttentionShape, int[])[]
                 {
                     (new(2, 2, 32), [9]), (new(1, 1, 16), [5, 1, 18]), (new(2, 2, 5), [9]), (new(1, 1, 4), [53]),
                     (new(4, 2, 8), [11, 3]), (new(3, 1, 3), [37]),
                     (new(1, 1, 4, 4), [53]), (new(2, 1, 5, 1), [9]), (new(4, 2, 2, 20), [45, 6]),
                 })
        {
            using var batch = new Batch(shape, lengths);
            int tokens = batch.Tokens;
            using Guarded o = new(tokens * shape.Width), lse = new(tokens * shape.Heads), dO = new(Support.Normal(tokens * shape.Width, 9));
            using var dQkv = new Guarded(Support.Normal(tokens * shape.QkvWidth, 8));
            Support.InTier(tier, () =>
            {
                CausalAttention.Forward(Support.Pools[0], batch.Qkv, batch.Starts, lengths.Length, shape, o, lse);
                CausalAttention.Backward(Support.Pools[2], batch.Qkv, o, dO, lse, batch.Starts, lengths.Length, shape, dQkv);
            });
            for (var sequence = 0; sequence < lengths.Length; sequence++)
                for (var column = 0; column < shape.QkvWidth; column += shape.HeadSize)
                {
                    var block = batch.Block(batch.Values, sequence, column, shape.QkvWidth);
                    var heads = batch.HeadsThatRead(column).Select(h => (Head: h, Weights: batch.OutputOf(dO.Array, sequence, h))).ToArray();
                    var expected = Support.Gradient(_ =>
                    {
                        batch.Put(block, sequence, column);
                        return heads.Sum(h => Support.Dot(h.Weights, batch.Reference(sequence, h.Head)));
                    }, block);
                    batch.Put(block, sequence, column);
                    Support.Close(expected, Narrow(batch.Block(Support.Widen(dQkv.Span), sequence, column, shape.QkvWidth)), 1e-4);
                }
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void A_long_sequence_has_the_gradient_of_its_blocks_and_sections_together(SimdTier tier)
    {
        // Three sections of the softmax are joined into the sums that the way back divides by.
        const int Long = 2 * SoftmaxSections.Keys + 33;
        foreach (var (shape, length) in new (AttentionShape, int)[] { (new(1, 1, 32), 130), (new(4, 2, 32), 130), (new(2, 1, 32, 40), 130), (new(2, 1, 8), Long), (new(1, 1, 5, 300), Long) })
        {
            using var batch = new Batch(shape, [length]);
            using Guarded o = new(length * shape.Width), lse = new(length * shape.Heads), dO = new(Support.Normal(length * shape.Width, 9)), dQkv = new(length * shape.QkvWidth);
            Support.InTier(tier, () =>
            {
                CausalAttention.Forward(Support.Pools[0], batch.Qkv, batch.Starts, 1, shape, o, lse);
                CausalAttention.Backward(Support.Pools[0], batch.Qkv, o, dO, lse, batch.Starts, 1, shape, dQkv);
            });
            // One direction through all inputs: the slope of the loss along it is its product with the gradient.
            double[] inputs = [.. batch.Values], direction = Support.Widen(Support.Normal(inputs.Length, 20));
            double Loss(double step)
            {
                for (var i = 0; i < inputs.Length; i++) batch.Values[i] = inputs[i] + step * direction[i];
                return Enumerable.Range(0, shape.Heads).Sum(h => Support.Dot(batch.OutputOf(dO.Array, 0, h), batch.Reference(0, h)));
            }
            var expected = (Loss(1e-5) - Loss(-1e-5)) / 2e-5;
            Assert.Equal(expected, Support.Dot(direction, Support.Widen(dQkv.Span)), 1e-2);
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Neither_threads_nor_the_other_sequences_change_a_bit(SimdTier tier)
    {
        int[] lengths = [37, 5, 64];
        foreach (var shape in new AttentionShape[] { new(2, 2, 32), new(4, 2, 16, 11) })
        {
            using var batch = new Batch(shape, lengths);
            int width = shape.Width, wide = shape.QkvWidth, total = batch.Tokens * width;
            using var dO = new Guarded(Support.Normal(total, 9));
            (float[] O, float[] D) Run(WorkerPool pool, int sequence, int count)
            {
                using Guarded o = new(total), lse = new(batch.Tokens * shape.Heads), dQkv = new(batch.Tokens * wide);
                Support.InTier(tier, () =>
                {
                    CausalAttention.Forward(pool, batch.Qkv, batch.Starts + sequence, count, shape, o, lse);
                    CausalAttention.Backward(pool, batch.Qkv, o, dO, lse, batch.Starts + sequence, count, shape, dQkv);
                });
                int from = batch.Starts[sequence], to = batch.Starts[sequence + count];
                return (o.Array[(from * width)..(to * width)], dQkv.Array[(from * wide)..(to * wide)]);
            }

            var all = Run(Support.Pools[0], 0, 3);
            Assert.Equal(all, Run(Support.Pools[2], 0, 3), (x, y) => x.O.SequenceEqual(y.O) && x.D.SequenceEqual(y.D));
            var (middle, gradient) = Run(Support.Pools[1], 1, 1);
            Assert.Equal(all.O[(37 * width)..(42 * width)], middle);
            Assert.Equal(all.D[(37 * wide)..(42 * wide)], gradient);
        }
    }

    [Fact]
    public void Shared_heads_and_wide_windows_give_the_bits_of_repeated_heads_and_none()
    {
        const int Length = 45, Size = 8;
        using Batch shared = new(new(4, 2, Size), [Length]), repeated = new(new(4, 4, Size), [Length]);
        for (var t = 0; t < Length; t++)
            for (var h = 0; h < 4; h++)
                foreach (var (from, to) in new[] { (h * Size, h * Size), ((4 + h / 2) * Size, (4 + h) * Size), ((6 + h / 2) * Size, (8 + h) * Size) })
                    shared.Qkv.Span.Slice(t * 64 + from, Size).CopyTo(repeated.Qkv.Span[(t * 96 + to)..]);
        float[] Run(Batch batch, AttentionShape shape)
        {
            using var o = new Guarded(Length * shape.Width);
            CausalAttention.Forward(Support.Pools[0], batch.Qkv, batch.Starts, 1, shape, o, null);
            return o.Array;
        }
        var expected = Run(repeated, new(4, 4, Size));
        Assert.Equal(expected, Run(shared, new(4, 2, Size)));
        Assert.Equal(expected, Run(shared, new(4, 2, Size, Length)));
        Assert.NotEqual(expected, Run(shared, new(4, 2, Size, Length - 1)));
    }

    private static float[] Narrow(double[] values) => [.. values.Select(value => (float)value)];

    [Fact]
    public void Two_tokens_by_hand()
    {
        // K = 1: scores of the second token are 2·1 and 2·0.5; weights e^2 and e^1 over their sum.
        int[] starts = [0, 2];
        using Guarded qkv = new([1, 1, 10, 2, 0.5f, 20]), o = new(2), lse = new(2);
        fixed (int* s = starts) CausalAttention.Forward(Support.Pools[0], qkv, s, 1, new(1, 1, 1), o, lse);
        var weight = Math.Exp(2) / (Math.Exp(2) + Math.Exp(1));
        Support.Close([10, 10 * weight + 20 * (1 - weight)], o.Span, 1e-6);
        Support.Close([1, Math.Log(Math.Exp(2) + Math.Exp(1))], lse.Span, 1e-6);

        fixed (int* s = starts) CausalAttention.Forward(Support.Pools[0], qkv, s, 1, new(1, 1, 1, Window: 1), o, lse);
        Support.Close([10, 20], o.Span, 0);                  // each token sees itself alone
    }

    /// <summary>Random sequences and their reference, head by head.</summary>
    internal sealed class Batch : IDisposable
    {
        private readonly AttentionShape shape;
        private readonly int[] lengths;
        private readonly NativeBuffer<int> starts;

        internal Batch(AttentionShape shape, int[] lengths)
        {
            (this.shape, this.lengths) = (shape, lengths);
            starts = new NativeBuffer<int>(lengths.Length + 1);
            for (var i = 0; i < lengths.Length; i++) starts.Span[i + 1] = starts.Span[i] + lengths[i];
            Qkv = new Guarded(Support.Normal(Tokens * shape.QkvWidth, 1));
            Values = Support.Widen(Qkv.Span);
        }

        internal Guarded Qkv { get; }
        /// <summary>The same in double precision: what the reference reads.</summary>
        internal double[] Values { get; }
        internal int* Starts => starts.Pointer;
        internal int Tokens => starts.Span[^1];

        /// <summary>K columns of a sequence, (t, K).</summary>
        internal double[] Block(double[] data, int sequence, int column, int stride) =>
            [.. Enumerable.Range(0, lengths[sequence] * shape.HeadSize).Select(i => data[At(sequence, i, column, stride)])];

        internal void Put(double[] block, int sequence, int column)
        {
            for (var i = 0; i < block.Length; i++) Values[At(sequence, i, column, shape.QkvWidth)] = block[i];
        }

        internal double[] OutputOf(float[] o, int sequence, int head) => Block(Support.Widen(o), sequence, head * shape.HeadSize, shape.Width);

        /// <summary>What head <paramref name="head"/> gives for the sequence by the definition, (t, K).</summary>
        internal double[] Reference(int sequence, int head)
        {
            var o = new double[lengths[sequence] * shape.HeadSize];
            var group = head / (shape.Heads / shape.KeyValueHeads);
            int k = (shape.Heads + group) * shape.HeadSize, v = (shape.Heads + shape.KeyValueHeads + group) * shape.HeadSize;
            CausalAttention.Reference(
                Block(Values, sequence, head * shape.HeadSize, shape.QkvWidth), Block(Values, sequence, k, shape.QkvWidth), Block(Values, sequence, v, shape.QkvWidth),
                lengths[sequence], shape.HeadSize, shape.Window, o);
            return o;
        }

        /// <summary>The query heads that a head's columns of qkv belong to.</summary>
        internal IEnumerable<int> HeadsThatRead(int column)
        {
            int block = column / shape.HeadSize, each = shape.Heads / shape.KeyValueHeads;
            return block < shape.Heads ? [block] : Enumerable.Range((block - shape.Heads) % shape.KeyValueHeads * each, each);
        }

        internal void ForEachHead(Action<int, int> action)
        {
            for (var s = 0; s < lengths.Length; s++)
                for (var h = 0; h < shape.Heads; h++) action(s, h);
        }

        public void Dispose()
        {
            Qkv.Dispose();
            starts.Dispose();
        }

        private int At(int sequence, int i, int column, int stride) =>
            (starts.Span[sequence] + i / shape.HeadSize) * stride + column + i % shape.HeadSize;
    }
}

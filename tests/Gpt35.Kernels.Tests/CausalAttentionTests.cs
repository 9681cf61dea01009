namespace Gpt35.Kernels.Tests;

public sealed unsafe class CausalAttentionTests
{
    public static TheoryData<SimdTier> Tiers => Support.Tiers;

    [Theory, MemberData(nameof(Tiers))]
    public void Forward_agrees_with_the_definition(SimdTier tier)
    {
        foreach (var (heads, size, lengths) in new (int, int, int[])[]
                 {
                     (1, 32, [1, 2, 40]), (2, 32, [100]), (4, 16, [13, 7]), (2, 64, [33]), (3, 8, [20, 1]), (2, 24, [50]), (2, 5, [17]), (1, 128, [25, 12]),
                 })
        {
            using var batch = new Batch(heads, size, lengths);
            using Guarded o = new(batch.Tokens * batch.Width), lse = new(batch.Tokens * heads);
            Support.InTier(tier, () => CausalAttention.Forward(Support.Pools[1], batch.Qkv, batch.Starts, lengths.Length, heads, size, o, lse));
            batch.ForEachHead((s, h) => Support.Close(batch.ReferenceOutput(s, h), Narrow(batch.Of(o.Array, s, h, 0, batch.Width)), 1e-5));
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Backward_agrees_with_finite_differences_of_the_definition(SimdTier tier)
    {
        foreach (var (heads, size, lengths) in new (int, int, int[])[] { (2, 32, [14]), (1, 16, [5, 1, 26]), (2, 5, [9]), (1, 8, [53]) })
        {
            using var batch = new Batch(heads, size, lengths);
            int total = batch.Tokens * batch.Width;
            using Guarded o = new(total), lse = new(batch.Tokens * heads), dO = new(Support.Normal(total, 9)), dQkv = new(Support.Normal(3 * total, 8));
            Support.InTier(tier, () =>
            {
                CausalAttention.Forward(Support.Pools[0], batch.Qkv, batch.Starts, lengths.Length, heads, size, o, lse);
                CausalAttention.Backward(Support.Pools[2], batch.Qkv, o, dO, lse, batch.Starts, lengths.Length, heads, size, dQkv);
            });
            batch.ForEachHead((s, h) =>
            {
                var weights = batch.Of(dO.Array, s, h, 0, batch.Width);
                for (var kind = 0; kind < 3; kind++)
                {
                    double[][] inputs = [.. Enumerable.Range(0, 3).Select(i => batch.Input(s, h, i))];
                    var expected = Support.Gradient(_ => Support.Dot(weights, batch.Reference(s, inputs)), inputs[kind]);
                    var actual = batch.Of(dQkv.Array, s, h, kind * batch.Width, 3 * batch.Width);
                    Support.Close(expected, Narrow(actual), 1e-4);
                }
            });
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void A_long_sequence_has_the_gradient_of_its_blocks_together(SimdTier tier)
    {
        const int Size = 32, Length = 130;
        using var batch = new Batch(1, Size, [Length]);
        using Guarded o = new(Length * Size), lse = new(Length), dO = new(Support.Normal(Length * Size, 9)), dQkv = new(3 * Length * Size);
        Support.InTier(tier, () =>
        {
            CausalAttention.Forward(Support.Pools[0], batch.Qkv, batch.Starts, 1, 1, Size, o, lse);
            CausalAttention.Backward(Support.Pools[0], batch.Qkv, o, dO, lse, batch.Starts, 1, 1, Size, dQkv);
        });
        // One direction through all inputs: the slope of the loss along it is its product with the gradient.
        double[][] inputs = [.. Enumerable.Range(0, 3).Select(i => batch.Input(0, 0, i))];
        double[][] direction = [.. Enumerable.Range(0, 3).Select(i => Support.Widen(Support.Normal(Length * Size, 20 + (ulong)i)))];
        double Loss(double step) =>
            Support.Dot(Support.Widen(dO.Span), batch.Reference(0, [.. inputs.Zip(direction, (x, d) => x.Zip(d, (a, b) => a + step * b).ToArray())]));
        var expected = (Loss(1e-5) - Loss(-1e-5)) / 2e-5;
        var actual = Enumerable.Range(0, 3).Sum(i => Support.Dot(direction[i], batch.Of(dQkv.Array, 0, 0, i * Size, 3 * Size)));
        Assert.Equal(expected, actual, 1e-2);
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Neither_threads_nor_the_other_sequences_change_a_bit(SimdTier tier)
    {
        const int Heads = 2, Size = 32;
        int[] lengths = [37, 5, 64];
        using var batch = new Batch(Heads, Size, lengths);
        var total = batch.Tokens * batch.Width;
        using var dO = new Guarded(Support.Normal(total, 9));
        (float[] O, float[] D) Run(WorkerPool pool, int sequence, int count)
        {
            using Guarded o = new(total), lse = new(batch.Tokens * Heads), dQkv = new(3 * total);
            Support.InTier(tier, () =>
            {
                CausalAttention.Forward(pool, batch.Qkv, batch.Starts + sequence, count, Heads, Size, o, lse);
                CausalAttention.Backward(pool, batch.Qkv, o, dO, lse, batch.Starts + sequence, count, Heads, Size, dQkv);
            });
            int from = batch.Starts[sequence] * batch.Width, to = batch.Starts[sequence + count] * batch.Width;
            return (o.Array[from..to], dQkv.Array[(3 * from)..(3 * to)]);
        }

        var all = Run(Support.Pools[0], 0, 3);
        Assert.Equal(all, Run(Support.Pools[2], 0, 3), (x, y) => x.O.SequenceEqual(y.O) && x.D.SequenceEqual(y.D));
        var (middle, gradient) = Run(Support.Pools[1], 1, 1);
        Assert.Equal(all.O[(37 * batch.Width)..(42 * batch.Width)], middle);
        Assert.Equal(all.D[(3 * 37 * batch.Width)..(3 * 42 * batch.Width)], gradient);
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Decoding_gives_the_last_row_of_the_whole_sequence_whatever_else_is_decoded(SimdTier tier)
    {
        foreach (var (heads, size) in new[] { (2, 32), (3, 16), (1, 64), (2, 5), (1, 24) })
        {
            int[] lengths = [1, 30, 7, 64, 3, 18];
            using var batch = new Batch(heads, size, lengths);
            int width = batch.Width, tasks = lengths.Length;
            using Guarded o = new(batch.Tokens * width), lse = new(batch.Tokens * heads), decoded = new(tasks * width), alone = new(width);
            using Guarded keys = new(batch.Tokens * width), values = new(batch.Tokens * width), q = new(tasks * width);
            nint[] k = new nint[tasks], v = new nint[tasks];
            for (var i = 0; i < tasks; i++)
            {
                (k[i], v[i]) = ((nint)(keys.Pointer + batch.Starts[i] * width), (nint)(values.Pointer + batch.Starts[i] * width));
                batch.Qkv.Span.Slice((batch.Starts[i + 1] - 1) * 3 * width, width).CopyTo(q.Span[(i * width)..]);
            }
            for (var t = 0; t < batch.Tokens; t++)
            {
                batch.Qkv.Span.Slice((3 * t + 1) * width, width).CopyTo(keys.Span[(t * width)..]);
                batch.Qkv.Span.Slice((3 * t + 2) * width, width).CopyTo(values.Span[(t * width)..]);
            }
            Simd.Forced = tier;
            CausalAttention.Forward(Support.Pools[0], batch.Qkv, batch.Starts, tasks, heads, size, o, lse);
            fixed (nint* kp = k, vp = v)
            fixed (int* n = lengths)
            {
                CausalAttention.Decode(Support.Pools[2], q, width, (float**)kp, (float**)vp, n, tasks, heads, size, decoded, width);
                for (var i = 0; i < tasks; i++)
                {
                    var last = o.Span.Slice((batch.Starts[i + 1] - 1) * width, width);
                    Support.Close(Support.Widen(last), decoded.Span.Slice(i * width, width), 1e-5);
                    CausalAttention.Decode(Support.Pools[1], q.Pointer + i * width, width, (float**)kp + i, (float**)vp + i, n + i, 1, heads, size, alone, width);
                    Assert.Equal(decoded.Span.Slice(i * width, width).ToArray(), alone.Array);
                }
            }
            Simd.Forced = null;
        }
    }

    private static float[] Narrow(double[] values) => [.. values.Select(value => (float)value)];

    [Fact]
    public void Two_tokens_by_hand()
    {
        // K = 1: scores of the second token are 2·1 and 2·0.5; weights e^2 and e^1 over their sum.
        int[] starts = [0, 2];
        using Guarded qkv = new([1, 1, 10, 2, 0.5f, 20]), o = new(2), lse = new(2);
        fixed (int* s = starts) CausalAttention.Forward(Support.Pools[0], qkv, s, 1, 1, 1, o, lse);
        var weight = Math.Exp(2) / (Math.Exp(2) + Math.Exp(1));
        Support.Close([10, 10 * weight + 20 * (1 - weight)], o.Span, 1e-6);
        Support.Close([1, Math.Log(Math.Exp(2) + Math.Exp(1))], lse.Span, 1e-6);
    }

    /// <summary>Random sequences and their reference, head by head.</summary>
    private sealed class Batch : IDisposable
    {
        private readonly int heads, size;
        private readonly int[] lengths;
        private readonly NativeBuffer<int> starts;

        internal Batch(int heads, int size, int[] lengths)
        {
            (this.heads, this.size, this.lengths) = (heads, size, lengths);
            starts = new NativeBuffer<int>(lengths.Length + 1);
            for (var i = 0; i < lengths.Length; i++) starts.Span[i + 1] = starts.Span[i] + lengths[i];
            Qkv = new Guarded(Support.Normal(Tokens * 3 * Width, 1));
        }

        internal Guarded Qkv { get; }
        internal int* Starts => starts.Pointer;
        internal int Tokens => starts.Span[^1];
        internal int Width => heads * size;

        internal double[] Of(float[] data, int sequence, int head, int column, int stride) =>
            [.. Enumerable.Range(0, lengths[sequence] * size).Select(i => (double)data[
                (starts.Span[sequence] + i / size) * stride + column + head * size + i % size])];

        internal double[] Input(int sequence, int head, int kind) => Of(Qkv.Array, sequence, head, kind * Width, 3 * Width);

        internal double[] Reference(int sequence, double[][] inputs)
        {
            var o = new double[lengths[sequence] * size];
            CausalAttention.Reference(inputs[0], inputs[1], inputs[2], lengths[sequence], size, o);
            return o;
        }

        internal double[] ReferenceOutput(int sequence, int head) => Reference(sequence, [.. Enumerable.Range(0, 3).Select(i => Input(sequence, head, i))]);

        internal void ForEachHead(Action<int, int> action)
        {
            for (var s = 0; s < lengths.Length; s++)
                for (var h = 0; h < heads; h++) action(s, h);
        }

        public void Dispose()
        {
            Qkv.Dispose();
            starts.Dispose();
        }
    }
}

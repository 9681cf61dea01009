using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

/// <summary>Every gradient of the model against central differences of the double-precision reference.</summary>
public class DecoderGradientTests
{
    public static TheoryData<double, double, int> Cases => new() { { 1, 0, 0 }, { 0.6, 0, 0 }, { 1, 0.25, 0 }, { 1, 0, 2 } };
    public static TheoryData<int> MixedSeeds => TestModels.MixedSeeds;

    [Theory, MemberData(nameof(Cases))]
    public void Every_gradient_equals_finite_differences(double temperature, double dropout, int scalars)
    {
        Check(TestModels.Tiny with { ResidDropout = (float)dropout, NumScalars = scalars }, temperature, samples: 25);
        Check(TestModels.TinyLlama with { ResidDropout = (float)dropout, NumScalars = scalars }, temperature, samples: 6);
    }

    [Theory, MemberData(nameof(MixedSeeds))]
    public void Every_gradient_of_every_mix_equals_finite_differences(int seed) => Check(TestModels.Mixed(seed), 1, samples: 4);

    [Fact]
    public void The_mixes_have_every_option()
    {
        ModelConfig[] all = [.. Enumerable.Range(0, TestModels.MixedSeeds.Count).Select(TestModels.Mixed)];
        Assert.Equal(4, all.Select(c => c.RopeScaling?.RopeType).OfType<RopeType>().Distinct().Count());
        Assert.Equal(3, all.Select(c => c.HiddenAct).Distinct().Count());
        foreach (var option in (Func<ModelConfig, bool>[])[c => c.PositionEncoding == PositionEncoding.Rotary, c => c.Normalization == Normalization.RmsNorm,
                     c => c.GatedMlp, c => c.AttentionBias, c => c.MlpBias, c => c.TieWordEmbeddings, c => c.SlidingWindow is null, c => c.SlidingWindowPattern == 0,
                     c => c.NumKeyValueHeads == c.NumAttentionHeads, c => c.NumKeyValueHeads == 1, c => c.QueryWidth == c.HiddenSize, c => c.QueryWidth > c.HiddenSize])
            Assert.InRange(all.Count(option), 1, all.Length - 1);
        Assert.Contains(all, c => c.NumKeyValueHeads > 1 && c.NumKeyValueHeads < c.NumAttentionHeads && c.PositionEncoding == PositionEncoding.Rotary && c.SlidingWindow > 1);
    }

    [Theory, InlineData(1), InlineData(2)]
    public void Every_gradient_of_a_head_that_reads_tokens_equals_finite_differences(int scalars)
    {
        Check(TestModels.Tiny with { NumScalars = scalars, ScalarHead = ScalarHead.Action }, 1, samples: 25);
        Check(TestModels.TinyLlama with { NumScalars = scalars, ScalarHead = ScalarHead.Action, TieWordEmbeddings = false }, 1, samples: 6);
    }

    private static void Check(ModelConfig config, double temperature, int samples)
    {
        using var model = TestModels.Shaken(config);
        var scalars = config.NumScalars;
        var batch = TestModels.Batch(model.Config, 21, 5, 2, 9);
        ulong[]? keys = config.ResidDropout > 0 ? [1234, 5, 678] : null;
        // A loss with a different weight for every number, so that no error cancels.
        var a = Weights(1, batch.ScoredCount);
        var b = Weights(2, batch.ScoredCount);
        var c = Weights(3, batch.ScoredCount * scalars);

        model.Parameters.ZeroGradients();
        var request = new ForwardRequest { ForBackward = true, Temperature = (float)temperature, DropoutKeys = keys, LogProb = scalars == 0, Entropy = scalars == 0, Scalars = scalars > 0 };
        model.Forward(batch, request);
        model.Backward(scalars == 0 ? new TokenGradients { LogProb = a, Entropy = b } : new TokenGradients { Scalars = c });

        var reference = new ReferenceDecoder(model);
        double Loss()
        {
            var (logProb, entropy, outputs) = reference.Score(batch, temperature, keys);
            return logProb.Select((x, i) => x * a[i]).Sum() + entropy.Select((x, i) => x * b[i]).Sum() + outputs.Select((x, i) => x * c[i]).Sum();
        }
        foreach (var parameter in model.Parameters.All)
        {
            var values = reference[parameter.Name];
            var gradients = model.Parameters.GradientsOf(parameter);
            var scale = Math.Max(0.05, gradients.ToArray().Max(Math.Abs));
            for (var i = 0; i < values.Length; i += Math.Max(1, values.Length / samples))
            {
                const double step = 1e-4;
                var original = values[i];
                values[i] = original + step;
                var up = Loss();
                values[i] = original - step;
                var down = Loss();
                values[i] = original;
                var expected = (up - down) / (2 * step);
                Assert.True(Math.Abs(expected - gradients[i]) < 1e-4 * scale, $"{config}: {parameter.Name}[{i}]: {gradients[i]} for {expected}");
            }
        }
    }

    [Fact]
    public void Gradients_accumulate_over_micro_batches()
    {
        using var model = TestModels.Shaken(TestModels.Tiny);
        ulong counter = 0;
        int[] first = TestModels.Sequence(model.Config, 4, ref counter, 9), second = TestModels.Sequence(model.Config, 4, ref counter, 6);

        float[] Run(params TokenBatch[] batches)
        {
            model.Parameters.ZeroGradients();
            foreach (var batch in batches)
            {
                model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true });
                model.Backward(new TokenGradients { LogProb = Enumerable.Repeat(-1f / 13, batch.ScoredCount).ToArray() });
            }
            return model.Parameters.Gradients.ToArray();
        }
        var together = Run(new TokenBatchBuilder().AddCompletion(first, 1).AddCompletion(second, 1).Build());
        var apart = Run(new TokenBatchBuilder().AddCompletion(first, 1).Build(), new TokenBatchBuilder().AddCompletion(second, 1).Build());
        for (var i = 0; i < together.Length; i++) Assert.Equal(together[i], apart[i], 1e-6f);
    }

    [Theory]
    [InlineData(7)]
    [InlineData(30)]
    [InlineData(90)]
    public void Logits_that_are_computed_again_in_chunks_give_the_same_bits_as_those_that_are_kept(int rows)
    {
        var config = TestModels.Tiny with { MaxPositionEmbeddings = 40 };
        using var model = TestModels.Shaken(config);
        var batch = TestModels.Batch(config, 4, 31, 31, 31);
        float[] gradients = [.. Enumerable.Range(0, batch.ScoredCount).Select(i => i % 5 - 2f)];
        float[] Run()
        {
            model.Parameters.ZeroGradients();
            var scores = model.Forward(batch, new ForwardRequest { LogProb = true, Entropy = true, ForBackward = true });
            float[] found = [.. scores.LogProb, .. scores.Entropy];
            model.Backward(new TokenGradients { LogProb = gradients, Entropy = gradients });
            return [.. found, .. model.Parameters.Gradients];
        }
        var kept = Run();
        model.LogitRowsLimit = rows;
        Assert.Equal(kept, Run());
    }

    [Theory]
    [InlineData("gpt", Dtype.Fp32)]
    [InlineData("gpt", Dtype.Bf16)]
    [InlineData("llama", Dtype.Fp32)]
    [InlineData("adapter", Dtype.Fp32)]
    public void A_gradient_that_is_known_beforehand_gives_the_same_bits_chunk_by_chunk_and_all_at_once(string shape, Dtype dtype)
    {
        var config = (shape == "llama" ? TestModels.TinyLlama : TestModels.Tiny) with { MaxPositionEmbeddings = 40 };
        using var whole = TestModels.Shaken(config);
        using var adapted = shape == "adapter" ? whole.Adapt(new LoraConfig { Rank = 3, Alpha = 6, Targets = LoraLayout.TargetsOf(config) }, 0, seed: 2) : null;
        var model = adapted ?? whole;
        model.Dtype = dtype;
        var batch = TestModels.Batch(config, 4, 31, 31, 31);
        float[] gradients = [.. Enumerable.Range(0, batch.ScoredCount).Select(i => i % 5 - 2f)];
        float[] Run(bool known, float temperature = 0.7f)
        {
            model.Parameters.ZeroGradients();
            var what = new ForwardRequest { LogProb = true, ForBackward = true, Temperature = temperature, LogProbGradient = known ? gradients : default };
            float[] found = [.. model.Forward(batch, what).LogProb];
            model.Backward(new TokenGradients { LogProb = gradients });
            return [.. found, .. model.Parameters.Gradients];
        }
        var afterwards = Run(known: false);
        Assert.Equal(afterwards, Run(known: true));
        foreach (var rows in (int[])[8, 30, 90])
        {
            model.LogitRowsLimit = rows;
            Assert.Equal(afterwards, Run(known: true));
        }
    }

    [Fact]
    public void A_gradient_that_was_known_beforehand_is_the_one_to_go_back_with()
    {
        using var model = TestModels.Shaken(TestModels.Tiny);
        var batch = TestModels.Batch(model.Config, 4, 9);
        float[] gradients = [.. Enumerable.Repeat(-0.1f, batch.ScoredCount)];
        var what = new ForwardRequest { LogProb = true, ForBackward = true, LogProbGradient = gradients };
        model.Forward(batch, what);
        Assert.Contains("the same", Assert.Throws<InvalidOperationException>(() => model.Backward(new TokenGradients { LogProb = new float[batch.ScoredCount] })).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => model.Forward(batch, what with { LogProbGradient = new float[batch.ScoredCount + 1] }));
        Assert.Throws<ArgumentException>(() => model.Forward(batch, what with { ForBackward = false }));
    }

    [Theory]
    [InlineData("gpt dropout")]
    [InlineData("llama")]
    [InlineData("adapter")]
    public void Blocks_taken_in_pieces_of_rows_give_the_same_bits_as_blocks_in_one_piece(string shape)
    {
        var config = (shape == "llama" ? TestModels.TinyLlama : TestModels.Tiny with { ResidDropout = 0.1f }) with { HiddenSize = 36, MaxPositionEmbeddings = 150 };
        using var whole = TestModels.Shaken(config);
        using var adapted = shape == "adapter" ? whole.Adapt(new LoraConfig { Rank = 3, Alpha = 6, Targets = LoraLayout.TargetsOf(config) }, 0, seed: 2) : null;
        var model = adapted ?? whole;
        var batch = TestModels.Batch(config, 4, 141, 100, 59);
        float[] gradients = [.. Enumerable.Range(0, batch.ScoredCount).Select(i => i % 5 - 2f)];
        float[] Run()
        {
            model.Parameters.ZeroGradients();
            float[] found = [.. model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true, DropoutKeys = [17, 18, 19] }).LogProb];
            model.Backward(new TokenGradients { LogProb = gradients });
            return [.. found, .. model.Parameters.Gradients];
        }
        var together = Run();
        model.RowsAtOnceLimit = 128;
        Assert.Equal(together, Run());
    }

    [Fact]
    public unsafe void One_batch_can_be_learnt_by_heart()
    {
        var config = TestModels.Tiny with { VocabSize = 40, HiddenSize = 32, NumAttentionHeads = 4, MaxPositionEmbeddings = 16 };
        using var model = Decoder.Create(config, 3, WorkerPool.Shared);
        var batch = TestModels.Batch(config, 30, 16, 16, 16, 16);
        var n = batch.ScoredCount;
        var gradients = Enumerable.Repeat(-1f / n, n).ToArray();
        using var m = new NativeBuffer<float>(model.Parameters.Count);
        using var v = new NativeBuffer<float>(model.Parameters.Count);
        double loss = 0;
        for (var step = 1; step <= 150; step++)
        {
            model.Parameters.ZeroGradients();
            loss = 0;
            foreach (var logProb in model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true }).LogProb) loss -= logProb / n;
            if (step == 1) Assert.Equal(Math.Log(config.VocabSize), loss, 0.2);    // a new model knows nothing
            model.Backward(new TokenGradients { LogProb = gradients });
            AdamW.Step(WorkerPool.Shared, model.Parameters.ValuePointer, model.Parameters.GradientPointer, m.Pointer, v.Pointer, model.Parameters.Count,
                5e-3f, 0.9f, 0.95f, 1e-8f, 0, step, 1);
        }
        Assert.True(loss < 0.1, $"loss is {loss} after 150 steps on one batch");
    }

    private static float[] Weights(ulong key, int count) => [.. Enumerable.Range(0, count).Select(i => CounterRandom.Normal(key, (ulong)i))];
}

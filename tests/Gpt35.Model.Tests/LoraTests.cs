using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

public class LoraTests
{
    private static readonly LoraConfig Small = new() { Rank = 2, Alpha = 3, Targets = [LoraTarget.CAttn] };

    public static TheoryData<string, int, bool> Cases => new()
    {
        { "gpt", 0, false }, { "gpt", 2, true }, { "llama", 0, true }, { "llama", 1, false },
    };

    [Theory, MemberData(nameof(Cases))]
    public void Every_gradient_of_an_adapter_equals_finite_differences(string family, int scalars, bool rslora)
    {
        using var model = Shaken(family, scalars, rslora);
        var batch = TestModels.Batch(model.Config, 21, 5, 2, 9);
        float[] a = Weights(1, batch.ScoredCount), b = Weights(2, batch.ScoredCount), c = Weights(3, batch.ScoredCount * scalars);
        model.Parameters.ZeroGradients();
        model.Forward(batch, new ForwardRequest { ForBackward = true, LogProb = scalars == 0, Entropy = scalars == 0, Scalars = scalars > 0 });
        model.Backward(scalars == 0 ? new TokenGradients { LogProb = a, Entropy = b } : new TokenGradients { Scalars = c });

        var reference = new AdaptedReference(model);
        double Loss()
        {
            var (logProb, entropy, outputs) = reference.Score(batch);
            return logProb.Select((x, i) => x * a[i]).Sum() + entropy.Select((x, i) => x * b[i]).Sum() + outputs.Select((x, i) => x * c[i]).Sum();
        }
        foreach (var parameter in model.Parameters.All)
        {
            var values = reference[parameter.Name];
            var gradients = model.Parameters.GradientsOf(parameter);
            var scale = Math.Max(0.05, gradients.ToArray().Max(Math.Abs));
            for (var i = 0; i < values.Length; i += Math.Max(1, values.Length / 10))
            {
                const double step = 1e-4;
                var original = values[i];
                values[i] = original + step;
                var up = Loss();
                values[i] = original - step;
                var expected = (up - Loss()) / (2 * step);
                values[i] = original;
                Assert.True(Math.Abs(expected - gradients[i]) < 2e-4 * scale, $"{parameter.Name}[{i}]: {gradients[i]} for {expected}");
            }
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void A_merged_model_is_the_adapted_one_to_rounding(string family, int scalars, bool rslora)
    {
        using var model = Shaken(family, scalars, rslora);
        using var merged = model.Merge();
        Assert.Null(merged.Adapter);
        var batch = TestModels.Batch(model.Config, 5, 7, 12);
        var expected = Numbers(model, batch);
        Assert.Equal(expected.Length, Numbers(merged, batch).Zip(expected, (x, y) => Math.Abs(x - y) < 2e-5 * Math.Max(1, Math.Abs(y))).Count(close => close));
    }

    [Fact]
    public void Generation_goes_through_the_adapter_too()
    {
        using var model = Shaken("llama", 0, false);
        using var merged = model.Merge();
        Assert.Equal(Logits(merged), Logits(model), (x, y) => Math.Abs(x - y) < 1e-4);

        static float[] Logits(Decoder decoder)
        {
            using var cache = new SlotCache(decoder.Config, 1, 8);
            var logits = new float[decoder.Config.VocabSize];
            decoder.Extend(cache, [0], [0, 3], [1, 2, 3], logits);
            return logits;
        }
    }

    [Fact]
    public void A_new_adapter_changes_nothing()
    {
        using var plain = TestModels.Shaken(TestModels.TinyLlama);
        using var adapted = plain.Adapt(All(plain.Config, false), 0, seed: 4);
        var batch = TestModels.Batch(plain.Config, 5, 7, 12);
        Assert.Equal(Numbers(plain, batch), Numbers(adapted, batch));
    }

    [Fact]
    public void Training_an_adapter_leaves_the_base_as_it_was_and_allocates_no_gradients_for_it()
    {
        using var plain = TestModels.Shaken(TestModels.Tiny);
        var before = plain.Parameters.Values.ToArray();
        using var adapted = plain.Adapt(Small, 0, seed: 4);
        Train(adapted, steps: 3);
        Assert.Equal(before, plain.Parameters.Values.ToArray());
        Assert.False(plain.Parameters.HasGradients);
        Assert.True(adapted.Parameters.HasGradients);
        Assert.Equal(2 * 2 * (8 + 24), adapted.Parameters.Count);                      // L · r · (in + out) of c_attn
        Assert.Same(plain.Parameters, adapted.Weights);                               // shared, not copied
    }

    [Fact]
    public void An_adapter_learns_a_batch_that_the_base_does_not_know()
    {
        using var plain = TestModels.Shaken(TestModels.Tiny);
        using var adapted = plain.Adapt(All(plain.Config, false) with { Rank = 4, Alpha = 8 }, 0, seed: 4);
        var before = Train(adapted, steps: 1);
        var after = Train(adapted, steps: 60);
        Assert.True(after < 0.7 * before, $"{before} nats per token before, {after} after 60 steps");
    }

    [Fact]
    public void Several_adapters_over_one_base_do_not_disturb_each_other()
    {
        var plain = TestModels.Shaken(TestModels.Tiny);
        using var first = Shake(plain.Adapt(Small, 0, seed: 4), 8);
        using var second = Shake(plain.Adapt(Small with { Rank = 3, Targets = [LoraTarget.Up, LoraTarget.Down] }, 0, seed: 5), 9);
        using var judge = Shake(plain.Adapt(Small, 1, seed: 6), 10);
        var batch = TestModels.Batch(plain.Config, 5, 7, 12);
        float[] ofPlain = Numbers(plain, batch), ofFirst = Numbers(first, batch), ofSecond = Numbers(second, batch), ofJudge = Numbers(judge, batch);
        Assert.NotEqual(ofPlain, ofFirst);
        Assert.NotEqual(ofFirst, ofSecond);
        Assert.Equal(ofFirst, Numbers(first, batch));
        Assert.Equal(ofPlain, Numbers(plain, batch));
        Assert.Equal(ofJudge, Numbers(judge, batch));
        plain.Dispose();
        plain.Dispose();                                                              // twice is once: the others still own the weights
        Assert.Equal(ofSecond, Numbers(second, batch));
    }

    [Fact]
    public void The_head_is_the_adapters_own_and_starts_as_the_base_has_it()
    {
        using var plain = TestModels.Shaken(TestModels.Tiny with { NumScalars = 1 });
        using var adapted = plain.Adapt(Small, 1, seed: 4);
        var batch = TestModels.Batch(plain.Config, 5, 7, 12);
        Assert.Equal(Numbers(plain, batch), Numbers(adapted, batch));
        var before = plain.Parameters.ValuesOf(plain.Parameters["score.weight"]).ToArray();
        Shake(adapted, 3);
        Assert.Equal(before, plain.Parameters.ValuesOf(plain.Parameters["score.weight"]).ToArray());
        Assert.NotEqual(Numbers(plain, batch), Numbers(adapted, batch));
        using var copy = adapted.CloneWithHead(1, seed: 9);
        Assert.Equal(Numbers(adapted, batch), Numbers(copy, batch));
    }

    [Theory]
    [InlineData(8, 16, false, 2)]
    [InlineData(4, 6, true, 3)]
    public void The_scale_is_alpha_over_the_rank_or_over_its_root(int rank, double alpha, bool rslora, float scale) =>
        Assert.Equal(scale, new LoraConfig { Rank = rank, Alpha = alpha, Targets = [LoraTarget.O], RsLora = rslora }.Scale);

    [Fact]
    public void Names_and_counts_are_those_of_peft()
    {
        // peft's get_peft_model on gpt2 with r = 8 and c_attn: 294,912 trained parameters; on Llama-2-7b with q_proj and v_proj: 4,194,304.
        Assert.Equal(294_912, MemoryUse.CountOf(ModelPreset.Get("gpt2-124m").Config, new LoraConfig { Rank = 8, Alpha = 16, Targets = [LoraTarget.CAttn] }));
        var llama = ModelPreset.Get("llama-2-7b").Config;
        var lora = new LoraConfig { Rank = 8, Alpha = 16, Targets = [LoraTarget.Q, LoraTarget.V] };
        Assert.Equal(4_194_304, MemoryUse.CountOf(llama, lora));
        Assert.Equal("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", LoraLayout.Parameters(llama, lora)[0].Name);
        Assert.Equal("base_model.model.transformer.h.0.attn.c_attn.lora_B.weight", LoraLayout.Parameters(TestModels.Tiny, Small)[1].Name);
    }

    [Fact]
    public void What_does_not_fit_is_refused_with_what_would()
    {
        var (gpt, llama) = (TestModels.Tiny, TestModels.TinyLlama);
        Assert.Contains("it has c_attn, o, up, down", Refusal(gpt, Small with { Targets = [LoraTarget.Q] }));
        Assert.Contains("it has q, k, v, o, gate, up, down", Refusal(llama, Small));
        Assert.Contains("lora.rank is 9", Refusal(gpt, Small with { Rank = 9 }));
        Assert.Contains("lora.alpha is 0", Refusal(gpt, Small with { Alpha = 0 }));
        Assert.Contains("lora.targets has o twice", Refusal(gpt, Small with { Targets = [LoraTarget.O, LoraTarget.O] }));
        Assert.Contains("lora.targets is empty", Refusal(gpt, Small with { Targets = [] }));

        using var plain = TestModels.Shaken(gpt);
        using var adapted = plain.Adapt(Small, 0, seed: 1);
        Assert.Contains("merge-lora", Assert.Throws<InvalidDataException>(() => adapted.Adapt(Small with { Rank = 3 }, 0, seed: 1)).Message);
        using var other = LoraAdapter.Create(gpt with { HiddenSize = 12, IntermediateSize = 48 }, Small, 1);
        Assert.Contains("another shape", Assert.Throws<InvalidDataException>(() => plain.WithAdapter(other)).Message);

        static string Refusal(ModelConfig config, LoraConfig lora) => Assert.Throws<InvalidDataException>(() => lora.Validate(config)).Message;
    }

    /// <summary>Every matrix of the model adapted.</summary>
    private static LoraConfig All(ModelConfig config, bool rslora) => new() { Rank = 2, Alpha = 3, Targets = LoraLayout.TargetsOf(config), RsLora = rslora };

    private static Decoder Shaken(string family, int scalars, bool rslora)
    {
        using var plain = TestModels.Shaken(family == "gpt" ? TestModels.Tiny : TestModels.TinyLlama);
        return Shake(plain.Adapt(All(plain.Config, rslora), scalars, seed: 7), 11);
    }

    /// <summary>Moves B away from 0, so that no gradient of A is zero by accident.</summary>
    private static Decoder Shake(Decoder model, ulong seed)
    {
        var values = model.Parameters.Values;
        for (var i = 0; i < values.Length; i++) values[i] += 0.25f * CounterRandom.Normal(seed, (ulong)i);
        return model;
    }

    private static float[] Numbers(Decoder model, TokenBatch batch)
    {
        var scalars = model.Config.NumScalars > 0;
        var scores = model.Forward(batch, new ForwardRequest { LogProb = !scalars, Entropy = !scalars, Scalars = scalars });
        return [.. scores.LogProb, .. scores.Entropy, .. scores.Scalars];
    }

    private static unsafe double Train(Decoder model, int steps)
    {
        var batch = TestModels.Batch(model.Config, 30, 12, 12);
        var n = batch.ScoredCount;
        using NativeBuffer<float> m = new(model.Parameters.Count), v = new(model.Parameters.Count);
        double loss = 0;
        for (var step = 1; step <= steps; step++)
        {
            model.Parameters.ZeroGradients();
            loss = 0;
            foreach (var logProb in model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true }).LogProb) loss -= logProb / n;
            model.Backward(new TokenGradients { LogProb = Enumerable.Repeat(-1f / n, n).ToArray() });
            AdamW.Step(WorkerPool.Shared, model.Parameters.ValuePointer, model.Parameters.GradientPointer, m.Pointer, v.Pointer, model.Parameters.Count,
                2e-2f, 0.9f, 0.95f, 1e-8f, 0, step, 1);
        }
        return loss;
    }

    private static float[] Weights(ulong seed, int count) => [.. Enumerable.Range(0, count).Select(i => CounterRandom.Normal(seed, (ulong)i))];

    /// <summary>The plain decoder in double precision with W + s·Aᵀ·Bᵀ worked out anew for every score.</summary>
    private sealed class AdaptedReference
    {
        private readonly Decoder model;
        private readonly ReferenceDecoder merged;
        private readonly Dictionary<string, double[]> adapter;

        public AdaptedReference(Decoder model)
        {
            this.model = model;
            using var copy = model.Merge();
            merged = new ReferenceDecoder(copy);
            adapter = model.Parameters.All.ToDictionary(p => p.Name, p => model.Parameters.ValuesOf(p).ToArray().Select(x => (double)x).ToArray());
        }

        public double[] this[string name] => adapter[name];

        public (double[] LogProb, double[] Entropy, double[] Scalars) Score(TokenBatch batch)
        {
            var c = model.Config;
            for (var layer = 0; layer < c.NumHiddenLayers; layer++)
                foreach (var name in (string[])["attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"])
                {
                    var source = model.Weights.ValuesOf(model.Weights[$"h.{layer}.{name}"]);
                    for (var i = 0; i < source.Length; i++) merged[$"h.{layer}.{name}"][i] = source[i];
                }
            int q = c.QueryWidth, kv = c.KeyValueWidth, f = c.IntermediateSize;
            for (var layer = 0; layer < c.NumHiddenLayers; layer++)
                if (c.PositionEncoding == PositionEncoding.Learned)
                {
                    Add(layer, "attn.c_attn.weight", $"transformer.h.{layer}.attn.c_attn", 0);
                    Add(layer, "attn.c_proj.weight", $"transformer.h.{layer}.attn.c_proj", 0);
                    Add(layer, "mlp.c_fc.weight", $"transformer.h.{layer}.mlp.c_fc", 0);
                    Add(layer, "mlp.c_proj.weight", $"transformer.h.{layer}.mlp.c_proj", 0);
                }
                else
                {
                    Add(layer, "attn.c_attn.weight", $"model.layers.{layer}.self_attn.q_proj", 0);
                    Add(layer, "attn.c_attn.weight", $"model.layers.{layer}.self_attn.k_proj", q);
                    Add(layer, "attn.c_attn.weight", $"model.layers.{layer}.self_attn.v_proj", q + kv);
                    Add(layer, "attn.c_proj.weight", $"model.layers.{layer}.self_attn.o_proj", 0);
                    Add(layer, "mlp.c_fc.weight", $"model.layers.{layer}.mlp.gate_proj", 0);
                    Add(layer, "mlp.c_fc.weight", $"model.layers.{layer}.mlp.up_proj", f);
                    Add(layer, "mlp.c_proj.weight", $"model.layers.{layer}.mlp.down_proj", 0);
                }
            if (c.NumScalars > 0) adapter["base_model.model.score.weight"].CopyTo(merged["score.weight"], 0);
            return merged.Score(batch);
        }

        private void Add(int layer, string weight, string module, int firstColumn)
        {
            double[] a = adapter[$"base_model.model.{module}.lora_A.weight"], b = adapter[$"base_model.model.{module}.lora_B.weight"];
            int r = model.Adapter!.Lora.Rank, inputs = a.Length / r, columns = b.Length / r;
            var target = merged[$"h.{layer}.{weight}"];
            var width = target.Length / inputs;
            for (var i = 0; i < inputs; i++)
                for (var j = 0; j < columns; j++)
                    for (var k = 0; k < r; k++) target[i * width + firstColumn + j] += (double)model.Adapter.Lora.Scale * a[k * inputs + i] * b[j * r + k];
        }
    }
}

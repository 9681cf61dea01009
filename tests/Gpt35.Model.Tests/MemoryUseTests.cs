using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

/// <summary>What a plan says a model takes, against what the model then takes.</summary>
public class MemoryUseTests
{
    public static TheoryData<string> Shapes => ["gpt", "gpt head", "gpt token head", "llama", "llama head", "gpt dropout", "wide heads"];

    private static ModelConfig ShapeOf(string name) => name switch
    {
        "gpt" => TestModels.Tiny,
        "gpt head" => TestModels.Tiny with { NumScalars = 2 },
        "gpt token head" => TestModels.Tiny with { NumScalars = 1, ScalarHead = ScalarHead.Action, TieWordEmbeddings = false },
        "llama" => TestModels.TinyLlama,
        "llama head" => TestModels.TinyLlama with { NumScalars = 1 },
        "gpt dropout" => TestModels.Tiny with { ResidDropout = 0.1f },
        _ => TestModels.TinyLlama with { HeadDim = 16, GatedMlp = false, NumHiddenLayers = 3 },
    };

    [Theory, MemberData(nameof(Shapes))]
    public void Activations_of_a_training_pass_are_planned_to_the_byte(string shape)
    {
        using var model = Decoder.Create(ShapeOf(shape), 1, WorkerPool.Shared);
        var pass = TrainOn(model);
        var planned = MemoryUse.OfTraining(model.Config, pass);
        Assert.Equal(sizeof(float) * model.ActivationFloats, planned.Activations);
        Assert.Equal(sizeof(float) * model.Parameters.Count, planned.Weights);
        Assert.Equal((planned.Weights, 2 * planned.Weights), (planned.Gradients, planned.Optimizer));
    }

    [Theory, MemberData(nameof(Shapes))]
    public void Activations_that_are_computed_again_are_planned_to_the_byte(string shape)
    {
        using var model = Decoder.Create(ShapeOf(shape), 1, WorkerPool.Shared);
        model.ActivationCheckpointing = true;
        var planned = MemoryUse.OfTraining(model.Config, TrainOn(model) with { Checkpointing = true });
        Assert.Equal(sizeof(float) * model.ActivationFloats, planned.Activations);
    }

    [Fact]
    public void Logits_of_a_gradient_known_beforehand_are_those_of_a_chunk()
    {
        // 1,029 scored tokens of V = 4,099 are more than a chunk of 1,024 rows, and less than what is kept for a gradient that is not known.
        using var model = Decoder.Create(TestModels.Tiny with { VocabSize = 4_099, MaxPositionEmbeddings = 1_030 }, 1, WorkerPool.Shared);
        var batch = TestModels.Batch(model.Config, 3, 1_030);
        var gradients = new float[batch.ScoredCount];
        var pass = new Pass(batch.TokenCount, batch.ScoredCount, Backward: true);
        model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true, LogProbGradient = gradients });
        model.Backward(new TokenGradients { LogProb = gradients });
        var known = MemoryUse.OfTraining(model.Config, pass with { GradientKnown = true }).Activations;
        Assert.Equal(sizeof(float) * model.ActivationFloats, known);
        Assert.Equal(sizeof(float) * 4_099 * (batch.ScoredCount - 1_024), MemoryUse.OfTraining(model.Config, pass).Activations - known);
    }

    [Theory, MemberData(nameof(Shapes))]
    public void Activations_of_a_scoring_pass_are_planned_to_the_byte(string shape)
    {
        using var model = Decoder.Create(ShapeOf(shape), 1, WorkerPool.Shared);
        var batch = TestModels.Batch(model.Config, 3, 12, 7);
        model.Forward(batch, Request(model, backward: false));
        Assert.Equal(sizeof(float) * model.ActivationFloats,
            MemoryUse.OfScoring(model.Config, new Pass(batch.TokenCount, batch.ScoredCount, Entropy: model.Config.NumScalars == 0)).Activations);
    }

    [Theory, MemberData(nameof(Shapes))]
    public void An_adapter_is_planned_to_the_byte(string shape)
    {
        using var plain = Decoder.Create(ShapeOf(shape), 1, WorkerPool.Shared);
        var lora = new LoraConfig { Rank = 3, Alpha = 6, Targets = LoraLayout.TargetsOf(plain.Config) };
        using var model = plain.Adapt(lora, plain.Config.NumScalars, seed: 2);
        var planned = MemoryUse.OfTraining(model.Config, TrainOn(model), lora: lora);
        Assert.Equal(sizeof(float) * model.ActivationFloats, planned.Activations);
        Assert.Equal(sizeof(float) * model.Parameters.Count, planned.Gradients);
        Assert.Equal(2 * planned.Gradients, planned.Optimizer);
    }

    [Fact]
    public void A_key_value_cache_holds_what_the_plan_says()
    {
        // L = 2, 3 slots of 10 tokens, each a block of 16, keys and values of 2 · 6 numbers; as int8 a float of scale for every 6.
        foreach (var (precision, bytes) in ((KvPrecision, int)[])[(KvPrecision.F32, 12 * 4), (KvPrecision.BF16, 12 * 2), (KvPrecision.Int8, 12 + 2 * 4)])
        {
            Assert.Equal(2 * 2 * 3 * 16 * bytes, MemoryUse.OfCache(TestModels.TinyLlama, 3, 10, precision));
            using var cache = new SlotCache(TestModels.TinyLlama, 3, 10, precision);
            Assert.Equal(cache.Cache.Bytes, MemoryUse.OfCache(TestModels.TinyLlama, 3, 10, precision));
            Assert.Equal(precision, cache.Cache.Precision);
        }
    }

    [Fact]
    public void Half_precision_is_a_copy_of_the_weights_and_half_the_activations_beside_what_stays_single()
    {
        var (single, half) = (MemoryUse.OfTraining(TestModels.Tiny, new Pass(10, 9)), MemoryUse.OfTraining(TestModels.Tiny, new Pass(10, 9), Dtype.Bf16));
        Assert.Equal((single.Weights * 3 / 2, single.Gradients, single.Optimizer, single.Activations / 2), (half.Weights, half.Gradients, half.Optimizer, half.Activations));
    }

    private static Pass TrainOn(Decoder model)
    {
        var batch = TestModels.Batch(model.Config, 3, 12, 7);
        model.Forward(batch, Request(model, backward: true));
        var (n, s) = (batch.ScoredCount, model.Config.NumScalars);
        model.Backward(s > 0 ? new TokenGradients { Scalars = new float[n * s] } : new TokenGradients { LogProb = new float[n], Entropy = new float[n] });
        return new Pass(batch.TokenCount, n, Backward: true, Entropy: s == 0, Dropout: model.Config.ResidDropout > 0);
    }

    private static ForwardRequest Request(Decoder model, bool backward) => new()
    {
        LogProb = model.Config.NumScalars == 0,
        Entropy = model.Config.NumScalars == 0,
        Scalars = model.Config.NumScalars > 0,
        ForBackward = backward,
        DropoutKeys = backward && model.Config.ResidDropout > 0 ? [5, 6] : null,
    };
}

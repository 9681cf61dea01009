using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

/// <summary>Forward and backward passes whose products are taken in bfloat16.</summary>
public sealed class BFloat16TrainingTests
{
    private static readonly ModelConfig Gpt = TestModels.Tiny with { HiddenSize = 64, IntermediateSize = 100, VocabSize = 60, InitializerRange = 0.07f, MaxPositionEmbeddings = 40 };
    private static readonly ModelConfig Llama = TestModels.TinyLlama with { HiddenSize = 64, IntermediateSize = 100, VocabSize = 60, InitializerRange = 0.07f, MaxPositionEmbeddings = 40 };
    private static readonly int[] Lengths = [21, 5, 2, 33];

    public static TheoryData<string> Families => ["gpt", "llama"];

    [Theory, MemberData(nameof(Families))]
    public void Numbers_stay_within_a_hundredth_of_fp32_and_gradients_within_a_twentieth(string family)
    {
        // bfloat16 has 8 bits: 2⁻⁸ = 0.4 % per product, which adds up over the layers.
        var (expected, expectedGradients) = Pass(family, Dtype.Fp32);
        var (found, gradients) = Pass(family, Dtype.Bf16);
        Assert.InRange(Norm(found.Zip(expected, (a, b) => a - b)) / Norm(expected), 1e-6, 0.01);           // not 0: it did compute in bf16
        Assert.InRange(Norm(gradients.Zip(expectedGradients, (a, b) => a - b)) / Norm(expectedGradients), 1e-6, 0.05);
    }

    [Theory, MemberData(nameof(Families))]
    public void The_number_of_threads_changes_no_bit(string family)
    {
        using WorkerPool one = new(1), three = new(3);
        var alone = Pass(family, Dtype.Bf16, pool: one);
        var together = Pass(family, Dtype.Bf16, pool: three);
        Assert.Equal(alone.LogProb, together.LogProb);
        Assert.Equal(alone.Gradients, together.Gradients);
    }

    [Theory, MemberData(nameof(Families))]
    public void A_sequence_alone_has_the_bits_it_has_among_others(string family)
    {
        using var model = Create(family, Dtype.Bf16);
        var among = model.Forward(TestModels.Batch(model.Config, 5, Lengths), new ForwardRequest { LogProb = true }).LogProb.ToArray();
        var alone = model.Forward(TestModels.Batch(model.Config, 5, Lengths[0]), new ForwardRequest { LogProb = true }).LogProb.ToArray();
        Assert.Equal(among[..alone.Length], alone);
    }

    [Theory, MemberData(nameof(Families))]
    public void Activations_computed_again_and_logits_in_chunks_give_the_same_bits(string family)
    {
        var kept = Pass(family, Dtype.Bf16);
        var again = Pass(family, Dtype.Bf16, model => (model.ActivationCheckpointing, model.LogitRowsLimit) = (true, 8));
        Assert.Equal(kept.LogProb, again.LogProb);
        // In chunks of an even number of rows the sums over them are interrupted, not reordered.
        Assert.Equal(kept.Gradients, again.Gradients);
    }

    [Theory, MemberData(nameof(Families))]
    public void Generation_has_the_bits_of_fp32(string family)
    {
        float[] Logits(Dtype dtype)
        {
            using var model = Create(family, dtype);
            using var cache = new SlotCache(model.Config, 1, 12);
            var logits = new float[model.Config.VocabSize];
            model.Extend(cache, [0], [0, 5], [1, 2, 3, 4, 5], logits);
            return logits;
        }
        Assert.Equal(Logits(Dtype.Fp32), Logits(Dtype.Bf16));
    }

    [Fact]
    public void What_is_no_product_with_a_block_or_the_vocabulary_is_fp32()
    {
        // With the blocks' matrices zero there is nothing to round: embedding, norms, biases and the scalar head remain.
        var config = Gpt with { NumHiddenLayers = 1, NumScalars = 1 };
        using var model = TestModels.Shaken(config, 3);
        foreach (var parameter in model.Parameters.All.Where(parameter => parameter.Shape.Length == 2 && parameter.Name.StartsWith("h.", StringComparison.Ordinal)))
            model.Parameters.ValuesOf(parameter).Clear();
        var batch = TestModels.Batch(config, 5, Lengths);
        var expected = model.Forward(batch, new ForwardRequest { Scalars = true }).Scalars.ToArray();
        model.Dtype = Dtype.Bf16;
        Assert.Equal(expected, model.Forward(batch, new ForwardRequest { Scalars = true }).Scalars.ToArray());
    }

    private static Decoder Create(string family, Dtype dtype, WorkerPool? pool = null)
    {
        var model = Decoder.Create(family == "gpt" ? Gpt : Llama, 4, pool ?? WorkerPool.Shared);
        model.Dtype = dtype;
        return model;
    }

    private static (float[] LogProb, float[] Gradients) Pass(string family, Dtype dtype, Action<Decoder>? change = null, WorkerPool? pool = null)
    {
        using var model = Create(family, dtype, pool);
        change?.Invoke(model);
        var batch = TestModels.Batch(model.Config, 5, Lengths);
        model.Parameters.ZeroGradients();
        var found = model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true }).LogProb.ToArray();
        model.Backward(new TokenGradients { LogProb = [.. Enumerable.Range(0, batch.ScoredCount).Select(i => (i % 5 - 2f) / batch.ScoredCount)] });
        return (found, model.Parameters.Gradients.ToArray());
    }

    private static double Norm(IEnumerable<float> numbers) => Math.Sqrt(numbers.Sum(x => (double)x * x));
}

using Gpt35.Kernels;

namespace Gpt35.Model.Torch.Tests;

/// <summary>The two backends hold each other: hand-written gradients against autograd's, over both families and their mixes.</summary>
public class AgreementTests
{
    private const int Draws = 48;
    private const double Tolerance = 1e-4;
    private static readonly int[] Lengths = [7, 3, 11, 7, 2, 11, 19];

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, Draws)];

    public static TheoryData<string> Families => ["gpt", "llama"];

    [Theory, MemberData(nameof(Seeds))]
    public void Numbers_and_gradients_of_both_backends_agree_over_random_configurations(int seed)
    {
        var (config, what) = Draw((ulong)seed);
        using var cpu = Support.Shaken(config, (ulong)seed);
        using var torch = Support.Torch(cpu);
        var batch = Support.Batch(config, (ulong)seed, Lengths);
        var expected = Support.Run(cpu, batch, what);
        Support.AssertClose(expected, Support.Run(torch, batch, what), cpu.Parameters, Tolerance);
    }

    [Fact]
    public void The_random_configurations_cover_every_feature()
    {
        var drawn = Enumerable.Range(1, Draws).Select(seed => Draw((ulong)seed)).ToList();
        void Covered(string what, Func<ModelConfig, ForwardRequest, bool> has) => Assert.True(drawn.Any(d => has(d.Config, d.What)), $"no draw has {what}");
        foreach (var scaling in Enum.GetValues<RopeType>()) Covered($"{scaling}", (c, _) => c.RopeScaling?.RopeType == scaling && c.HeadDim > 2);
        foreach (var activation in Enum.GetValues<Activation>()) Covered($"gated {activation}", (c, _) => c.HiddenAct == activation && c.GatedMlp);
        foreach (var positions in Enum.GetValues<PositionEncoding>())
            foreach (var norm in Enum.GetValues<Normalization>())
                Covered($"{positions} positions with {norm}", (c, w) => c.PositionEncoding == positions && c.Normalization == norm && w.LogProb);
        Covered("grouped queries", (c, _) => c.NumKeyValueHeads > 1 && c.NumKeyValueHeads < c.NumAttentionHeads);
        Covered("alternating windows", (c, _) => c.SlidingWindow > 1 && c.SlidingWindowPattern == 2 && c.NumHiddenLayers > 1);
        Covered("heads of another width", (c, _) => c.QueryWidth != c.HiddenSize);
        Covered("a tied output with entropy and temperature", (c, w) => c.TieWordEmbeddings && w.Entropy && w.Temperature != 1);
        Covered("no biases and an output of its own", (c, w) => !c.TieWordEmbeddings && w.LogProb && !c.AttentionBias && !c.MlpBias);
        Covered("dropout", (c, w) => c.ResidDropout > 0 && w.DropoutKeys is not null);
        Covered("a scalar head", (_, w) => w.Scalars);
    }

    [Theory, MemberData(nameof(Families))]
    public void Temperature_entropy_and_scalar_heads_agree_one_by_one(string family)
    {
        var config = Family(family);
        using var language = Support.Shaken(config, 5);
        using var scoring = Support.Shaken(config with { NumScalars = 3 }, 6);
        using var judging = Support.Shaken(config with { NumScalars = 2, ScalarHead = ScalarHead.Action }, 7);
        foreach (var (cpu, what) in new[]
        {
            (language, new ForwardRequest { LogProb = true, Temperature = 0.7f }),
            (language, new ForwardRequest { Entropy = true }),
            (language, new ForwardRequest { LogProb = true, Entropy = true, Temperature = 1.6f }),
            (scoring, new ForwardRequest { Scalars = true }),
            (judging, new ForwardRequest { Scalars = true }),
        })
        {
            using var torch = Support.Torch(cpu);
            var batch = Support.Batch(config, 9, Lengths);
            Support.AssertClose(Support.Run(cpu, batch, what), Support.Run(torch, batch, what), cpu.Parameters, Tolerance);
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void Dropout_drops_the_same_elements_on_both_backends(string family)
    {
        var config = Family(family) with { ResidDropout = 0.3f };
        using var cpu = Support.Shaken(config, 3);
        using var torch = Support.Torch(cpu);
        var batch = Support.Batch(config, 4, Lengths);
        var what = new ForwardRequest { LogProb = true, DropoutKeys = Support.Keys(77, Lengths.Length) };
        Support.AssertClose(Support.Run(cpu, batch, what), Support.Run(torch, batch, what), cpu.Parameters, Tolerance);
    }

    [Theory, MemberData(nameof(Families))]
    public void Copies_on_a_device_give_the_numbers_of_shared_memory(string family)
    {
        // The way a GPU is driven, on the processor: leaves of their own, refreshed before and collected after.
        using var model = Support.Shaken(Family(family), 8);
        using var shared = Support.Torch(model);
        using var copied = Support.Torch(model, shared: false);
        var batch = Support.Batch(model.Config, 2, Lengths);
        var what = new ForwardRequest { LogProb = true };
        Support.AssertClose(Support.Run(shared, batch, what), Support.Run(copied, batch, what), model.Parameters, 1e-6);

        model.Parameters.Values[3] += 0.5f;                                    // what an optimizer does
        Support.AssertClose(Support.Run(shared, batch, what), Support.Run(copied, batch, what), model.Parameters, 1e-6);
    }

    [Theory, MemberData(nameof(Families))]
    public void A_batch_gives_what_its_sequences_give_one_by_one(string family)
    {
        using var model = Support.Shaken(Family(family), 4);
        using var torch = Support.Torch(model);
        var together = torch.Forward(Support.Batch(model.Config, 6, 12), new ForwardRequest { LogProb = true }).LogProb.ToArray();
        var batch = Support.Batch(model.Config, 6, 12, 5, 12, 3);
        var among = torch.Forward(batch, new ForwardRequest { LogProb = true }).LogProb.ToArray();
        Assert.InRange(Support.Difference(among[..together.Length], together), 0, 1e-5);
    }

    [Theory, MemberData(nameof(Families))]
    public void In_bf16_numbers_stay_within_a_hundredth_and_gradients_within_a_twentieth(string family)
    {
        // bfloat16 has 8 bits: 2⁻⁸ = 0.4 % per product, which adds up over the layers.
        using var cpu = Decoder.Create(Family(family) with { HiddenSize = 64, InitializerRange = 0.07f }, 4, WorkerPool.Shared);
        using var torch = Support.Torch(cpu, Dtype.Bf16);
        var batch = Support.Batch(cpu.Config, 5, Lengths);
        var what = new ForwardRequest { LogProb = true };
        var (expected, found) = (Support.Run(cpu, batch, what), Support.Run(torch, batch, what));
        Assert.InRange(Support.Difference(found.LogProb, expected.LogProb), 1e-7, 0.01);           // not 0: it did compute in bf16
        Assert.InRange(Norm(found.Gradients.Zip(expected.Gradients, (a, b) => a - b)) / Norm(expected.Gradients), 1e-7, 0.05);
    }

    [Theory, MemberData(nameof(Families))]
    public unsafe void Training_on_either_backend_follows_the_same_losses(string family)
    {
        var (onCpu, onTorch, inBf16) = (Losses(Backend.Cpu, Dtype.Fp32), Losses(Backend.Torch, Dtype.Fp32), Losses(Backend.Torch, Dtype.Bf16));
        for (var step = 0; step < onCpu.Length; step++) Assert.Equal(onCpu[step], onTorch[step], 1e-3);
        Assert.True(onCpu[^1] < 0.7 * onCpu[0], $"{onCpu[0]} → {onCpu[^1]}");
        Assert.Equal(onCpu[^1], inBf16[^1], 0.05);

        double[] Losses(Backend backend, Dtype dtype)
        {
            using var model = Decoder.Create(Family(family) with { InitializerRange = 0.1f }, 11, WorkerPool.Shared);
            using var trained = backend == Backend.Cpu ? null : Support.Torch(model, dtype);
            var batch = Support.Batch(model.Config, 12, Lengths);
            var n = batch.ScoredCount;
            using NativeBuffer<float> first = new(model.Parameters.Count), second = new(model.Parameters.Count);
            return [.. Enumerable.Range(1, 20).Select(step =>
            {
                model.Parameters.ZeroGradients();
                ITrainableModel computing = trained ?? (ITrainableModel)model;
                var loss = -computing.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true }).LogProb.ToArray().Average();
                computing.Backward(new TokenGradients { LogProb = Enumerable.Repeat(-1f / n, n).ToArray() });
                AdamW.Step(WorkerPool.Shared, model.Parameters.ValuePointer, model.Parameters.GradientPointer, first.Pointer, second.Pointer, model.Parameters.Count,
                    0.01f, 0.9f, 0.95f, 1e-8f, 0, step, 1);
                return (double)loss;
            })];
        }
    }

    private static double Norm(IEnumerable<float> numbers) => Math.Sqrt(numbers.Sum(x => (double)x * x));

    private static ModelConfig Family(string name) => name == "gpt" ? Support.Gpt : Support.Llama;

    /// <summary>A configuration of either family or of a mix, and what to ask of it; a function of the seed.</summary>
    private static (ModelConfig Config, ForwardRequest What) Draw(ulong seed)
    {
        ulong counter = 0;
        int Pick(int from, int to) => from + (int)(CounterRandom.Hash(seed, counter++) % (ulong)(to - from + 1));
        T Of<T>(params T[] choices) => choices[Pick(0, choices.Length - 1)];
        bool Coin() => Pick(0, 1) == 1;

        int shared = Pick(1, 3), heads = shared * Pick(1, 3), k = 2 * Pick(1, 4), layers = Pick(1, 3);
        var rotary = Coin();
        var scalars = Of(0, 0, 0, 1, 2);
        var window = Of<int?>(null, 1, 4, 30);
        var config = new ModelConfig
        {
            VocabSize = Pick(5, 60),
            HiddenSize = Of(heads * k, 4 * Pick(2, 10)),
            HeadDim = k,
            NumHiddenLayers = layers,
            NumAttentionHeads = heads,
            NumKeyValueHeads = shared,
            MaxPositionEmbeddings = 19,
            IntermediateSize = Pick(3, 40),
            PositionEncoding = rotary ? PositionEncoding.Rotary : PositionEncoding.Learned,
            RopeTheta = Of(10_000.0, 500_000.0, 100.0),
            RopeScaling = !rotary ? null : Of(null,
                new RopeScaling { RopeType = RopeType.Linear, Factor = 2 },
                new RopeScaling { RopeType = RopeType.Ntk, Factor = 3 },
                new RopeScaling { RopeType = RopeType.Yarn, Factor = 4, OriginalMaxPositionEmbeddings = 8, BetaFast = 3, BetaSlow = 0.5 },
                new RopeScaling { RopeType = RopeType.Llama3, Factor = 8, OriginalMaxPositionEmbeddings = 10 }),
            Normalization = Of(Normalization.LayerNorm, Normalization.RmsNorm),
            HiddenAct = Of(Activation.GeluTanh, Activation.Gelu, Activation.Silu),
            GatedMlp = Coin(),
            AttentionBias = Coin(),
            MlpBias = Coin(),
            TieWordEmbeddings = Coin(),
            SlidingWindow = window,
            SlidingWindowPattern = window is null ? 0 : Of(0, 2),
            ResidDropout = Of(0, 0.2f),
            NumScalars = scalars,
        };
        return (config, new ForwardRequest
        {
            LogProb = scalars == 0,
            Entropy = scalars == 0 && Coin(),
            Scalars = scalars > 0,
            Temperature = Of(1, 0.6f, 1.7f),
            DropoutKeys = Coin() ? Support.Keys(seed, Lengths.Length) : null,
        });
    }
}

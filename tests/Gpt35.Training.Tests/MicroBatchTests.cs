using Gpt35.Data;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Training.Tests;

/// <summary>How a step is cut into micro-batches, what else is in them and how many threads work on them changes nothing but rounding, and often not even that.</summary>
public sealed class MicroBatchTests
{
    private static readonly ModelConfig Config = new() { VocabSize = 97, HiddenSize = 48, NumHiddenLayers = 2, NumAttentionHeads = 4, IntermediateSize = 192, MaxPositionEmbeddings = 64 };

    private static readonly TokenSequence[] Sequences = [.. Enumerable.Range(0, 8).Select(i =>
    {
        var ids = Ids(i, 9 + 5 * i);
        return new TokenSequence(ids, [.. ids.Select((_, t) => (t + i) % 3 != 0)]);
    })];

    private static readonly RankedPrompt[] Rankings = [.. Enumerable.Range(0, 8).Select(i =>
        RankedPrompt.Of([.. Enumerable.Range(0, 3).Select(k => Ids(10 * i + k, 8 + 3 * i + k))], [[2, 1, 3]]))];

    private static readonly Rollout[] Rollouts = [.. Enumerable.Range(0, 8).Select(i => new Rollout(4, Ids(i, 8 + 3 * i), new float[4 + 3 * i], Finished: i % 2 == 0))];

    [Theory]
    [InlineData(0f)]
    [InlineData(0.1f)]
    public void One_of_eight_and_eight_of_one_give_the_gradient_of_the_language_model(float dropout) =>
        RequireSameGradient(0, (model, micro) => LanguageModelTraining.Accumulate(model, Sequences, Indices, micro, dropout > 0 ? 7 : null), dropout);

    [Fact]
    public void With_dropout_the_order_of_a_step_does_not_matter_and_an_example_that_comes_twice_has_two_masks()
    {
        using var model = Decoder.Create(Config with { ResidDropout = 0.1f }, 3, WorkerPool.Shared);
        double Loss(ulong? key, params int[] examples) => LanguageModelTraining.Accumulate(model, Sequences, examples, 100, key);
        Assert.Equal(Loss(7, 0, 1, 2, 3, 1), Loss(7, 3, 1, 1, 2, 0), 1e-6);
        Assert.Equal(Loss(null, 1), Loss(null, 1, 1), 1e-6);
        Assert.NotEqual(Loss(7, 1), Loss(7, 1, 1), 1e-4);
        Assert.NotEqual(Loss(7, 1), Loss(8, 1), 1e-4);
    }

    [Fact]
    public void Every_example_of_every_step_has_masks_of_its_own()
    {
        ulong[] keys = [.. Enumerable.Range(0, 50).SelectMany(step => LanguageModelTraining.MaskKeys((ulong)step, [.. Indices, .. Indices, 3]))];
        Assert.Equal(50 * 17, keys.Distinct().Count());
    }

    [Fact]
    public void One_of_eight_and_eight_of_one_give_the_gradient_of_the_reward_model() =>
        RequireSameGradient(1, (model, micro) => RewardModeling.Accumulate(model, Rankings, Indices, micro).Loss);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_of_eight_and_eight_of_one_give_the_gradients_of_ppo(bool ofTheValueNetwork)
    {
        RequireSameGradient(ofTheValueNetwork ? 1 : 0, (model, micro) =>
        {
            using var other = Decoder.Create(Config with { NumScalars = ofTheValueNetwork ? 0 : 1 }, 5, WorkerPool.Shared);
            var (policy, value) = ofTheValueNetwork ? (other, model) : (model, other);
            using var optimizer = new Optimizer(policy.Parameters, new OptimizerOptions { Lr = 0 }, WorkerPool.Shared);
            using var valueOptimizer = new Optimizer(value.Parameters, new OptimizerOptions { Lr = 0 }, WorkerPool.Shared);
            var recipe = new PpoRecipe
            {
                Init = "",
                RewardModel = "",
                Data = new DataOptions { Train = [] },
                Iterations = 1,
                MaxTokens = 40,
                MicroTokens = micro,
                EntropyCoef = 0.01,
                Minibatches = 1,
                Optimizer = new OptimizerOptions { Lr = 0 },
                ValueOptimizer = new OptimizerOptions { Lr = 0 },
            };
            var experience = new RolloutScorer(recipe, policy, policy, value, value, 0).Score(Rollouts, 0.1);
            return new PpoUpdate(recipe, policy, value, optimizer, valueOptimizer, null).Accumulate(experience, Indices);
        });
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(0.1f)]
    public void A_sequence_has_the_same_log_probabilities_bit_for_bit_alone_among_others_and_on_any_number_of_threads(float dropout)
    {
        using var one = new WorkerPool(1);
        using var three = new WorkerPool(3);
        var config = Config with { ResidDropout = dropout };
        using var model = Decoder.Create(config, 3, one);
        using var threaded = Decoder.Create(config, 3, three);
        var alone = Sequences.Select(sequence => LogProbs(model, sequence)).ToList();
        foreach (var which in (Decoder[])[model, threaded])
        {
            var together = LogProbs(which, Sequences);
            var reversed = LogProbs(which, [.. Sequences.Reverse()]);
            Assert.Equal(alone.SelectMany(x => x), together);
            Assert.Equal(Enumerable.Reverse(alone).SelectMany(x => x), reversed);
        }

        static float[] LogProbs(Decoder model, params TokenSequence[] sequences)
        {
            var builder = new TokenBatchBuilder();
            foreach (var sequence in sequences) builder.Add(sequence.Ids, sequence.Trained);
            ulong[]? keys = model.Config.ResidDropout > 0 ? [.. sequences.Select(sequence => (ulong)sequence.Ids.Length)] : null;
            return [.. model.Forward(builder.Build(), new ForwardRequest { LogProb = true, ForBackward = true, DropoutKeys = keys }).LogProb];
        }
    }

    [Fact]
    public void A_step_has_the_same_gradient_bit_for_bit_on_any_number_of_threads()
    {
        var gradients = new[] { 1, 2, 3 }.Select(threads =>
        {
            using var pool = new WorkerPool(threads);
            using var model = Decoder.Create(Config with { ResidDropout = 0.1f }, 3, pool);
            LanguageModelTraining.Accumulate(model, Sequences, Indices, 100, dropoutKey: 7);
            return model.Parameters.Gradients.ToArray();
        }).ToList();
        Assert.Equal(gradients[0], gradients[1]);
        Assert.Equal(gradients[0], gradients[2]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Activations_computed_again_give_the_same_gradient_bit_for_bit(int layers)
    {
        var gradients = new[] { false, true }.Select(again =>
        {
            using var model = Decoder.Create(Config with { NumHiddenLayers = layers, ResidDropout = 0.2f }, 3, WorkerPool.Shared);
            model.ActivationCheckpointing = again;
            LanguageModelTraining.Accumulate(model, Sequences, Indices, 100, dropoutKey: 1);
            LanguageModelTraining.Measure(model, Sequences, 100);
            LanguageModelTraining.Accumulate(model, Sequences, Indices, 1000, dropoutKey: 2);
            return model.Parameters.Gradients.ToArray();
        }).ToList();
        Assert.Equal(gradients[0], gradients[1]);
    }

    private static int[] Indices => [.. Enumerable.Range(0, 8)];

    private static int[] Ids(int seed, int count) => [.. Enumerable.Range(0, count).Select(t => (int)(CounterRandom.Hash((ulong)seed, (ulong)t) % 97))];

    /// <summary>Loss and gradient of one micro-batch of everything and of a micro-batch for each example: the same to 1e-6, the gradient's of its largest entry.</summary>
    private static void RequireSameGradient(int scalars, Func<Decoder, int, double> accumulate, float dropout = 0)
    {
        using var whole = Decoder.Create(Config with { NumScalars = scalars, ResidDropout = dropout }, 3, WorkerPool.Shared);
        using var parts = Decoder.Create(Config with { NumScalars = scalars, ResidDropout = dropout }, 3, WorkerPool.Shared);
        Assert.Equal(accumulate(whole, 100_000), accumulate(parts, 1), 1e-6);
        float[] expected = whole.Parameters.Gradients.ToArray(), found = parts.Parameters.Gradients.ToArray();
        var largest = expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - found[i]) <= 1e-6 * largest, $"entry {i}: {expected[i]} from one micro-batch, {found[i]} from eight, the largest {largest}");
    }
}

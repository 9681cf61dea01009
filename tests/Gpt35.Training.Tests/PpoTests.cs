using Gpt35.Inference;
using Gpt35.Kernels;

namespace Gpt35.Training.Tests;

public sealed class PpoTests
{
    private const int Vocabulary = 5;

    private static readonly PpoRecipe Recipe = new()
    {
        Init = "unused",
        RewardModel = "unused",
        Data = new DataOptions { Train = [] },
        Iterations = 40,
        RolloutPrompts = 64,
        MaxTokens = 4,
        MissingEosPenalty = 0.5,
        KlCoef = 0.1,
        PpoEpochs = 2,
        Minibatches = 4,
        Optimizer = new OptimizerOptions { Lr = 0.05, Schedule = ScheduleShape.Constant },
        ValueOptimizer = new OptimizerOptions { Lr = 0.05, Schedule = ScheduleShape.Constant },
    };

    [Fact]
    public void Scoring_recomputes_log_probabilities_and_places_kl_and_score_where_they_belong()
    {
        using var game = new Game();
        game.Policy.Table[0] = 1;
        game.Reward.Table[2 * Vocabulary] = 7;                  // a text that ends in token 2 scores 7
        var logProb = (float)Math.Log(game.Policy.Distribution(0)[2]);
        var rollout = new Rollout([3, 0], new Completion([2], [logProb], FinishReason.Length));
        var experience = game.Scorer(Recipe, bias: -1).Score([rollout], klCoef: 0.1);

        Assert.Equal(logProb, experience.LogProb[0], 1e-6f);
        Assert.Equal(logProb - Math.Log(0.2), experience.Kl[0], 1e-6);
        Assert.Equal(7 - 1 - 0.5, experience.Scores[0], 1e-6);                    // bias, and the penalty for a missing end
        Assert.Equal(5.5 - 0.1 * experience.Kl[0], experience.Rewards[0], 1e-5);
        Assert.Equal(experience.Rewards[0], experience.Returns[0], 1e-6f);        // the value network says 0 everywhere
        var metrics = experience.Metrics();
        Assert.Equal(0, metrics["sampler_gap"], 1e-6);
        Assert.Equal(0, metrics["finished"]);
        Assert.Equal(1, metrics["completion_length"]);
    }

    [Fact]
    public void The_reference_and_the_policy_are_read_at_the_temperature_of_the_rollouts()
    {
        using var game = new Game();
        game.Policy.Table[0] = 1;
        var experience = game.Scorer(Recipe with { Temperature = 0.5 }, 0).Score([new Rollout([3, 0], new Completion([0], [0], FinishReason.Stop))], 0.1);
        Assert.Equal(Math.Log(game.Policy.Distribution(0, temperature: 0.5)[0]), experience.LogProb[0], 1e-6);
    }

    [Fact]
    public void The_first_minibatch_has_ratio_1_and_later_ones_move()
    {
        using var game = new Game();
        game.LikesAnswersThatEndIn(token: 2);
        var metrics = game.Play(Recipe, iterations: 1);
        Assert.Equal(0, metrics["first_ratio_gap"]);
        Assert.True(metrics["approx_kl"] > 0);
    }

    [Fact]
    public void The_policy_finds_what_the_reward_model_likes()
    {
        using var game = new Game();
        game.LikesAnswersThatEndIn(token: 2);
        var first = game.Play(Recipe, iterations: 1)["score"];
        var last = game.Play(Recipe, iterations: 40)["score"];
        Assert.True(last > first + 0.5, $"score went from {first} to {last}");
        Assert.True(game.Policy.Distribution(0)[2] > 0.8);
    }

    [Fact]
    public void A_large_kl_coefficient_holds_the_policy_to_the_reference()
    {
        using var held = new Game();
        using var loose = new Game();
        foreach (var game in (Game[])[held, loose]) game.LikesAnswersThatEndIn(token: 2);
        var near = held.Play(Recipe with { KlCoef = 10 }, iterations: 30)["kl_per_token"];
        var far = loose.Play(Recipe with { KlCoef = 0 }, iterations: 30)["kl_per_token"];
        Assert.True(near < 0.1 && far > 5 * near, $"KL per token {near} with the penalty, {far} without");
    }

    [Fact]
    public void Micro_batches_do_not_change_the_update()
    {
        using var whole = new Game();
        using var parts = new Game();
        foreach (var game in (Game[])[whole, parts]) game.LikesAnswersThatEndIn(token: 2);
        whole.Play(Recipe, iterations: 2);
        parts.Play(Recipe with { MicroTokens = 1 }, iterations: 2);
        Differences.AssertClose([.. whole.Policy.Table.ToArray().Select(x => (double)x)], parts.Policy.Table.ToArray(), 1e-4);
        Differences.AssertClose([.. whole.Value.Table.ToArray().Select(x => (double)x)], parts.Value.Table.ToArray(), 1e-4);
    }

    [Fact]
    public void The_entropy_bonus_keeps_the_policy_wide()
    {
        using var wide = new Game();
        using var narrow = new Game();
        foreach (var game in (Game[])[wide, narrow]) game.LikesAnswersThatEndIn(token: 2);
        var with = wide.Play(Recipe with { EntropyCoef = 0.5, KlCoef = 0 }, iterations: 30)["entropy"];
        var without = narrow.Play(Recipe with { KlCoef = 0 }, iterations: 30)["entropy"];
        Assert.True(with > 2 * without, $"entropy {with} with the bonus, {without} without");
    }

    /// <summary>Bigram models in all four roles; the prompt is [3, 0] and answers are drawn from the policy's table.</summary>
    private sealed class Game : IDisposable
    {
        private int played;

        public BigramModel Policy { get; } = new(Vocabulary);
        public BigramModel Reference { get; } = new(Vocabulary);
        public BigramModel Value { get; } = new(Vocabulary, scalar: true);
        public BigramModel Reward { get; } = new(Vocabulary, scalar: true);

        /// <summary>A text that ends in this token scores 1, any other 0.</summary>
        public void LikesAnswersThatEndIn(int token) => Reward.Table[token * Vocabulary] = 1;

        public RolloutScorer Scorer(PpoRecipe recipe, double bias) => new(recipe, Policy, Reference, Value, Reward, bias);

        /// <summary>Plays rounds and returns the metrics of the last one.</summary>
        public OrderedDictionary<string, double> Play(PpoRecipe recipe, int iterations)
        {
            using var optimizer = new Optimizer(Policy.Parameters, recipe.Optimizer, WorkerPool.Shared);
            using var valueOptimizer = new Optimizer(Value.Parameters, recipe.ValueOptimizer, WorkerPool.Shared);
            var update = new PpoUpdate(recipe, Policy, Value, optimizer, valueOptimizer, null);
            OrderedDictionary<string, double> metrics = [];
            for (var i = 0; i < iterations; i++, played++)
            {
                var experience = Scorer(recipe, 0).Score([.. Enumerable.Range(0, recipe.RolloutPrompts).Select(Answer)], recipe.KlCoef);
                metrics = experience.Metrics();
                foreach (var (name, figure) in update.Run(experience, i)) metrics[name] = figure;
            }
            return metrics;
        }

        public void Dispose()
        {
            foreach (var model in (BigramModel[])[Policy, Reference, Value, Reward]) model.Dispose();
        }

        /// <summary>One token, drawn from p(· | 0).</summary>
        private Rollout Answer(int index)
        {
            var p = Policy.Distribution(0);
            double draw = CounterRandom.Uniform((ulong)played, (ulong)index), sum = 0;
            var token = 0;
            while (token < Vocabulary - 1 && (sum += p[token]) <= draw) token++;
            return new Rollout([3, 0], new Completion([token], [(float)Math.Log(p[token])], FinishReason.Stop));
        }
    }
}

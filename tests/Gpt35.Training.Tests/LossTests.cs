using CsCheck;

namespace Gpt35.Training.Tests;

public sealed class LossTests
{
    private const double Ln2 = 0.6931471805599453;

    [Fact]
    public void Cross_entropy_is_the_mean_surprise_over_the_tokens_of_the_step()
    {
        var gradient = new float[2];
        var loss = LanguageModelLoss.Compute([(float)Math.Log(0.5), (float)Math.Log(0.25)], tokens: 4, gradient);
        Assert.Equal(3 * Ln2 / 4, loss, 1e-7);
        Assert.Equal([-0.25f, -0.25f], gradient);
    }

    [Fact]
    public void The_shares_of_micro_batches_add_up_to_the_loss_of_the_whole_batch()
    {
        float[] all = [-1, -2, -3, -4, -5];
        var whole = LanguageModelLoss.Compute(all, 5, new float[5]);
        var parts = LanguageModelLoss.Compute(all.AsSpan(0, 1), 5, new float[1]) + LanguageModelLoss.Compute(all.AsSpan(1), 5, new float[4]);
        Assert.Equal(3, whole, 1e-12);
        Assert.Equal(whole, parts, 1e-12);
    }

    [Fact]
    public void A_weight_scales_loss_and_gradient_of_the_pre_training_mix()
    {
        var gradient = new float[1];
        Assert.Equal(27.8 * 2, LanguageModelLoss.Compute([-2], 1, gradient, weight: 27.8), 1e-9);
        Assert.Equal(-27.8f, gradient[0]);
    }

    [Fact]
    public void A_pair_without_margin_costs_ln_2_and_pulls_with_half()
    {
        var gradient = new float[2];
        var found = RewardLoss.Rankings([1, 1], [[[1, 2]]], prompts: 1, gradient);
        Assert.Equal(Ln2, found.Loss, 1e-12);
        Assert.Equal([-0.5f, 0.5f], gradient);
        Assert.Equal((1, 0), (found.Pairs, found.Correct));
    }

    [Fact]
    public void Three_ranked_completions_average_over_three_pairs()
    {
        // margins 1, 3, 2: softplus(-1) = 0.31326, softplus(-3) = 0.04859, softplus(-2) = 0.12693
        var found = RewardLoss.Rankings([3, 2, 0], [[[1, 2, 3]]], 1, new float[3]);
        Assert.Equal((0.3132616875 + 0.0485873516 + 0.1269280110) / 3, found.Loss, 1e-9);
        Assert.Equal((3, 3), (found.Pairs, found.Correct));
    }

    [Fact]
    public void Ties_are_dropped_and_the_mean_is_over_the_pairs_that_are_left()
    {
        var gradient = new float[3];
        var found = RewardLoss.Rankings([0, 5, 0], [[[1, 1, 2]]], 1, gradient);      // pairs (0,2) and (1,2)
        Assert.Equal((Ln2 + Math.Log(1 + Math.Exp(-5))) / 2, found.Loss, 1e-9);
        Assert.Equal(2, found.Pairs);
        Assert.Equal(-0.25f, gradient[0]);
    }

    [Fact]
    public void A_prompt_of_ties_only_costs_nothing()
    {
        var gradient = new float[2];
        Assert.Equal(default, RewardLoss.Rankings([1, 2], [[[1, 1]]], 1, gradient));
        Assert.Equal([0f, 0f], gradient);
    }

    [Fact]
    public void Every_prompt_weighs_the_same_however_many_completions_it_has()
    {
        var found = RewardLoss.Rankings([1, 1, 1, 1, 1], [[[1, 2]], [[1, 2, 3]]], prompts: 2, new float[5]);
        Assert.Equal(Ln2, found.Loss, 1e-12);
    }

    [Fact]
    public void Labellers_who_disagree_weigh_alike_and_cancel_out()
    {
        var gradient = new float[2];
        // Two of three prefer the first: (2 softplus(-1) + softplus(1)) / 3 = (2 * 0.31326 + 1.31326) / 3
        var found = RewardLoss.Rankings([1, 0], [[[1, 2], [1, 2], [2, 1]]], 1, gradient);
        Assert.Equal((2 * 0.3132616875 + 1.3132616875) / 3, found.Loss, 1e-9);
        Assert.Equal((3, 2), (found.Pairs, found.Correct));
        RewardLoss.Rankings([1, 1], [[[1, 2], [2, 1]]], 1, gradient);
        Assert.Equal([0f, 0f], gradient);
    }

    [Fact]
    public void Ranking_gradients_are_those_of_the_loss() =>
        Gen.Float[-3, 3].Array[5].Sample(drawn =>
        {
            var rewards = Snap(drawn);
            int[][][] ranks = [[[2, 1, 3], [1, 1, 2]], [[2, 1]]];
            var gradient = new float[5];
            RewardLoss.Rankings(rewards, ranks, 2, gradient);
            Differences.AssertClose(Differences.Of(rewards, x => RewardLoss.Rankings(x, ranks, 2, new float[5]).Loss), gradient);
        }, iter: 50);

    [Fact]
    public void Huge_margins_do_not_overflow()
    {
        var found = RewardLoss.Rankings([-1e4f, 1e4f], [[[1, 2]]], 1, new float[2]);
        Assert.Equal(2e4, found.Loss, 1e-6);
    }

    [Theory]
    [InlineData(KlEstimator.K1, 0.5)]
    [InlineData(KlEstimator.K2, 0.125)]
    [InlineData(KlEstimator.K3, 0.1065306597)]      // e^-0.5 − 1 + 0.5
    public void Kl_estimators_of_a_log_ratio_of_one_half(KlEstimator estimator, double expected)
    {
        var kl = new float[1];
        KlPenalty.Estimate([-1], [-1.5f], estimator, kl);
        Assert.Equal(expected, kl[0], 1e-7);
    }

    [Fact]
    public void K1_and_k3_average_to_the_true_divergence()
    {
        double[] p = [0.5, 0.3, 0.2], q = [0.2, 0.2, 0.6];
        var exact = p.Zip(q, (a, b) => a * Math.Log(a / b)).Sum();
        foreach (var estimator in (KlEstimator[])[KlEstimator.K1, KlEstimator.K3])
        {
            var kl = new float[3];
            KlPenalty.Estimate([.. p.Select(x => (float)Math.Log(x))], [.. q.Select(x => (float)Math.Log(x))], estimator, kl);
            Assert.Equal(exact, p.Zip(kl, (a, b) => a * b).Sum(), 1e-6);
        }
    }

    [Fact]
    public void Each_token_pays_for_its_own_kl_and_the_last_one_receives_the_score()
    {
        var rewards = new float[3];
        KlPenalty.TokenRewards([1, -2, 0.5f], score: 3, beta: 0.1, rewards);
        Assert.Equal(-0.1, rewards[0], 1e-7);
        Assert.Equal(0.2, rewards[1], 1e-7);
        Assert.Equal(2.95, rewards[2], 1e-6);
    }

    [Theory]
    [InlineData(12, 0.2 * (1 + 0.2 * 256 / 10_000))]      // error clipped to +0.2
    [InlineData(6.6, 0.2 * (1 + 0.1 * 256 / 10_000))]
    [InlineData(6, 0.2)]
    [InlineData(0, 0.2 * (1 - 0.2 * 256 / 10_000))]
    public void The_adaptive_coefficient_moves_towards_its_target(double kl, double expected) =>
        Assert.Equal(expected, KlPenalty.AdaptCoefficient(0.2, kl, target: 6, episodes: 256, horizon: 10_000), 1e-12);

    [Fact]
    public void Advantages_follow_the_recursion_of_gae()
    {
        // γ = 0.5, λ = 0.5: δ3 = 3 − 1 = 2; δ2 = 2 + 0.5·1 − 2 = 0.5; δ1 = 1 + 0.5·2 − 3 = −1
        // A3 = 2; A2 = 0.5 + 0.25·2 = 1; A1 = −1 + 0.25·1 = −0.75
        var advantages = new float[3];
        var returns = new float[3];
        Gae.Compute([1, 2, 3], [3, 2, 1], gamma: 0.5, lambda: 0.5, advantages, returns);
        Assert.Equal([-0.75f, 1f, 2f], advantages);
        Assert.Equal([2.25f, 3f, 3f], returns);
    }

    [Fact]
    public void With_lambda_1_returns_are_the_discounted_sums_of_rewards() =>
        Gen.Select(Gen.Float[-1, 1].Array[6], Gen.Float[-1, 1].Array[6], Gen.Double[0.5, 1]).Sample((rewards, values, gamma) =>
        {
            var advantages = new float[6];
            var returns = new float[6];
            Gae.Compute(rewards, values, gamma, 1, advantages, returns);
            double sum = 0;
            for (var t = 5; t >= 0; t--)
            {
                sum = rewards[t] + gamma * sum;
                Assert.Equal(sum, returns[t], 1e-5);
                Assert.Equal(sum - values[t], advantages[t], 1e-5);
            }
        }, iter: 50);

    [Fact]
    public void With_lambda_0_advantages_are_one_step_errors()
    {
        var advantages = new float[2];
        Gae.Compute([1, 2], [0.5f, 1], 1, 0, advantages, new float[2]);
        Assert.Equal([1.5f, 1f], advantages);
    }

    [Fact]
    public void Whitened_numbers_have_mean_0_and_variance_1()
    {
        float[] x = [1, 2, 3, 4];
        Whitening.Apply(x);
        Assert.Equal([-1.3416407f, -0.4472136f, 0.4472136f, 1.3416407f], x, new Near(1e-6));
        float[] flat = [2, 2, 2];
        Whitening.Apply(flat);
        Assert.Equal([0f, 0f, 0f], flat);
    }

    [Theory]
    [InlineData(1, 0.5, -0.5, -0.5)]         // ratio fell, advantage good: pulled back up, not clipped
    [InlineData(1, 1.5, -1.2, 0)]            // ratio rose past the clip, advantage good: nothing more to gain
    [InlineData(1, 1.1, -1.1, -1.1)]         // within the clip
    [InlineData(-1, 1.5, 1.5, 1.5)]          // ratio rose, advantage bad: pushed down, not clipped
    [InlineData(-1, 0.5, 0.8, 0)]            // ratio fell past the clip, advantage bad: nothing more to gain
    [InlineData(-1, 0.9, 0.9, 0.9)]
    public void The_clipped_objective_in_its_six_cases(double advantage, double ratio, double loss, double slope)
    {
        var gradient = new float[1];
        var found = PpoLoss.Policy([(float)Math.Log(ratio)], [0], [(float)advantage], 0.2, 1, gradient);
        Assert.Equal(loss, found.Loss, 1e-6);
        Assert.Equal(slope, gradient[0], 1e-6);
        Assert.Equal(slope == 0 ? 1 : 0, found.ClipFraction);
    }

    [Fact]
    public void Before_the_first_update_the_ratio_is_1_and_nothing_is_clipped()
    {
        var gradient = new float[2];
        var found = PpoLoss.Policy([-1.25f, -3], [-1.25f, -3], [2, -4], 0.2, 2, gradient);
        Assert.Equal(new PolicyLoss(1, 0, 0, 0), found);
        Assert.Equal([-1f, 2f], gradient);
    }

    [Fact]
    public void Approximate_kl_is_half_the_mean_square_of_the_log_ratio()
    {
        var found = PpoLoss.Policy([0.5f, -1], [0, 0], [0, 0], 0.2, 2, new float[2]);
        Assert.Equal((0.25 + 1) / 4, found.ApproxKl, 1e-12);
    }

    [Fact]
    public void Policy_gradients_are_those_of_the_loss() =>
        Gen.Select(Gen.Float[-2, 0].Array[6], Gen.Float[-2, 0].Array[6], Gen.Float[-2, 2].Array[6]).Sample((a, b, advantages) =>
        {
            var logProb = Snap(a);
            var old = Snap(b);
            // The objective has corners where the ratio meets the clip; a difference quotient across one means nothing.
            for (var i = 0; i < 6; i++)
                if (Math.Abs(Math.Abs(Math.Exp(logProb[i] - old[i]) - 1) - 0.2) < 0.01) old[i] += 0.125f;
            var gradient = new float[6];
            PpoLoss.Policy(logProb, old, advantages, 0.2, 6, gradient);
            Differences.AssertClose(Differences.Of(logProb, x => PpoLoss.Policy(x, old, advantages, 0.2, 6, new float[6]).Loss), gradient);
        }, iter: 50);

    [Fact]
    public void The_entropy_bonus_lowers_the_loss_by_the_mean_entropy()
    {
        var gradient = new float[2];
        Assert.Equal(-0.01 * 3 / 4, PpoLoss.EntropyBonus([1, 2], 0.01, tokens: 4, gradient), 1e-12);
        Assert.Equal([-0.0025f, -0.0025f], gradient);
    }

    [Fact]
    public void A_value_that_has_not_moved_is_never_clipped()
    {
        float[] values = [.. Enumerable.Range(0, 1000).Select(t => MathF.Sin(t))], returns = [.. Enumerable.Range(0, 1000).Select(t => 3 * MathF.Cos(7 * t))];
        var gradient = new float[1000];
        var loss = PpoLoss.Value(values, values, returns, 0.2, 1, 1000, gradient);
        Assert.Equal(0, loss.ClipFraction);
        Assert.DoesNotContain(0f, gradient);
    }

    [Theory]
    [InlineData(1.1, 1, 2, 0.405, -0.9, 0)]       // within the clip: ½·0.9²
    [InlineData(1.5, 1, 2, 0.32, 0, 1)]           // ran ahead of the clip: judged at 1.2, ½·0.8², no slope
    [InlineData(0.5, 1, 2, 1.125, -1.5, 0)]       // ran the wrong way: ½·1.5² is larger than at 0.8
    [InlineData(3, 1, 2, 0.5, 1, 0)]              // past the return: its own error, 1, is larger than at 1.2
    public void The_clipped_value_loss_by_hand(double value, double old, double target, double loss, double slope, double clipped)
    {
        var gradient = new float[1];
        var found = PpoLoss.Value([(float)value], [(float)old], [(float)target], 0.2, 1, 1, gradient);
        Assert.Equal(loss, found.Loss, 1e-6);
        Assert.Equal(slope, gradient[0], 1e-6);
        Assert.Equal(clipped, found.ClipFraction);
    }

    [Fact]
    public void Value_gradients_are_those_of_the_loss() =>
        Gen.Select(Gen.Float[-2, 2].Array[6], Gen.Float[-2, 2].Array[6], Gen.Float[-2, 2].Array[6]).Sample((a, b, c) =>
        {
            float[] values = Snap(a), old = Snap(b), returns = Snap(c);
            // Corners: where the value leaves the clip, and where both errors are equally large.
            for (var i = 0; i < 6; i++)
            {
                if (Math.Abs(Math.Abs(values[i] - old[i]) - 0.2) < 0.01) old[i] += 0.0625f;
                var bounded = Math.Clamp(values[i], old[i] - 0.2, old[i] + 0.2) - returns[i];
                if (Math.Abs(Math.Abs(bounded) - Math.Abs(values[i] - returns[i])) < 0.01) returns[i] += 0.125f;
            }
            var gradient = new float[6];
            PpoLoss.Value(values, old, returns, 0.2, 0.5, 6, gradient);
            Differences.AssertClose(Differences.Of(values, x => PpoLoss.Value(x, old, returns, 0.2, 0.5, 6, new float[6]).Loss), gradient, 2e-4);
        }, iter: 50);

    [Fact]
    public void Spans_of_different_lengths_are_refused() =>
        Assert.Throws<ArgumentException>(() => PpoLoss.Policy([0, 0], [0], [0, 0], 0.2, 2, new float[2]));

    /// <summary>To multiples of 1/1024, so that a difference step changes a value by exactly that step.</summary>
    private static float[] Snap(float[] x) => [.. x.Select(value => MathF.Round(value * 1024) / 1024)];

    private sealed class Near(double tolerance) : IEqualityComparer<float>
    {
        public bool Equals(float x, float y) => Math.Abs(x - y) <= tolerance;
        public int GetHashCode(float x) => 0;
    }
}

namespace Gpt35.Model.Tests;

public class ComputeCostTests
{
    // D = 8, F = 20, L = 2, V = 11: a block has 8·24 + 8·8 + 2·8·20 = 576 weights, the projection 88.
    private static readonly ModelConfig Tiny = TestModels.Tiny;

    [Fact]
    public void A_token_forward_costs_two_operations_per_weight_and_four_per_head_width_and_token_seen()
    {
        Assert.Equal(2 * 576 + 88, ComputeCost.MatrixParameters(Tiny));
        // A sequence of 5 sees 1 + 2 + 3 + 4 + 5 = 15 tokens, 3 each; two layers of 2 heads of 4.
        Assert.Equal(2 * 1240 + 2 * 4 * 8 * 3, ComputeCost.ForwardPerToken(Tiny, 5));
        Assert.Equal(3 * (2480 + 192), ComputeCost.TrainingPerToken(Tiny, 5));
    }

    [Fact]
    public void Tokens_that_are_not_scored_and_scalar_heads_pay_nothing_for_the_vocabulary()
    {
        Assert.Equal(1152 + 22, ComputeCost.MatrixParameters(Tiny, scoredShare: 0.25));
        Assert.Equal(1152, ComputeCost.MatrixParameters(Tiny with { NumScalars = 1 }));
    }

    [Fact]
    public void A_frozen_base_saves_the_gradients_of_its_weights() =>
        Assert.Equal(4 * 1240 + 3 * 192 + 6 * 100, ComputeCost.AdapterTrainingPerToken(Tiny, 5, 100));

    [Fact]
    public void What_is_computed_again_ends_before_the_nonlinearity_and_leaves_out_the_last_block() =>
        // One of two blocks: 576 weights without the 160 of Down, and its attention.
        Assert.Equal(2 * (576 - 160) + 4 * 8 * 3, ComputeCost.RecomputedPerToken(Tiny, 5));

    [Theory]
    [InlineData(1, 0, 1)]
    [InlineData(4, 0, 2.5)]
    [InlineData(4, 2, 1.75)]     // 1 + 2 + 2 + 2
    [InlineData(4, 9, 2.5)]
    [InlineData(4, 1, 1)]
    public void The_mean_number_of_tokens_seen_counts_mask_and_window(int length, int window, double mean) =>
        Assert.Equal(mean, ComputeCost.MeanVisible(length, window));

    [Fact]
    public void Grouped_queries_and_gates_are_counted()
    {
        // q 8×8, k and v 8×4 each, o 8×8, gate, up and down 8×20: 64 + 64 + 64 + 480 = 672.
        var config = Tiny with { NumHiddenLayers = 1, NumKeyValueHeads = 1, GatedMlp = true, NumScalars = 1 };
        Assert.Equal(672, ComputeCost.MatrixParameters(config));
    }

    [Fact]
    public void For_gpt3_the_matrix_count_and_the_papers_six_n_agree_to_a_few_percent_where_attention_is_small()
    {
        var preset = ModelPreset.Get("gpt3-175b");
        Assert.Equal(1, ComputeCost.TrainingPerToken(preset.Config, 2048) / (6.0 * preset.ParameterCount), 0.03);
    }
}

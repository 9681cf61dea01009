namespace Gpt35.Model;

/// <summary>
/// Floating-point operations of training and of generation, a multiply-add counted as two. Norms, softmax and the like are left out: they are
/// proportional to D, not to D².
/// </summary>
public static class ComputeCost
{
    /// <summary>Floating-point operations of one petaflop/s-day.</summary>
    public const double PetaflopDay = 1e15 * 86_400;

    /// <summary>Tokens of pre-training per parameter at which a given amount of compute gives the lowest loss (Hoffmann et al. 2022, table 3, about 20).</summary>
    public const double OptimalTokensPerParameter = 20;

    /// <summary>
    /// Total training compute as GPT-3's authors account for it (Brown et al. 2020, table D.1): 6 operations per parameter and token, all parameters
    /// active, attention left out.
    /// </summary>
    public static double PaperTraining(double parameters, double tokens) => 6 * parameters * tokens;

    /// <summary>Parameters that a token is multiplied with: everything but lookup tables, norms and biases; a tied embedding counts as the output projection.</summary>
    /// <param name="config">Shape.</param>
    /// <param name="scoredShare">Share of the tokens that pay for the vocabulary projection: 1 in pre-training, the answers in fine-tuning. A scalar head costs nothing.</param>
    public static double MatrixParameters(ModelConfig config, double scoredShare = 1)
    {
        double d = config.HiddenSize, f = config.IntermediateSize;
        var block = d * (config.QueryWidth + 2.0 * config.KeyValueWidth) + config.QueryWidth * d + d * f * (config.GatedMlp ? 3 : 2);
        return config.NumHiddenLayers * block + (config.NumScalars > 0 ? 0 : scoredShare * d * config.VocabSize);
    }

    /// <summary>
    /// One token forward: 2 operations per matrix parameter, and 4·K per head and token it attends to (K for the score, K for the weighted sum).
    /// Averaged over a sequence of <paramref name="context"/> tokens, so with its causal mask and its window.
    /// </summary>
    public static double ForwardPerToken(ModelConfig config, int context, double scoredShare = 1) =>
        2 * MatrixParameters(config, scoredShare) + AttentionPerToken(config, context);

    /// <summary>One token of training: the backward pass multiplies everything twice, once for the inputs and once for the weights; so 6·N and three times attention.</summary>
    public static double TrainingPerToken(ModelConfig config, int context, double scoredShare = 1) => 3 * ForwardPerToken(config, context, scoredShare);

    /// <summary>One token of training with a frozen base: no gradients of weights, so 4·N and three times attention; <paramref name="adapterParameters"/> are trained in full.</summary>
    public static double AdapterTrainingPerToken(ModelConfig config, int context, long adapterParameters, double scoredShare = 1) =>
        4 * MatrixParameters(config, scoredShare) + 3 * AttentionPerToken(config, context) + 6.0 * adapterParameters;

    /// <summary>What activation checkpointing computes again: all blocks but the last, whose activations are still there, up to their nonlinearity.</summary>
    public static double RecomputedPerToken(ModelConfig config, int context)
    {
        double down = 2.0 * config.HiddenSize * config.IntermediateSize * config.NumHiddenLayers;
        return (ForwardPerToken(config, context, scoredShare: 0) - down) * (config.NumHiddenLayers - 1) / config.NumHiddenLayers;
    }

    /// <summary>4·H·K for each of the tokens that a token sees, itself included, over all layers.</summary>
    internal static double AttentionPerToken(ModelConfig config, int context) =>
        Enumerable.Range(0, config.NumHiddenLayers).Sum(layer => 4.0 * config.QueryWidth * MeanVisible(context, config.WindowOf(layer)));

    /// <summary>How many tokens one sees on average, itself included: (n + 1)/2 of n, less with a window of w (0: none).</summary>
    internal static double MeanVisible(int n, int w)
    {
        if (w == 0 || w >= n) return (n + 1) / 2.0;
        return (w * (w + 1.0) / 2 + (n - w) * (double)w) / n;
    }
}

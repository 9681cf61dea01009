namespace Gpt35.Model;

/// <summary>
/// What <see cref="Decoder"/> allocates for a pass, to the float. The buffers themselves are in Activations.cs and Decoder.*.cs; a test
/// compares the two.
/// </summary>
internal static class ActivationMemory
{
    public static long Floats(ModelConfig config, Pass pass, LoraConfig? lora)
    {
        long t = pass.Tokens, n = pass.Scored, d = config.HiddenSize, rows = Math.Min(t, Decoder.BlockRows);
        // Without a way back, or where it computes them again, two sets of block buffers take turns.
        var blocks = pass.Backward && !pass.Checkpointing ? config.NumHiddenLayers : Math.Min(2, config.NumHiddenLayers);
        var floats = t * d + blocks * t * PerTokenAndBlock(config) + rows * config.IntermediateSize + Head(config, pass);
        if (pass.Backward)
        {
            // Gradients of the residual stream, of attended and of q, k, v; of a norm's output and of the widest layer; of the scored rows, twice.
            floats += t * (d + config.QueryWidth + QkvWidth(config)) + rows * (d + UpWidth(config)) + 2 * n * d;
            if (config.GatedMlp) floats += rows * config.IntermediateSize;
            if (pass.Dropout) floats += rows * d + 2 * t;                                            // a branch's gradient under its mask; keys of the masks
            if (pass.Checkpointing) floats += config.NumHiddenLayers * t * d;                        // what entered each block
        }
        return floats + (lora is null ? 0 : (pass.Backward ? 2 : 1) * rows * lora.Rank + (pass.Backward ? d : 0));
    }

    /// <summary>Floats that a block keeps for each token.</summary>
    internal static long PerTokenAndBlock(ModelConfig config) =>
        4L * config.HiddenSize                                                                       // norm 1, middle, norm 2, output
        + QkvWidth(config) + config.QueryWidth + config.NumAttentionHeads                            // q, k, v; attended; logarithm of the sum
        + UpWidth(config)                                                                            // before the nonlinearity
        + 4;                                                                                         // mean and deviation of two norms

    private static long Head(ModelConfig config, Pass pass)
    {
        long n = pass.Scored, d = config.HiddenSize;
        var rows = 2 * n * d + 2 * n;                                                                // scored rows before and after the norm, mean, deviation
        return config.NumScalars > 0 ? rows + n * config.NumScalars
            : rows + (long)Decoder.LogitRowsAtOnce(config, pass.Scored, pass.Backward, pass.GradientKnown) * config.VocabSize + 2 * n + (pass.Entropy ? n : 0);
    }

    private static long QkvWidth(ModelConfig config) => config.QueryWidth + 2L * config.KeyValueWidth;
    private static long UpWidth(ModelConfig config) => (config.GatedMlp ? 2L : 1L) * config.IntermediateSize;
}

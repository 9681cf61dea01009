namespace Gpt35.Model;

/// <summary>The published architectures, as Hugging Face names them in <c>model_type</c>.</summary>
public enum ModelFamily
{
    Gpt2,
    Llama,
    /// <summary>Llama with a sliding window.</summary>
    Mistral,
    /// <summary>A mix that nobody published: our own names.</summary>
    Gpt35,
}

/// <summary>Which family a configuration belongs to.</summary>
public static class ModelFamilies
{
    public static ModelFamily FamilyOf(ModelConfig config) =>
        config.ScalarHead == ScalarHead.Action ? ModelFamily.Gpt35
        : WhyNotGpt2(config) is null ? ModelFamily.Gpt2
        : WhyNotLlama(config) is not null || config.RopeScaling?.RopeType == RopeType.Ntk ? ModelFamily.Gpt35
        : config.SlidingWindow is null ? ModelFamily.Llama
        : config.AttentionBias || config.MlpBias || config.SlidingWindowPattern > 0 ? ModelFamily.Gpt35
        : ModelFamily.Mistral;

    /// <summary>What sets a configuration apart from GPT-2; null where nothing does.</summary>
    internal static string? WhyNotGpt2(ModelConfig config) =>
        config.PositionEncoding != PositionEncoding.Learned ? "rotary positions"
        : config.Normalization != Normalization.LayerNorm ? "RMSNorm"
        : config.GatedMlp ? "a gated feed-forward layer"
        : config.HiddenAct == Activation.Silu ? "the activation silu"
        : !config.AttentionBias || !config.MlpBias ? "projections without bias"
        : config.NumKeyValueHeads != config.NumAttentionHeads ? "grouped key/value heads"
        : config.QueryWidth != config.HiddenSize ? "heads that together are not as wide as the model"
        : config.SlidingWindow is not null ? "an attention window"
        : null;

    /// <summary>What sets a configuration apart from Llama and Mistral; null where nothing does.</summary>
    internal static string? WhyNotLlama(ModelConfig config) =>
        config.PositionEncoding != PositionEncoding.Rotary ? "learned positions"
        : config.Normalization != Normalization.RmsNorm ? "LayerNorm"
        : !config.GatedMlp ? "a feed-forward layer without gate"
        : null;
}

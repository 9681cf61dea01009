using Gpt35.Model;

namespace Gpt35.Tests;

/// <summary>Families of models for tests.</summary>
internal static class ModelFamilies
{
    /// <summary>The same sizes in the shape of Llama.</summary>
    public static ModelConfig AsLlama(this ModelConfig config) => config with
    {
        PositionEncoding = PositionEncoding.Rotary,
        Normalization = Normalization.RmsNorm,
        HiddenAct = Activation.Silu,
        GatedMlp = true,
        AttentionBias = false,
        MlpBias = false,
        TieWordEmbeddings = false,
    };
}

using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gpt35.Model;

/// <summary>How a decoder knows where a token stands.</summary>
[JsonConverter(typeof(SnakeCaseEnum<PositionEncoding>))]
public enum PositionEncoding
{
    /// <summary>A learned vector per position, added to the embedding (GPT-2, GPT-3).</summary>
    Learned,
    /// <summary>Queries and keys turned by angles that grow with the position (RoPE, Su et al. 2021; Llama, Mistral).</summary>
    Rotary,
}

/// <summary>What normalises the residual stream before each branch.</summary>
[JsonConverter(typeof(SnakeCaseEnum<Normalization>))]
public enum Normalization
{
    /// <summary>γ·(x − mean)/√(var + ε) + β (Ba et al. 2016).</summary>
    LayerNorm,
    /// <summary>γ·x/√(mean(x²) + ε) (Zhang and Sennrich 2019).</summary>
    RmsNorm,
}

/// <summary>Nonlinearity of the feed-forward layer.</summary>
[JsonConverter(typeof(SnakeCaseEnum<Activation>))]
public enum Activation
{
    /// <summary>½x(1 + tanh(√(2/π)(x + 0.044715x³))): GPT-2's form of GELU, Hugging Face's <c>gelu_new</c>.</summary>
    [JsonStringEnumMemberName("gelu_new")]
    GeluTanh,
    /// <summary>x·Φ(x) = ½x(1 + erf(x/√2)) (Hendrycks and Gimpel 2016).</summary>
    Gelu,
    /// <summary>x·σ(x) (Elfwing et al. 2018).</summary>
    Silu,
}

/// <summary>Ways to stretch rotary positions.</summary>
[JsonConverter(typeof(SnakeCaseEnum<RopeType>))]
public enum RopeType
{
    /// <summary>Positions divided by the factor (Chen et al. 2023).</summary>
    Linear,
    /// <summary>θ raised to θ·factor^(K/(K − 2)), so that the slowest pair is stretched by the factor and the fastest hardly (NTK-aware, bloc97 2023). The factor is fixed; Hugging Face's <c>dynamic</c> lets it grow with the text.</summary>
    Ntk,
    /// <summary>Linear for slow pairs, nothing for fast ones, a ramp between (Peng et al. 2023), and attention scaled.</summary>
    Yarn,
    /// <summary>Likewise with a ramp in the wavelength (Llama 3.1).</summary>
    [JsonStringEnumMemberName("llama3")]
    Llama3,
}

/// <summary>How rotary positions are stretched; fields as in Hugging Face's <c>rope_scaling</c>, each used by the types it names.</summary>
public sealed record RopeScaling
{
    public required RopeType RopeType { get; init; }
    /// <summary>How many times longer than in pre-training a text may be.</summary>
    public double Factor { get; init; } = 1;
    /// <summary>Context of pre-training (yarn, llama3); 0: the model's positions divided by the factor.</summary>
    public int OriginalMaxPositionEmbeddings { get; init; }
    /// <summary>yarn: pairs that turn more often than this over the original context stay as they are.</summary>
    public double BetaFast { get; init; } = 32;
    /// <summary>yarn: pairs that turn less often than this are stretched by the whole factor.</summary>
    public double BetaSlow { get; init; } = 1;
    /// <summary>llama3: pairs whose wavelength is above original context / this are stretched by the whole factor.</summary>
    public double LowFreqFactor { get; init; } = 1;
    /// <summary>llama3: pairs whose wavelength is below original context / this stay as they are.</summary>
    public double HighFreqFactor { get; init; } = 4;
    /// <summary>yarn: what queries and keys are multiplied by; null: 0.1·ln(factor) + 1 (Peng et al. 2023, eq. 22).</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? AttentionFactor { get; init; }

    internal void Validate()
    {
        if (!(Factor >= 1 && double.IsFinite(Factor))) throw new InvalidDataException($"rope_scaling.factor is {Factor}; expected a number from 1 up.");
        if (OriginalMaxPositionEmbeddings < 0)
            throw new InvalidDataException($"rope_scaling.original_max_position_embeddings is {OriginalMaxPositionEmbeddings}; expected the context of pre-training.");
        if (RopeType == RopeType.Yarn && !(BetaFast > BetaSlow && BetaSlow > 0 && double.IsFinite(BetaFast)))
            throw new InvalidDataException($"rope_scaling has beta_fast {BetaFast} and beta_slow {BetaSlow}; expected beta_fast > beta_slow > 0, such as 32 and 1.");
        if (RopeType == RopeType.Llama3 && !(HighFreqFactor > LowFreqFactor && LowFreqFactor > 0 && double.IsFinite(HighFreqFactor)))
            throw new InvalidDataException($"rope_scaling has low_freq_factor {LowFreqFactor} and high_freq_factor {HighFreqFactor}; expected high > low > 0, such as 1 and 4.");
        if (AttentionFactor is { } attention && !(attention > 0 && double.IsFinite(attention)))
            throw new InvalidDataException($"rope_scaling.attention_factor is {attention}; expected a positive number, or leave it out.");
    }
}

/// <summary>Enums in <c>config.json</c>: snake_case names, no numbers.</summary>
internal sealed class SnakeCaseEnum<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) where T : struct, Enum;

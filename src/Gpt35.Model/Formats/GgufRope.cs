namespace Gpt35.Model;

/// <summary>
/// Rotary positions in GGUF. llama.cpp knows linear and YaRN scaling; NTK-aware scaling is another θ; Llama 3.1's is a factor for each pair, in a
/// tensor <c>rope_freqs.weight</c>.
/// </summary>
internal static class GgufRope
{
    public const string FactorTensor = "rope_freqs.weight";
    private const string Theta = "llama.rope.freq_base", Type = "llama.rope.scaling.type", Factor = "llama.rope.scaling.factor";
    private const string Original = "llama.rope.scaling.original_context_length", Fast = "llama.rope.scaling.yarn_beta_fast", Slow = "llama.rope.scaling.yarn_beta_slow";

    /// <summary>What of a configuration has no place there.</summary>
    public static string? WhyNot(ModelConfig config) => config.RopeScaling switch
    {
        { RopeType: RopeType.Llama3 } => "Llama 3.1's scaling of rotary positions",
        { RopeType: RopeType.Ntk } => "NTK-aware scaling of rotary positions",
        { AttentionFactor: not null } => "an attention factor of its own in rope_scaling",
        _ => null,
    };

    public static RopeScaling? Read(string path, GgufFile file, ModelConfig config)
    {
        var metadata = file.Metadata;
        if (file.Tensors.ContainsKey(FactorTensor))
            throw new InvalidDataException($"{path}: has \"{FactorTensor}\", a factor for each rotary pair, without saying how they came about. Take the model's Hugging Face folder, whose config.json does.");
        var type = metadata.TryText(Type) ?? "none";
        if (type == "none") return null;
        return new RopeScaling
        {
            RopeType = type switch
            {
                "linear" => RopeType.Linear,
                "yarn" => RopeType.Yarn,
                _ => throw new InvalidDataException($"{path}: {Type} is \"{type}\"; read here: none, linear, yarn."),
            },
            Factor = metadata.TryNumber(Factor) ?? 1,
            OriginalMaxPositionEmbeddings = metadata.TryInteger(Original) ?? 0,
            BetaFast = metadata.TryNumber(Fast) ?? 32,
            BetaSlow = metadata.TryNumber(Slow) ?? 1,
        };
    }

    public static void Write(GgufMetadata metadata, ModelConfig config)
    {
        metadata.Add("llama.rope.dimension_count", (uint)config.HeadDim);
        metadata.Add(Theta, (float)config.RopeTheta);
        if (config.RopeScaling is not { } scaling) return;
        metadata.Add(Type, scaling.RopeType == RopeType.Yarn ? "yarn" : "linear");
        metadata.Add(Factor, (float)scaling.Factor);
        if (scaling.OriginalMaxPositionEmbeddings > 0 || scaling.RopeType == RopeType.Yarn)
            metadata.Add(Original, (uint)(scaling.OriginalMaxPositionEmbeddings > 0 ? scaling.OriginalMaxPositionEmbeddings : (int)(config.MaxPositionEmbeddings / scaling.Factor)));
        if (scaling.RopeType != RopeType.Yarn) return;
        metadata.Add(Fast, (float)scaling.BetaFast);
        metadata.Add(Slow, (float)scaling.BetaSlow);
    }
}

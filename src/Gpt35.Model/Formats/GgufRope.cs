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

    private const string OurFactor = "gpt35.rope.llama3_factor", OurLow = "gpt35.rope.llama3_low_freq_factor", OurHigh = "gpt35.rope.llama3_high_freq_factor";

    /// <summary>What of a configuration has no place there.</summary>
    public static string? WhyNot(ModelConfig config) => config.RopeScaling switch
    {
        { RopeType: RopeType.Ntk } => "NTK-aware scaling of rotary positions",
        { AttentionFactor: not null } => "an attention factor of its own in rope_scaling",
        _ => null,
    };

    public static RopeScaling? Read(string path, GgufFile file, ModelConfig config)
    {
        var metadata = file.Metadata;
        if (file.Tensors.TryGetValue(FactorTensor, out var factors)) return FromFactors(path, factors, metadata, config);
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

    /// <summary>
    /// What Llama 3.1's frequencies are divided by, (K/2), as a tensor of its own; null for models without that scaling. The file keeps the four numbers beside it
    /// under our own keys, since they do not follow from it.
    /// </summary>
    public static TensorPart? FactorPart(ModelConfig config) => config.RopeScaling?.RopeType == RopeType.Llama3
        ? new TensorPart(FactorTensor, [config.HeadDim / 2], new Parameter(FactorTensor, [config.HeadDim / 2], 0, Decays: false))
        : null;

    public static void Factors(ModelConfig config, Span<float> factors)
    {
        var (plain, _) = RotaryTable.Frequencies(config with { RopeScaling = null });
        var (scaled, _) = RotaryTable.Frequencies(config);
        for (var i = 0; i < factors.Length; i++) factors[i] = (float)(plain[i] / scaled[i]);
    }

    /// <summary>The scaling that our own keys name, or the one of the published models (Llama 3.1: factor 8; 3.2: 32) whose factors these are.</summary>
    private static RopeScaling FromFactors(string path, StoredTensor stored, GgufMetadata metadata, ModelConfig config)
    {
        var published = new RopeScaling { RopeType = RopeType.Llama3, OriginalMaxPositionEmbeddings = 8192, LowFreqFactor = 1, HighFreqFactor = 4 };
        RopeScaling[] candidates = metadata.TryNumber(OurFactor) is { } factor
            ? [published with
            {
                Factor = factor,
                OriginalMaxPositionEmbeddings = metadata.TryInteger(Original) ?? 0,
                LowFreqFactor = metadata.TryNumber(OurLow) ?? 1,
                HighFreqFactor = metadata.TryNumber(OurHigh) ?? 4,
            }]
            : [published with { Factor = 8 }, published with { Factor = 32 }];
        // Wild sizes are refused here, before anything is allocated for them.
        if (config.HeadDim >= 2 && stored.Count == config.HeadDim / 2)
        {
            float[] found = new float[stored.Count], expected = new float[stored.Count];
            stored.Read(0, found);
            foreach (var candidate in candidates)
            {
                candidate.Validate();
                Factors(config with { RopeScaling = candidate }, expected);
                if (found.Zip(expected).All(pair => Math.Abs(pair.First - pair.Second) <= 1e-3f * pair.Second)) return candidate;
            }
        }
        throw new InvalidDataException($"{path}: \"{FactorTensor}\" holds factors of rotary pairs that are not Llama 3.1's or 3.2's. Take the model's Hugging Face folder, whose config.json says how they came about.");
    }

    public static void Write(GgufMetadata metadata, ModelConfig config)
    {
        metadata.Add("llama.rope.dimension_count", (uint)config.HeadDim);
        metadata.Add(Theta, (float)config.RopeTheta);
        if (config.RopeScaling is not { } scaling) return;
        if (scaling.RopeType == RopeType.Llama3)
        {
            metadata.Add(OurFactor, (float)scaling.Factor);
            metadata.Add(OurLow, (float)scaling.LowFreqFactor);
            metadata.Add(OurHigh, (float)scaling.HighFreqFactor);
            metadata.Add(Original, (uint)OriginalOf(config, scaling));
            return;
        }
        metadata.Add(Type, scaling.RopeType == RopeType.Yarn ? "yarn" : "linear");
        metadata.Add(Factor, (float)scaling.Factor);
        if (scaling.OriginalMaxPositionEmbeddings > 0 || scaling.RopeType == RopeType.Yarn)
            metadata.Add(Original, (uint)OriginalOf(config, scaling));
        if (scaling.RopeType != RopeType.Yarn) return;
        metadata.Add(Fast, (float)scaling.BetaFast);
        metadata.Add(Slow, (float)scaling.BetaSlow);
    }

    private static int OriginalOf(ModelConfig config, RopeScaling scaling) =>
        scaling.OriginalMaxPositionEmbeddings > 0 ? scaling.OriginalMaxPositionEmbeddings : (int)(config.MaxPositionEmbeddings / scaling.Factor);
}

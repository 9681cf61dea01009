using System.Text.Json;

namespace Gpt35.Model;

/// <summary>
/// A model's configuration as GGUF metadata, both ways, for the architectures <c>gpt2</c> and <c>llama</c> of llama.cpp (which means Mistral by the
/// latter too). Keys: ggml-org/ggml, docs/gguf.md; llama.cpp, gguf-py/gguf/constants.py.
/// </summary>
internal static class GgufModel
{
    private const string Architecture = "general.architecture", CardKey = "gpt35.card", DropoutKey = "gpt35.resid_dropout", DeviationKey = "gpt35.initializer_range";
    private const string TokenTable = "token_embd.weight", OutputTable = "output.weight";

    /// <exception cref="InvalidDataException">Another architecture, or a configuration that is incomplete or contradicts itself.</exception>
    public static ModelConfig ReadConfig(string path, GgufFile file)
    {
        var metadata = file.Metadata;
        if (!file.Tensors.TryGetValue(TokenTable, out var embedding) || embedding.Shape is not [> 0 and <= int.MaxValue and var vocabulary, _])
            throw new InvalidDataException($"{path}: no tensor \"{TokenTable}\" with a row for each token; expected a language model. Is this a part of a model that was split?");
        var config = metadata.Text(Architecture) switch
        {
            "gpt2" => ReadGpt2(metadata),
            "llama" => ReadLlama(path, file),
            var other => throw new InvalidDataException($"{path}: the architecture is \"{other}\"; read here: gpt2 and llama (which is Mistral's too)."),
        };
        config = config with
        {
            VocabSize = (int)vocabulary,
            TieWordEmbeddings = !file.Tensors.ContainsKey(OutputTable),
            ResidDropout = (float)(metadata.TryNumber(DropoutKey) ?? 0),
            InitializerRange = (float)(metadata.TryNumber(DeviationKey) ?? 0.02f),
        };
        try
        {
            config.Validate();
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
        return config.Resolved();
    }

    private static ModelConfig ReadGpt2(GgufMetadata metadata) => new()
    {
        VocabSize = 1,
        HiddenSize = metadata.Integer("gpt2.embedding_length"),
        NumHiddenLayers = metadata.Integer("gpt2.block_count"),
        NumAttentionHeads = metadata.Integer("gpt2.attention.head_count"),
        MaxPositionEmbeddings = metadata.Integer("gpt2.context_length"),
        IntermediateSize = metadata.Integer("gpt2.feed_forward_length"),
        LayerNormEps = (float)(metadata.TryNumber("gpt2.attention.layer_norm_epsilon") ?? 1e-5f),
    };

    private static ModelConfig ReadLlama(string path, GgufFile file)
    {
        var metadata = file.Metadata;
        if (metadata.TryInteger("llama.expert_count") is > 0 and var experts)
            throw new InvalidDataException($"{path}: a mixture of {experts} experts; expected a model with one feed-forward layer in each block.");
        var config = new ModelConfig
        {
            VocabSize = 1,
            HiddenSize = metadata.Integer("llama.embedding_length"),
            NumHiddenLayers = metadata.Integer("llama.block_count"),
            NumAttentionHeads = metadata.Integer("llama.attention.head_count"),
            NumKeyValueHeads = metadata.TryInteger("llama.attention.head_count_kv") ?? 0,
            HeadDim = metadata.TryInteger("llama.attention.key_length") ?? 0,
            MaxPositionEmbeddings = metadata.Integer("llama.context_length"),
            IntermediateSize = metadata.Integer("llama.feed_forward_length"),
            PositionEncoding = PositionEncoding.Rotary,
            RopeTheta = metadata.TryNumber("llama.rope.freq_base") ?? 10_000,
            Normalization = Normalization.RmsNorm,
            LayerNormEps = (float)(metadata.TryNumber("llama.attention.layer_norm_rms_epsilon") ?? 1e-5f),
            HiddenAct = Activation.Silu,
            GatedMlp = true,
            AttentionBias = file.Tensors.ContainsKey("blk.0.attn_q.bias"),
            MlpBias = file.Tensors.ContainsKey("blk.0.ffn_up.bias"),
            SlidingWindow = metadata.TryInteger("llama.attention.sliding_window") is > 0 and var window ? window : null,
        };
        foreach (var key in (string[])["llama.attention.value_length", "llama.rope.dimension_count"])
            if (metadata.TryInteger(key) is { } width && width != config.HeadDim)
                throw new InvalidDataException($"{path}: {key} is {width} and a head is {config.HeadDim} wide; expected the same.");
        return config with { RopeScaling = GgufRope.Read(path, file, config) };
    }

    /// <summary>What our own files say; of others, that it is a base model.</summary>
    public static ModelCard ReadCard(string path, GgufMetadata metadata)
    {
        if (metadata.TryText(CardKey) is not { } card) return new ModelCard { Stage = "pretrain" };
        try
        {
            return JsonSerializer.Deserialize<ModelCard>(card, ModelFolder.Json) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path}: {CardKey} of its metadata cannot be used: {e.Message}", e);
        }
    }

    /// <exception cref="InvalidDataException">GGUF has no architecture for this model.</exception>
    public static GgufMetadata Write(string path, ModelConfig config, ModelCard card, TensorType type)
    {
        if (WhyNot(config) is { } why)
            throw new InvalidDataException($"{path}: a model with {why} has no architecture in GGUF that llama.cpp would run as it was trained. Convert it to a Hugging Face folder (--to hf).");
        var metadata = new GgufMetadata(path);
        var architecture = ModelFamilies.WhyNotGpt2(config) is null ? "gpt2" : "llama";
        metadata.Add(Architecture, architecture);
        metadata.Add("general.name", Path.GetFileNameWithoutExtension(path));
        metadata.Add("general.file_type", GgufLayout.FileType(type));
        if (type.IsQuantized()) metadata.Add("general.quantization_version", 2u);
        metadata.Add($"{architecture}.context_length", (uint)config.MaxPositionEmbeddings);
        metadata.Add($"{architecture}.embedding_length", (uint)config.HiddenSize);
        metadata.Add($"{architecture}.block_count", (uint)config.NumHiddenLayers);
        metadata.Add($"{architecture}.feed_forward_length", (uint)config.IntermediateSize);
        metadata.Add($"{architecture}.attention.head_count", (uint)config.NumAttentionHeads);
        if (architecture == "gpt2") metadata.Add("gpt2.attention.layer_norm_epsilon", config.LayerNormEps);
        else WriteLlama(metadata, config);
        if (config.ResidDropout > 0) metadata.Add(DropoutKey, config.ResidDropout);
        metadata.Add(DeviationKey, config.InitializerRange);
        metadata.Add(CardKey, JsonSerializer.Serialize(card, ModelFolder.Json));
        return metadata;
    }

    private static void WriteLlama(GgufMetadata metadata, ModelConfig config)
    {
        metadata.Add("llama.vocab_size", (uint)config.VocabSize);
        metadata.Add("llama.attention.head_count_kv", (uint)config.NumKeyValueHeads);
        metadata.Add("llama.attention.layer_norm_rms_epsilon", config.LayerNormEps);
        metadata.Add("llama.attention.key_length", (uint)config.HeadDim);
        metadata.Add("llama.attention.value_length", (uint)config.HeadDim);
        if (config.SlidingWindow is { } window) metadata.Add("llama.attention.sliding_window", (uint)window);
        GgufRope.Write(metadata, config);
    }

    private static string? WhyNot(ModelConfig config) =>
        config.NumScalars > 0 ? "a scalar head (reward or value)"
        : ModelFamilies.WhyNotGpt2(config) is null ? config.HiddenAct == Activation.GeluTanh ? null : "GPT-2's shape and the exact GELU"
        : ModelFamilies.WhyNotLlama(config) is { } neither ? $"{neither} and {ModelFamilies.WhyNotGpt2(config)}"
        : config.HiddenAct != Activation.Silu ? "Llama's shape and another activation than silu"
        : config.SlidingWindowPattern > 0 ? "windows in some layers only"
        : GgufRope.WhyNot(config);
}

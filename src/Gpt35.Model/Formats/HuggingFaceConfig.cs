using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using Gpt35.Tokenization;

namespace Gpt35.Model;

/// <summary>
/// <c>config.json</c> both ways: transformers' GPT2Config, LlamaConfig and MistralConfig, and for a mix of the two, which no architecture of theirs
/// has, ours under the model type <c>gpt35</c>.
/// </summary>
internal static class HuggingFaceConfig
{
    public const string FileName = "config.json";

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <exception cref="InvalidDataException">The file is no configuration of these kinds, or contradicts itself.</exception>
    public static ModelConfig Read(string path)
    {
        try
        {
            var content = File.ReadAllBytes(path);
            if (!Utf8.IsValid(content)) throw new InvalidDataException("is no UTF-8; expected JSON. The file is damaged; fetch it again.");
            using var document = JsonDocument.Parse(content);
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new InvalidDataException("found no JSON object; expected a model's configuration.");
            var config = Read(path, document.RootElement);
            config.Validate();
            return config.Resolved();
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path}:{(e.LineNumber ?? 0) + 1}: {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            // What the library throws for escapes that are no text, such as half a surrogate pair.
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
        catch (InvalidDataException e) when (!e.Message.StartsWith(path, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
    }

    private static ModelConfig Read(string path, JsonElement root)
    {
        var reader = new ConfigReader(path, root);
        if (reader.TryObject("quantization_config") is not null)
            throw reader.Bad("has a quantization_config: its weights are packed in a way that is not read here. Take the unquantised model.");
        return reader.TryText("model_type") switch
        {
            "gpt2" => ReadGpt2(reader),
            "llama" => ReadLlama(reader, ModelFamily.Llama),
            "mistral" => ReadLlama(reader, ModelFamily.Mistral),
            "gpt35" => root.Deserialize<ModelConfig>(Json)!,
            var other => throw reader.Bad($"model_type is {(other is null ? "missing" : $"\"{other}\"")}; read here: gpt2, llama, mistral, and gpt35 of our own."),
        };
    }

    /// <summary>The names of GPT2Config, and those that it takes for the same (its attribute_map), which our folders of version 0.1 have.</summary>
    private static ModelConfig ReadGpt2(ConfigReader reader)
    {
        reader.RequireFlag("scale_attn_weights", wanted: true);
        reader.RequireFlag("scale_attn_by_inverse_layer_idx", wanted: false);
        var hidden = reader.Integer("n_embd", "hidden_size");
        return new ModelConfig
        {
            VocabSize = reader.Integer("vocab_size"),
            HiddenSize = hidden,
            NumHiddenLayers = reader.Integer("n_layer", "num_hidden_layers"),
            NumAttentionHeads = reader.Integer("n_head", "num_attention_heads"),
            MaxPositionEmbeddings = reader.Integer("n_positions", "max_position_embeddings", "n_ctx"),
            IntermediateSize = reader.TryInteger("n_inner", "intermediate_size") ?? 0,
            LayerNormEps = (float)(reader.TryNumber("layer_norm_epsilon", "layer_norm_eps") ?? 1e-5),
            HiddenAct = ActivationOf(reader, reader.TryText("activation_function") ?? "gelu_new"),
            TieWordEmbeddings = reader.TryFlag("tie_word_embeddings") ?? true,
            ResidDropout = (float)(reader.TryNumber("resid_pdrop", "resid_dropout") ?? 0),
            InitializerRange = (float)(reader.TryNumber("initializer_range") ?? 0.02),
            NumScalars = reader.TryInteger("num_scalars") ?? 0,
        };
    }

    private static ModelConfig ReadLlama(ConfigReader reader, ModelFamily family)
    {
        if (reader.TryNumber("partial_rotary_factor") is { } partial && partial != 1) throw reader.Bad($"partial_rotary_factor is {partial}; only 1 is computed here.");
        var context = reader.TryInteger("max_position_embeddings") ?? 2048;
        // transformers 5 puts both settings into one object.
        var rope = reader.TryObject("rope_parameters", "rope_scaling");
        return new ModelConfig
        {
            VocabSize = reader.Integer("vocab_size"),
            HiddenSize = reader.Integer("hidden_size"),
            NumHiddenLayers = reader.Integer("num_hidden_layers"),
            NumAttentionHeads = reader.Integer("num_attention_heads"),
            NumKeyValueHeads = reader.TryInteger("num_key_value_heads") ?? 0,
            HeadDim = reader.TryInteger("head_dim") ?? 0,
            MaxPositionEmbeddings = context,
            IntermediateSize = reader.Integer("intermediate_size"),
            PositionEncoding = PositionEncoding.Rotary,
            RopeTheta = reader.TryNumber("rope_theta") ?? rope?.TryNumber("rope_theta") ?? 10_000,
            RopeScaling = ReadScaling(rope),
            Normalization = Normalization.RmsNorm,
            LayerNormEps = (float)(reader.TryNumber("rms_norm_eps") ?? 1e-6),
            HiddenAct = ActivationOf(reader, reader.TryText("hidden_act") ?? "silu"),
            GatedMlp = true,
            AttentionBias = family == ModelFamily.Llama && (reader.TryFlag("attention_bias") ?? false),
            MlpBias = family == ModelFamily.Llama && (reader.TryFlag("mlp_bias") ?? false),
            TieWordEmbeddings = reader.TryFlag("tie_word_embeddings") ?? false,
            SlidingWindow = family == ModelFamily.Mistral ? reader.TryInteger("sliding_window") : null,
            ResidDropout = (float)(reader.TryNumber("resid_dropout") ?? 0),
            InitializerRange = (float)(reader.TryNumber("initializer_range") ?? 0.02),
            NumScalars = reader.TryInteger("num_scalars") ?? 0,
        };
    }

    private static RopeScaling? ReadScaling(ConfigReader? reader)
    {
        if (reader?.TryText("rope_type", "type") is not { } type || type == "default") return null;
        return new RopeScaling
        {
            RopeType = type switch
            {
                "linear" => RopeType.Linear,
                "yarn" => RopeType.Yarn,
                "llama3" => RopeType.Llama3,
                _ => throw reader.Bad($"rope_scaling has the type \"{type}\"; computed here: linear, yarn, llama3."),
            },
            Factor = reader.TryNumber("factor") ?? 1,
            OriginalMaxPositionEmbeddings = reader.TryInteger("original_max_position_embeddings") ?? 0,
            BetaFast = reader.TryNumber("beta_fast") ?? 32,
            BetaSlow = reader.TryNumber("beta_slow") ?? 1,
            LowFreqFactor = reader.TryNumber("low_freq_factor") ?? 1,
            HighFreqFactor = reader.TryNumber("high_freq_factor") ?? 4,
            AttentionFactor = reader.TryNumber("attention_factor"),
        };
    }

    private static Activation ActivationOf(ConfigReader reader, string name) => name switch
    {
        "gelu_new" or "gelu_pytorch_tanh" => Activation.GeluTanh,
        "gelu" => Activation.Gelu,
        "silu" or "swish" => Activation.Silu,
        _ => throw reader.Bad($"the activation is \"{name}\"; computed here: gelu_new, gelu, silu."),
    };

    private static string NameOf(Activation activation) => activation switch
    {
        Activation.GeluTanh => "gelu_new",
        Activation.Gelu => "gelu",
        _ => "silu",
    };

    /// <param name="config">The model.</param>
    /// <param name="type">Type of its stored weights.</param>
    /// <param name="begin">Id that begins a document.</param>
    /// <param name="end">Id that ends one.</param>
    public static JsonObject Write(ModelConfig config, TensorType type, int begin, int end)
    {
        var json = ModelFamilies.FamilyOf(config) switch
        {
            ModelFamily.Gpt2 => WriteGpt2(config),
            ModelFamily.Llama => WriteLlama(config, "llama", "LlamaForCausalLM"),
            ModelFamily.Mistral => WriteLlama(config, "mistral", "MistralForCausalLM"),
            _ => WriteOurs(config),
        };
        json["bos_token_id"] = begin;
        json["eos_token_id"] = end;
        json["dtype"] = type switch { TensorType.F16 => "float16", TensorType.BF16 => "bfloat16", _ => "float32" };
        json["torch_dtype"] = json["dtype"]!.DeepClone();                   // its name before transformers 4.56
        return json;
    }

    /// <summary>Content of <c>tokenizer_config.json</c>: which class of transformers reads the tokenizer, and its special tokens.</summary>
    public static JsonObject WriteTokenizer(string folder, ModelConfig config, Tokenizer tokenizer, string? endOfTurn, string? chatTemplate)
    {
        string Name(int id) => tokenizer.SpecialTokens.First(token => token.Value == id).Key;
        var isPiece = File.Exists(Path.Combine(folder, "tokenizer.model"));
        var json = new JsonObject
        {
            ["tokenizer_class"] = isPiece ? "LlamaTokenizer" : "PreTrainedTokenizerFast",
            ["bos_token"] = Name(tokenizer.StartOfText),
            ["eos_token"] = endOfTurn ?? Name(tokenizer.EndOfText),
            ["model_max_length"] = config.MaxPositionEmbeddings,
            ["clean_up_tokenization_spaces"] = false,
        };
        if (isPiece) (json["unk_token"], json["add_bos_token"], json["legacy"]) = (Name(tokenizer.ToParts().Unknown), true, false);
        if (chatTemplate is not null) json["chat_template"] = chatTemplate;
        return json;
    }

    private static JsonObject WriteOurs(ModelConfig config)
    {
        var json = JsonSerializer.SerializeToNode(config, Json)!.AsObject();
        json.Insert(0, "model_type", "gpt35");
        return json;
    }

    private static JsonObject WriteGpt2(ModelConfig config)
    {
        var json = new JsonObject
        {
            ["model_type"] = "gpt2",
            ["architectures"] = new JsonArray(config.NumScalars > 0 ? "GPT2ForSequenceClassification" : "GPT2LMHeadModel"),
            ["vocab_size"] = config.VocabSize,
            ["n_positions"] = config.MaxPositionEmbeddings,
            ["n_embd"] = config.HiddenSize,
            ["n_layer"] = config.NumHiddenLayers,
            ["n_head"] = config.NumAttentionHeads,
            ["n_inner"] = config.IntermediateSize,
            ["activation_function"] = NameOf(config.HiddenAct),
            ["layer_norm_epsilon"] = config.LayerNormEps,
            ["resid_pdrop"] = config.ResidDropout,
            ["embd_pdrop"] = config.ResidDropout,
            ["attn_pdrop"] = 0.0,
        };
        return WriteCommon(config, json);
    }

    private static JsonObject WriteLlama(ModelConfig config, string modelType, string architecture)
    {
        var json = new JsonObject
        {
            ["model_type"] = modelType,
            ["architectures"] = new JsonArray(config.NumScalars > 0 ? architecture.Replace("CausalLM", "SequenceClassification") : architecture),
            ["vocab_size"] = config.VocabSize,
            ["max_position_embeddings"] = config.MaxPositionEmbeddings,
            ["hidden_size"] = config.HiddenSize,
            ["intermediate_size"] = config.IntermediateSize,
            ["num_hidden_layers"] = config.NumHiddenLayers,
            ["num_attention_heads"] = config.NumAttentionHeads,
            ["num_key_value_heads"] = config.NumKeyValueHeads,
            ["head_dim"] = config.HeadDim,
            ["hidden_act"] = NameOf(config.HiddenAct),
            ["rms_norm_eps"] = config.LayerNormEps,
            ["rope_theta"] = config.RopeTheta,
            ["rope_scaling"] = config.RopeScaling is { } scaling ? WriteScaling(scaling, config) : null,
        };
        if (modelType == "mistral") json["sliding_window"] = config.SlidingWindow;
        else (json["attention_bias"], json["mlp_bias"]) = (config.AttentionBias, config.MlpBias);
        if (config.ResidDropout > 0) json["resid_dropout"] = config.ResidDropout;
        return WriteCommon(config, json);
    }

    private static JsonObject WriteScaling(RopeScaling scaling, ModelConfig config)
    {
        var json = new JsonObject { ["rope_type"] = scaling.RopeType.ToString().ToLowerInvariant(), ["factor"] = scaling.Factor };
        if (scaling.RopeType == RopeType.Linear) return json;
        json["original_max_position_embeddings"] = scaling.OriginalMaxPositionEmbeddings > 0 ? scaling.OriginalMaxPositionEmbeddings
            : (int)(config.MaxPositionEmbeddings / scaling.Factor);
        if (scaling.RopeType == RopeType.Llama3) (json["low_freq_factor"], json["high_freq_factor"]) = (scaling.LowFreqFactor, scaling.HighFreqFactor);
        else (json["beta_fast"], json["beta_slow"], json["attention_factor"]) = (scaling.BetaFast, scaling.BetaSlow, scaling.AttentionFactor);
        return json;
    }

    private static JsonObject WriteCommon(ModelConfig config, JsonObject json)
    {
        json["tie_word_embeddings"] = config.TieWordEmbeddings;
        json["initializer_range"] = config.InitializerRange;
        if (config.NumScalars > 0) json["num_scalars"] = config.NumScalars;
        return json;
    }
}

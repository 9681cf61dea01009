namespace Gpt35.Model;

/// <summary>Names and layouts of the tensors of each file format, as parts of our parameters (see <see cref="DecoderLayout"/>).</summary>
internal static class TensorNames
{
    /// <summary>Those of a model folder: of the architecture that the model has in transformers, else our own.</summary>
    public static IReadOnlyList<TensorPart> HuggingFace(ModelConfig config) => ModelFamilies.FamilyOf(config) switch
    {
        ModelFamily.Gpt2 => HuggingFaceGpt2(config),
        ModelFamily.Llama or ModelFamily.Mistral => HuggingFaceLlama(config),
        _ => Canonical(config),
    };

    /// <summary>Our own: each parameter under its name.</summary>
    public static IReadOnlyList<TensorPart> Canonical(ModelConfig config) => [.. DecoderLayout.Parameters(config).Select(parameter => Whole(parameter.Name, parameter))];

    /// <summary>transformers' GPT2LMHeadModel: our names and layout (Conv1D), all but the heads inside <c>transformer.</c></summary>
    public static IReadOnlyList<TensorPart> HuggingFaceGpt2(ModelConfig config) =>
        [.. DecoderLayout.Parameters(config).Select(parameter => Whole(IsHead(parameter) ? parameter.Name : "transformer." + parameter.Name, parameter))];

    /// <summary>transformers' LlamaForCausalLM and MistralForCausalLM: q, k, v, gate and up apart, (out, in).</summary>
    public static IReadOnlyList<TensorPart> HuggingFaceLlama(ModelConfig config) => Parts(config, (name, parameter) => name switch
    {
        "wte" => [Whole("model.embed_tokens.weight", parameter)],
        "ln_f" => [Whole("model.norm", parameter)],
        "lm_head" or "score" => [Whole(parameter.Name, parameter)],
        "ln_1" => [Whole("input_layernorm", parameter)],
        "ln_2" => [Whole("post_attention_layernorm", parameter)],
        "attn.c_attn" => Qkv(config, parameter, "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", pairedHeadSize: 0),
        "attn.c_proj" => [Linear("self_attn.o_proj", parameter)],
        "mlp.c_fc" => GateUp(config, parameter, "mlp.gate_proj", "mlp.up_proj"),
        "mlp.c_proj" => [Linear("mlp.down_proj", parameter)],
        _ => throw Unknown(parameter),
    }, "model.layers.{0}.");

    /// <summary>GGUF's <c>gpt2</c> (llama.cpp, gguf-py constants.py): (out, in), q, k and v together.</summary>
    public static IReadOnlyList<TensorPart> GgufGpt2(ModelConfig config) => Parts(config, (name, parameter) => name switch
    {
        "wte" => [Whole("token_embd.weight", parameter)],
        "wpe" => [Whole("position_embd.weight", parameter)],
        "ln_f" => [Whole("output_norm", parameter)],
        "lm_head" => [Whole("output.weight", parameter)],
        "ln_1" => [Whole("attn_norm", parameter)],
        "ln_2" => [Whole("ffn_norm", parameter)],
        "attn.c_attn" => [Linear("attn_qkv", parameter)],
        "attn.c_proj" => [Linear("attn_output", parameter)],
        "mlp.c_fc" => [Linear("ffn_up", parameter)],
        "mlp.c_proj" => [Linear("ffn_down", parameter)],
        _ => throw Unknown(parameter),
    }, "blk.{0}.");

    /// <summary>GGUF's <c>llama</c>: (out, in), q, k, v, gate and up apart, rotary pairs of q and k side by side (llama.cpp, conversion of LlamaModel: <c>permute</c>).</summary>
    public static IReadOnlyList<TensorPart> GgufLlama(ModelConfig config) => Parts(config, (name, parameter) => name switch
    {
        "wte" => [Whole("token_embd.weight", parameter)],
        "ln_f" => [Whole("output_norm", parameter)],
        "lm_head" => [Whole("output.weight", parameter)],
        "ln_1" => [Whole("attn_norm", parameter)],
        "ln_2" => [Whole("ffn_norm", parameter)],
        "attn.c_attn" => Qkv(config, parameter, "attn_q", "attn_k", "attn_v", config.HeadDim),
        "attn.c_proj" => [Linear("attn_output", parameter)],
        "mlp.c_fc" => GateUp(config, parameter, "ffn_gate", "ffn_up"),
        "mlp.c_proj" => [Linear("ffn_down", parameter)],
        _ => throw Unknown(parameter),
    }, "blk.{0}.");

    /// <summary>llama2.c, one tensor per kind and layer (run.c, memory_map_weights): as GGUF's, under the names of its source.</summary>
    public static IReadOnlyList<TensorPart> Llama2C(ModelConfig config) => Parts(config, (name, parameter) => name switch
    {
        "wte" => [Whole("token_embedding_table", parameter)],
        "ln_f" => [Whole("rms_final", parameter)],
        "lm_head" => [Whole("wcls", parameter)],
        "ln_1" => [Whole("rms_att", parameter)],
        "ln_2" => [Whole("rms_ffn", parameter)],
        "attn.c_attn" => Qkv(config, parameter, "wq", "wk", "wv", config.HeadDim),
        "attn.c_proj" => [Linear("wo", parameter)],
        "mlp.c_fc" => GateUp(config, parameter, "w1", "w3"),
        "mlp.c_proj" => [Linear("w2", parameter)],
        _ => throw Unknown(parameter),
    }, "{0}.", suffixes: false);

    /// <summary>
    /// Applies <paramref name="partsOf"/> to every parameter by its name without the layer and without <c>.weight</c> or <c>.bias</c>; what comes
    /// back without an ending gets that of the parameter, and in a layer the prefix.
    /// </summary>
    private static IReadOnlyList<TensorPart> Parts(ModelConfig config, Func<string, Parameter, TensorPart[]> partsOf, string layerPrefix, bool suffixes = true)
    {
        var all = new List<TensorPart>();
        foreach (var parameter in DecoderLayout.Parameters(config))
        {
            var ending = parameter.Name[parameter.Name.LastIndexOf('.')..];
            var name = parameter.Name[..^ending.Length];
            var prefix = "";
            if (name.Split('.', 3) is ["h", var layer, var rest])
            {
                prefix = string.Format(System.Globalization.CultureInfo.InvariantCulture, layerPrefix, layer);
                name = rest;
            }
            foreach (var part in partsOf(name, parameter))
                all.Add(part with { Name = prefix + part.Name + (!suffixes || part.Name.EndsWith(ending, StringComparison.Ordinal) ? "" : ending) });
        }
        return all;
    }

    private static bool IsHead(Parameter parameter) => parameter.Name is DecoderLayout.OutputHead or DecoderLayout.Score;

    private static TensorPart Whole(string name, Parameter parameter) => new(name, parameter.Shape, parameter);

    private static TensorPart Linear(string name, Parameter parameter) => Columns(name, parameter, 0, parameter.Shape[^1]);

    private static TensorPart Columns(string name, Parameter parameter, int first, int count, int pairedHeadSize = 0) => parameter.Shape.Length == 1
        ? new TensorPart(name, [count], parameter, first, Transposed: false, pairedHeadSize)
        : new TensorPart(name, [count, parameter.Shape[0]], parameter, first, Transposed: true, pairedHeadSize);

    private static TensorPart[] Qkv(ModelConfig config, Parameter parameter, string q, string k, string v, int pairedHeadSize)
    {
        int wide = config.QueryWidth, narrow = config.KeyValueWidth;
        return
        [
            Columns(q, parameter, 0, wide, pairedHeadSize),
            Columns(k, parameter, wide, narrow, pairedHeadSize),
            Columns(v, parameter, wide + narrow, narrow),
        ];
    }

    private static TensorPart[] GateUp(ModelConfig config, Parameter parameter, string gate, string up) =>
        [Columns(gate, parameter, 0, config.IntermediateSize), Columns(up, parameter, config.IntermediateSize, config.IntermediateSize)];

    private static InvalidOperationException Unknown(Parameter parameter) => new($"There is no name for {parameter.Name} in this format.");
}

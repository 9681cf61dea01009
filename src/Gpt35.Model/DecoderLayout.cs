using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>
/// Names, shapes and places of the decoder's parameters: one layout for every family, whatever the file they come from.
/// Names are those of Hugging Face's GPT-2 and matrices are (in, out), so y = x·W + b; what a family does not have is absent.
/// </summary>
/// <remarks>
/// <code>
/// wte.weight              (V, D)
/// wpe.weight              (positions, D)         learned positions
/// h.N.ln_1.weight         (D)                    .bias (D) with LayerNorm
/// h.N.attn.c_attn.weight  (D, (H + 2G)·K)        columns q | k | v, heads side by side within each; .bias with attention_bias
/// h.N.attn.c_proj.weight  (H·K, D)               .bias (D) with attention_bias
/// h.N.ln_2.weight         (D)                    .bias (D) with LayerNorm
/// h.N.mlp.c_fc.weight     (D, F)                 gated: (D, 2F), columns gate | up; .bias with mlp_bias
/// h.N.mlp.c_proj.weight   (F, D)                 .bias (D) with mlp_bias
/// ln_f.weight             (D)                    .bias (D) with LayerNorm
/// lm_head.weight          (V, D)                 language models whose output is not tied to wte
/// score.weight            (S, D)                 scalar heads
/// score.action.weight     (S, D)                 scalar heads that read the token too; they keep lm_head.weight
/// </code>
/// Rotary pairs are half a head apart: column i of a head turns with column i + K/2 (Hugging Face's <c>rotate_half</c>). Files whose pairs
/// are neighbours (Meta's, llama2.c's, GGUF's of Llama) have their q and k columns reordered on the way in and out.
/// </remarks>
public static class DecoderLayout
{
    public const string TokenEmbedding = "wte.weight", PositionEmbedding = "wpe.weight";
    public const string FinalNormScale = "ln_f.weight", FinalNormShift = "ln_f.bias";
    public const string OutputHead = "lm_head.weight", Score = "score.weight", ActionScore = "score.action.weight";

    /// <summary>What stands for the offset of a parameter that the model does not have.</summary>
    internal const long Absent = -1;

    /// <summary>Logits of good and bad tokens are several nats apart, rewards of good and bad answers about one (docs/lab-notes.md, 2026-11-24).</summary>
    internal const float InitialActionScore = 0.3f;

    /// <summary>Parameters of one block, as offsets into the flat buffer; <see cref="Absent"/> where there is none.</summary>
    internal readonly record struct Block(
        long Norm1Scale, long Norm1Shift,     // (D)
        long QkvWeight, long QkvBias,         // (D, (H + 2G)·K), ((H + 2G)·K)
        long OutWeight, long OutBias,         // (H·K, D), (D)
        long Norm2Scale, long Norm2Shift,     // (D)
        long UpWeight, long UpBias,           // (D, F) or (D, 2F), (F) or (2F)
        long DownWeight, long DownBias);      // (F, D), (D)

    /// <summary>Every parameter in the order of the flat buffer.</summary>
    /// <exception cref="OverflowException">There are more than 2^63 parameters.</exception>
    public static IReadOnlyList<Parameter> Parameters(ModelConfig config)
    {
        int d = config.HiddenSize, f = config.IntermediateSize, up = checked(config.GatedMlp ? 2 * f : f);
        int attended = config.QueryWidth, qkv = checked(attended + 2 * config.KeyValueWidth);
        var all = new List<Parameter>();
        long offset = 0;
        void Add(string name, params int[] shape)
        {
            var parameter = new Parameter(name, shape, offset, Decays: shape.Length > 1);
            all.Add(parameter);
            offset = checked(offset + parameter.Count);
        }
        void Norm(string name)
        {
            Add(name + ".weight", d);
            if (config.Normalization == Normalization.LayerNorm) Add(name + ".bias", d);
        }
        void Linear(string name, int inputs, int outputs, bool bias)
        {
            Add(name + ".weight", inputs, outputs);
            if (bias) Add(name + ".bias", outputs);
        }

        Add(TokenEmbedding, config.VocabSize, d);
        if (config.PositionEncoding == PositionEncoding.Learned) Add(PositionEmbedding, config.MaxPositionEmbeddings, d);
        for (var layer = 0; layer < config.NumHiddenLayers; layer++)
        {
            Norm($"h.{layer}.ln_1");
            Linear($"h.{layer}.attn.c_attn", d, qkv, config.AttentionBias);
            Linear($"h.{layer}.attn.c_proj", attended, d, config.AttentionBias);
            Norm($"h.{layer}.ln_2");
            Linear($"h.{layer}.mlp.c_fc", d, up, config.MlpBias);
            Linear($"h.{layer}.mlp.c_proj", f, d, config.MlpBias);
        }
        Norm("ln_f");
        var readsTokens = config.ScalarHead == ScalarHead.Action;
        if (config.NumScalars > 0) Add(Score, config.NumScalars, d);
        if (readsTokens) Add(ActionScore, config.NumScalars, d);
        if (!config.TieWordEmbeddings && (config.NumScalars == 0 || readsTokens)) Add(OutputHead, config.VocabSize, d);
        return all;
    }

    internal static Block BlockOf(ParameterSet parameters, int layer)
    {
        long At(string name) => parameters.Contains($"h.{layer}.{name}") ? parameters[$"h.{layer}.{name}"].Offset : Absent;
        return new Block(
            At("ln_1.weight"), At("ln_1.bias"),
            At("attn.c_attn.weight"), At("attn.c_attn.bias"),
            At("attn.c_proj.weight"), At("attn.c_proj.bias"),
            At("ln_2.weight"), At("ln_2.bias"),
            At("mlp.c_fc.weight"), At("mlp.c_fc.bias"),
            At("mlp.c_proj.weight"), At("mlp.c_proj.bias"));
    }

    /// <summary>GPT-2's initialisation: N(0, σ) with σ = <see cref="ModelConfig.InitializerRange"/>, projections into the residual stream N(0, σ/√(2L)), biases 0, norm scales 1; scalar head N(0, 1/√(D + 1)), and one that reads the token starts from <see cref="InitialActionScore"/> of its logit alone.</summary>
    public static void Initialize(ParameterSet parameters, ModelConfig config, ulong seed)
    {
        for (var index = 0; index < parameters.All.Count; index++)
        {
            var parameter = parameters.All[index];
            var values = parameters.ValuesOf(parameter);
            if (parameter.Shape.Length == 1)
            {
                values.Fill(parameter.Name.EndsWith(".weight", StringComparison.Ordinal) ? 1 : 0);
                continue;
            }
            if (config.ScalarHead == ScalarHead.Action && parameter.Name is Score or ActionScore)
            {
                values.Fill(parameter.Name == Score ? 0 : InitialActionScore);
                continue;
            }
            var deviation =
                parameter.Name == Score ? 1 / Math.Sqrt(config.HiddenSize + 1)
                : parameter.Name.EndsWith("c_proj.weight", StringComparison.Ordinal) ? config.InitializerRange / Math.Sqrt(2 * config.NumHiddenLayers)
                : config.InitializerRange;
            var key = CounterRandom.Hash(seed, (ulong)index);
            for (var i = 0; i < values.Length; i++)
                values[i] = (float)(deviation * CounterRandom.Normal(key, (ulong)i));
        }
    }
}

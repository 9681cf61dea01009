using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>
/// Names, shapes and places of the decoder's parameters. Names and layout are those of Hugging Face's GPT-2
/// (matrices are (in, out), so y = x·W + b).
/// </summary>
internal static class DecoderLayout
{
    public const string TokenEmbedding = "wte.weight", PositionEmbedding = "wpe.weight";
    public const string FinalNormScale = "ln_f.weight", FinalNormShift = "ln_f.bias", Score = "score.weight";

    /// <summary>Parameters of one block, as offsets into the flat buffer.</summary>
    internal readonly record struct Block(
        long Norm1Scale, long Norm1Shift,     // (D)
        long QkvWeight, long QkvBias,         // (D, 3D), (3D)
        long OutWeight, long OutBias,         // (D, D), (D)
        long Norm2Scale, long Norm2Shift,     // (D)
        long UpWeight, long UpBias,           // (D, F), (F)
        long DownWeight, long DownBias);      // (F, D), (D)

    public static IReadOnlyList<Parameter> Parameters(ModelConfig config)
    {
        int d = config.HiddenSize, f = config.IntermediateSize;
        var all = new List<Parameter>();
        long offset = 0;
        void Add(string name, params int[] shape)
        {
            var parameter = new Parameter(name, shape, offset, Decays: shape.Length > 1);
            all.Add(parameter);
            offset = checked(offset + parameter.Count);
        }

        Add(TokenEmbedding, config.VocabSize, d);
        Add(PositionEmbedding, config.MaxPositionEmbeddings, d);
        for (var layer = 0; layer < config.NumHiddenLayers; layer++)
        {
            Add($"h.{layer}.ln_1.weight", d);
            Add($"h.{layer}.ln_1.bias", d);
            Add($"h.{layer}.attn.c_attn.weight", d, 3 * d);
            Add($"h.{layer}.attn.c_attn.bias", 3 * d);
            Add($"h.{layer}.attn.c_proj.weight", d, d);
            Add($"h.{layer}.attn.c_proj.bias", d);
            Add($"h.{layer}.ln_2.weight", d);
            Add($"h.{layer}.ln_2.bias", d);
            Add($"h.{layer}.mlp.c_fc.weight", d, f);
            Add($"h.{layer}.mlp.c_fc.bias", f);
            Add($"h.{layer}.mlp.c_proj.weight", f, d);
            Add($"h.{layer}.mlp.c_proj.bias", d);
        }
        Add(FinalNormScale, d);
        Add(FinalNormShift, d);
        if (config.NumScalars > 0) Add(Score, config.NumScalars, d);
        return all;
    }

    public static Block BlockOf(ParameterSet parameters, int layer)
    {
        long At(string name) => parameters[$"h.{layer}.{name}"].Offset;
        return new Block(
            At("ln_1.weight"), At("ln_1.bias"),
            At("attn.c_attn.weight"), At("attn.c_attn.bias"),
            At("attn.c_proj.weight"), At("attn.c_proj.bias"),
            At("ln_2.weight"), At("ln_2.bias"),
            At("mlp.c_fc.weight"), At("mlp.c_fc.bias"),
            At("mlp.c_proj.weight"), At("mlp.c_proj.bias"));
    }

    /// <summary>GPT-2's initialisation: N(0, σ) with σ = <see cref="ModelConfig.InitializerRange"/>, projections into the residual stream N(0, σ/√(2L)), biases 0, norm scales 1; scalar head N(0, 1/√(D + 1)).</summary>
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

using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gpt35.Model;

/// <summary>The four products of a block that adapters add to.</summary>
internal enum LinearSite
{
    Qkv,
    Out,
    Up,
    Down,
}

/// <summary>An adapter of one matrix: A (r, in) and B (out, r) in the adapter's flat buffer, and the columns of the site's output it adds to.</summary>
internal readonly record struct LoraPair(LinearSite Site, long A, long B, int Inputs, int FirstColumn, int Columns);

/// <summary>
/// Names, shapes and places of an adapter's parameters. Names are PEFT's, so that its files and ours are the same:
/// <c>base_model.model.transformer.h.N.attn.c_attn.lora_A.weight</c> in the GPT-2 family, <c>base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight</c>
/// with rotary positions; then the scalar head, trained in full, <c>base_model.model.score.weight</c>.
/// </summary>
internal static class LoraLayout
{
    public const string Head = "base_model.model." + DecoderLayout.Score;

    /// <summary>Whether queries, keys and values are one matrix in the files of this family.</summary>
    public static bool IsFused(ModelConfig config) => config.PositionEncoding == PositionEncoding.Learned;

    /// <summary>The matrices of a block that can be adapted.</summary>
    public static IReadOnlyList<LoraTarget> TargetsOf(ModelConfig config) =>
    [
        .. (ReadOnlySpan<LoraTarget>)(IsFused(config) ? [LoraTarget.CAttn] : [LoraTarget.Q, LoraTarget.K, LoraTarget.V]),
        LoraTarget.O,
        .. (ReadOnlySpan<LoraTarget>)(config.GatedMlp ? [LoraTarget.Gate] : []),
        LoraTarget.Up, LoraTarget.Down,
    ];

    /// <summary>Every parameter in the order of the flat buffer: A and B of each target, layer by layer, then the head of a model that gives scalars.</summary>
    public static IReadOnlyList<Parameter> Parameters(ModelConfig config, LoraConfig lora)
    {
        var all = new List<Parameter>();
        long offset = 0;
        void Add(string name, int rows, int columns)
        {
            all.Add(new Parameter(name, [rows, columns], offset, Decays: true));
            offset = checked(offset + all[^1].Count);
        }
        for (var layer = 0; layer < config.NumHiddenLayers; layer++)
            foreach (var target in lora.Targets)
            {
                var (_, inputs, _, columns) = Place(config, target);
                var name = ModuleName(config, layer, target);
                Add($"{name}.lora_A.weight", lora.Rank, inputs);
                Add($"{name}.lora_B.weight", columns, lora.Rank);
            }
        if (config.NumScalars > 0) Add(Head, config.NumScalars, config.HiddenSize);
        return all;
    }

    /// <summary>The pairs of each block, (L) lists.</summary>
    public static LoraPair[][] Pairs(ModelConfig config, LoraConfig lora, ParameterSet parameters) =>
    [
        .. Enumerable.Range(0, config.NumHiddenLayers).Select(layer => lora.Targets.Select(target =>
        {
            var (site, inputs, firstColumn, columns) = Place(config, target);
            var name = ModuleName(config, layer, target);
            return new LoraPair(site, parameters[$"{name}.lora_A.weight"].Offset, parameters[$"{name}.lora_B.weight"].Offset, inputs, firstColumn, columns);
        }).ToArray()),
    ];

    /// <summary>What an adapter must have in common with its base: all but the head, which it brings, and what concerns training alone.</summary>
    public static ModelConfig BaseShapeOf(ModelConfig config) => config.Resolved() with { NumScalars = 0, ResidDropout = 0, InitializerRange = 1 };

    /// <summary>In what two shapes differ, for messages: "hidden_size 12 instead of 8".</summary>
    public static string Differences(ModelConfig found, ModelConfig expected)
    {
        JsonObject ofFound = JsonOf(found), ofExpected = JsonOf(expected);
        return string.Join(", ", ofFound.Concat(ofExpected).Select(value => value.Key).Distinct().Select(name => (Name: name, Found: TextOf(ofFound, name), Expected: TextOf(ofExpected, name)))
            .Where(value => value.Found != value.Expected).Select(value => $"{value.Name} {value.Found} instead of {value.Expected}"));

        static JsonObject JsonOf(ModelConfig config) => JsonSerializer.SerializeToNode(config, ModelFolder.Json)!.AsObject();
        static string TextOf(JsonObject json, string name) => json[name]?.ToJsonString() ?? "none";
    }

    /// <summary>The module's name without its path, as PEFT lists it in <c>target_modules</c>; two modules of GPT-2 are both called c_proj, so theirs has the parent.</summary>
    public static string ModuleOf(ModelConfig config, LoraTarget target) => (IsFused(config), target) switch
    {
        (true, LoraTarget.CAttn) => "attn.c_attn",
        (true, LoraTarget.O) => "attn.c_proj",
        (true, LoraTarget.Up) when !config.GatedMlp => "mlp.c_fc",
        (true, LoraTarget.Down) => "mlp.c_proj",
        (_, LoraTarget.Gate or LoraTarget.Up or LoraTarget.Down) => $"mlp.{LoraConfig.NameOf(target)}_proj",
        _ => $"self_attn.{LoraConfig.NameOf(target)}_proj",
    };

    private static string ModuleName(ModelConfig config, int layer, LoraTarget target) =>
        $"base_model.model.{(IsFused(config) ? "transformer.h" : "model.layers")}.{layer}.{ModuleOf(config, target)}";

    /// <summary>Which product a target is part of, how wide its input is, and which columns of the product it has.</summary>
    private static (LinearSite Site, int Inputs, int FirstColumn, int Columns) Place(ModelConfig config, LoraTarget target)
    {
        int d = config.HiddenSize, f = config.IntermediateSize, q = config.QueryWidth, kv = config.KeyValueWidth;
        return target switch
        {
            LoraTarget.CAttn => (LinearSite.Qkv, d, 0, q + 2 * kv),
            LoraTarget.Q => (LinearSite.Qkv, d, 0, q),
            LoraTarget.K => (LinearSite.Qkv, d, q, kv),
            LoraTarget.V => (LinearSite.Qkv, d, q + kv, kv),
            LoraTarget.O => (LinearSite.Out, q, 0, d),
            LoraTarget.Gate => (LinearSite.Up, d, 0, f),
            LoraTarget.Up => (LinearSite.Up, d, config.GatedMlp ? f : 0, f),
            _ => (LinearSite.Down, f, 0, d),
        };
    }
}

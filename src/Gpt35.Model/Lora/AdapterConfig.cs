using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gpt35.Model;

/// <summary><c>adapter_config.json</c> of PEFT, as far as LoRA goes.</summary>
internal static class AdapterConfig
{
    public const string FileName = "adapter_config.json";

    private const string HeadModule = "score";

    /// <summary>Whether a folder holds an adapter rather than a model.</summary>
    public static bool IsIn(string folder) => File.Exists(Path.Combine(folder, FileName));

    public static JsonObject Write(LoraAdapter adapter)
    {
        var (config, lora) = (adapter.Config, adapter.Lora);
        return new JsonObject
        {
            ["peft_type"] = "LORA",
            ["task_type"] = config.NumScalars > 0 ? "SEQ_CLS" : "CAUSAL_LM",
            ["base_model_name_or_path"] = adapter.BasePath,
            ["r"] = lora.Rank,
            ["lora_alpha"] = lora.Alpha == Math.Floor(lora.Alpha) && lora.Alpha < int.MaxValue ? (int)lora.Alpha : lora.Alpha,
            ["use_rslora"] = lora.RsLora,
            ["lora_dropout"] = 0.0,
            ["bias"] = "none",
            // GPT-2's projections are (in, out) there.
            ["fan_in_fan_out"] = LoraLayout.IsFused(config),
            ["target_modules"] = new JsonArray([.. lora.Targets.Select(target => (JsonNode)LoraLayout.ModuleOf(config, target))]),
            ["modules_to_save"] = config.NumScalars > 0 ? new JsonArray(HeadModule) : null,
            ["inference_mode"] = true,
        };
    }

    /// <summary>Folder or hub name of the base.</summary>
    /// <exception cref="InvalidDataException">The file is no adapter configuration.</exception>
    public static string? ReadBase(string folder) => Open(folder, reader => reader.TryText("base_model_name_or_path"));

    /// <param name="folder">The adapter's folder.</param>
    /// <param name="config">The base's shape, which says what the names of modules mean.</param>
    /// <exception cref="InvalidDataException">The file is no configuration of LoRA, or of a kind that is not computed here.</exception>
    public static LoraConfig Read(string folder, ModelConfig config) => Open(folder, reader =>
    {
        if (reader.TryText("peft_type") is var kind && kind != "LORA") throw reader.Bad($"peft_type is {(kind is null ? "missing" : $"\"{kind}\"")}; only LORA is computed here.");
        reader.RequireFlag("use_dora", wanted: false);
        if (reader.TryText("bias") is { } bias && bias != "none") throw reader.Bad($"bias is \"{bias}\"; only \"none\" is computed here.");
        foreach (var pattern in (string[])["rank_pattern", "alpha_pattern"])
            if (reader.TryObject(pattern) is { IsEmpty: false }) throw reader.Bad($"{pattern} gives modules a rank or alpha of their own; only one for all is computed here.");
        var lora = new LoraConfig
        {
            Rank = reader.Integer("r"),
            Alpha = reader.TryNumber("lora_alpha") ?? throw reader.Bad("no \"lora_alpha\"; expected the adapter's scale."),
            RsLora = reader.TryFlag("use_rslora") ?? false,
            Targets = Targets(reader, config),
        };
        lora.Validate(config);
        return lora;
    });

    /// <summary>A module is meant by its name or by the end of its path, as PEFT matches them.</summary>
    private static LoraTarget[] Targets(ConfigReader reader, ModelConfig config)
    {
        var known = LoraLayout.TargetsOf(config);
        var names = reader.TryTexts("target_modules") ?? throw reader.Bad("no \"target_modules\" as a list; expected the names of the adapted modules.");
        var unknown = names.FirstOrDefault(name => !known.Any(target => IsMeant(target, name)));
        if (unknown is not null)
            throw reader.Bad($"target_modules has \"{unknown}\", which its base does not have; it has {string.Join(", ", known.Select(target => LoraLayout.ModuleOf(config, target)))}. Does the adapter belong to another base?");
        return [.. known.Where(target => names.Any(name => IsMeant(target, name)))];

        bool IsMeant(LoraTarget target, string name) => LoraLayout.ModuleOf(config, target) is var module && (module == name || module.EndsWith("." + name, StringComparison.Ordinal));
    }

    private static T Open<T>(string folder, Func<ConfigReader, T> read)
    {
        var path = Path.Combine(folder, FileName);
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new InvalidDataException("found no JSON object; expected the configuration of an adapter.");
            return read(new ConfigReader(path, document.RootElement));
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path}:{(e.LineNumber ?? 0) + 1}: {e.Message}", e);
        }
        catch (InvalidDataException e) when (!e.Message.StartsWith(path, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Gpt35.Kernels;
using Gpt35.Tokenization;

namespace Gpt35.Model;

/// <summary>What <c>gpt35.json</c> says about a model beyond its shape.</summary>
public sealed record ModelCard
{
    /// <summary>Stage that made it: pretrain, sft, reward, ppo.</summary>
    public required string Stage { get; init; }
    /// <summary>Name of the chat format the model was trained with; null for a base model.</summary>
    public string? ChatFormat { get; init; }
    /// <summary>All of that format where it is not a built-in one, so that the folder explains itself.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? ChatTemplate { get; init; }
    /// <summary>Name of the special token that ends an answer in that format; null for a base model, whose documents end with &lt;|endoftext|&gt;.</summary>
    public string? EndOfTurn { get; init; }
    /// <summary>Model folders it was made from.</summary>
    public IReadOnlyList<string> Parents { get; init; } = [];
    /// <summary>SHA-256 of the resolved recipe.</summary>
    public string? RecipeHash { get; init; }
    /// <summary>A reward model's scores are shifted by this so that demonstrations average 0 (Ouyang et al. 2022, section 3.5).</summary>
    public double RewardBias { get; init; }
}

/// <summary>
/// A model, its tokenizer and its card. As a folder it is one that Hugging Face's libraries read too: config.json, model.safetensors, tokenizer.json,
/// generation_config.json, and gpt35.json for what those have no place for.
/// </summary>
public sealed class ModelFolder : IDisposable
{
    private const string GenerationFile = "generation_config.json", TokenizerFile = "tokenizer_config.json", CardFile = "gpt35.json";

    internal static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public required Decoder Model { get; init; }
    public required Tokenizer Tokenizer { get; init; }
    public required ModelCard Card { get; init; }

    /// <summary>Reads a model folder, an adapter's folder (<see cref="AdapterFolder"/>) with its base, or a file of another format that <see cref="StoredModel.Open"/> knows.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">A file is missing or wrong, or the model does not fit into memory; the message names it, what was found and what was expected.</exception>
    public static ModelFolder Load(string path, WorkerPool pool) => Load(path, pool, null);

    /// <summary>As <see cref="Load(string, WorkerPool)"/>; an adapter over the base of <paramref name="shared"/> shares its weights.</summary>
    public static ModelFolder Load(string path, WorkerPool pool, (Decoder Model, string BasePath)? shared)
    {
        if (AdapterFolder.IsOne(path)) return AdapterFolder.LoadWithBase(path, pool, shared);
        using var stored = StoredModel.Open(path);
        return new ModelFolder { Model = stored.Load(pool), Tokenizer = stored.Tokenizer, Card = stored.Card };
    }

    /// <summary>As <see cref="Load(string, WorkerPool)"/>, for inference with weights of that precision. An adapter is worked into its base first, which takes the memory of both in F32.</summary>
    public static ModelFolder Load(string path, WorkerPool pool, WeightPrecision precision)
    {
        if (precision == WeightPrecision.F32) return Load(path, pool);
        if (AdapterFolder.IsOne(path))
        {
            using var adapted = Load(path, pool);
            return new ModelFolder { Model = adapted.Model.Reduce(precision), Tokenizer = adapted.Tokenizer, Card = adapted.Card };
        }
        using var stored = StoredModel.Open(path);
        return new ModelFolder { Model = stored.Load(pool, precision), Tokenizer = stored.Tokenizer, Card = stored.Card };
    }

    /// <summary>Reads config.json and gpt35.json only; a folder without the latter, as a downloaded model is, holds a base model.</summary>
    public static (ModelConfig Config, ModelCard Card) LoadCard(string path)
    {
        AtomicFolder.Restore(path);
        if (!Directory.Exists(path))
            throw new DirectoryNotFoundException($"{path}: no such folder; expected a model folder with {HuggingFaceConfig.FileName}, {SafetensorsFile.WeightsName} and tokenizer.json.");
        var adapted = AdapterFolder.IsOne(path);
        var config = Path.Combine(path, HuggingFaceConfig.FileName);
        if (!adapted && !File.Exists(config))
            throw new InvalidDataException($"{path}: no {HuggingFaceConfig.FileName}; a model folder has {HuggingFaceConfig.FileName}, {SafetensorsFile.WeightsName} and tokenizer.json. Is this the right folder?");
        return (adapted ? AdapterFolder.ConfigOf(path) : HuggingFaceConfig.Read(config), CardIn(path) ?? new ModelCard { Stage = "pretrain" });
    }

    /// <summary>What gpt35.json says; null where there is none.</summary>
    internal static ModelCard? CardIn(string folder)
    {
        var path = Path.Combine(folder, CardFile);
        return File.Exists(path) ? Read<ModelCard>(path) : null;
    }

    /// <summary>Writes into a temporary folder beside <paramref name="path"/>, flushes, and renames it; replaces an existing folder of that name.</summary>
    /// <remarks>Of an adapted model the adapter alone is written; its base stays where it is.</remarks>
    public static void Save(string path, ITrainableModel model, Tokenizer tokenizer, ModelCard card)
    {
        if (model is Decoder { Precision: not WeightPrecision.F32 and var precision })
            throw new InvalidOperationException($"The model has its weights in {precision}; load it in F32 to save it, and use ModelExport to write it in fewer bits.");
        if (model is not Decoder { Adapter: { } adapter })
        {
            Save(path, model.Config, tokenizer, card, TensorType.F32, null, (parameter, values) => model.Parameters.ValuesOf(parameter).CopyTo(values));
            return;
        }
        AtomicFolder.Write(path, folder =>
        {
            AdapterFolder.WriteInto(folder, adapter);
            tokenizer.Save(folder);
            Write(folder, CardFile, JsonSerializer.SerializeToNode(card, Json)!);
        });
    }

    /// <param name="path">The folder.</param>
    /// <param name="config">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="card">What gpt35.json says.</param>
    /// <param name="type">Type of all weights: F32, F16 or BF16.</param>
    /// <param name="chatTemplate">Jinja of its chat format, for other programs; null where there is none.</param>
    /// <param name="read">Where the weights come from.</param>
    internal static void Save(string path, ModelConfig config, Tokenizer tokenizer, ModelCard card, TensorType type, string? chatTemplate, ParameterReader read) =>
        AtomicFolder.Write(path, folder =>
        {
            int begin = tokenizer.StartOfText, end = card.EndOfTurn is { } turn ? tokenizer.SpecialTokens[turn] : tokenizer.EndOfText;
            Write(folder, HuggingFaceConfig.FileName, HuggingFaceConfig.Write(config, type, begin, end));
            SafetensorsWriter.WriteFolder(folder, TensorNames.HuggingFace(config), type, read);
            tokenizer.Save(folder);
            Write(folder, TokenizerFile, HuggingFaceConfig.WriteTokenizer(folder, config, tokenizer, card.EndOfTurn, chatTemplate));
            Write(folder, GenerationFile, new JsonObject { ["bos_token_id"] = begin, ["eos_token_id"] = end });
            Write(folder, CardFile, JsonSerializer.SerializeToNode(card, Json)!);
        });

    public void Dispose() => Model.Dispose();

    internal static void Write(string folder, string name, JsonNode content) => File.WriteAllText(Path.Combine(folder, name), content.ToJsonString(Json) + "\n");

    private static T Read<T>(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), Json)
                ?? throw new InvalidDataException($"{path}: found null; expected a JSON object.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path}:{(e.LineNumber ?? 0) + 1}: {e.Message}", e);
        }
    }
}

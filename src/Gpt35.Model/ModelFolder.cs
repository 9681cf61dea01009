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

/// <summary>A model, its tokenizer and its card, as they lie in a folder: config.json, model.safetensors, tokenizer.json, generation_config.json, gpt35.json.</summary>
public sealed class ModelFolder : IDisposable
{
    private const string ConfigFile = "config.json", WeightsFile = "model.safetensors", GenerationFile = "generation_config.json", CardFile = "gpt35.json";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public required Decoder Model { get; init; }
    public required Tokenizer Tokenizer { get; init; }
    public required ModelCard Card { get; init; }

    /// <summary>Reads a model folder.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">A file is missing or wrong; the message names it, what was found and what was expected.</exception>
    public static ModelFolder Load(string path, WorkerPool pool)
    {
        var (config, card) = LoadCard(path);
        var weights = Existing(path, WeightsFile);
        var tokenizer = Tokenizer.Load(path);
        if (tokenizer.VocabSize > config.VocabSize)
            throw new InvalidDataException($"{path}: the tokenizer has {tokenizer.VocabSize} ids, config.json a vocab_size of {config.VocabSize}; they belong to different models.");
        var model = Decoder.CreateEmpty(config, pool);
        try
        {
            Safetensors.Read(weights, model.Parameters);
            return new ModelFolder { Model = model, Tokenizer = tokenizer, Card = card };
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Reads config.json and gpt35.json only.</summary>
    public static (ModelConfig Config, ModelCard Card) LoadCard(string path)
    {
        AtomicFolder.Restore(path);
        if (!Directory.Exists(path))
            throw new DirectoryNotFoundException($"{path}: no such folder; expected a model folder with {ConfigFile}, {WeightsFile} and tokenizer.json.");
        var config = Read<ModelConfig>(Existing(path, ConfigFile));
        try
        {
            config.Validate();
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{Path.Combine(path, ConfigFile)}: {e.Message}", e);
        }
        return (config, Read<ModelCard>(Existing(path, CardFile)));
    }

    /// <summary>Writes into a temporary folder beside <paramref name="path"/>, flushes, and renames it; replaces an existing folder of that name.</summary>
    public static void Save(string path, ITrainableModel model, Tokenizer tokenizer, ModelCard card) =>
        AtomicFolder.Write(path, folder =>
        {
            WriteConfig(Path.Combine(folder, ConfigFile), model.Config);
            Safetensors.Write(Path.Combine(folder, WeightsFile), model.Parameters);
            tokenizer.Save(folder);
            var end = card.EndOfTurn is { } turn ? tokenizer.SpecialTokens[turn] : tokenizer.EndOfText;
            File.WriteAllText(Path.Combine(folder, GenerationFile), new JsonObject { ["bos_token_id"] = tokenizer.EndOfText, ["eos_token_id"] = end }.ToJsonString(Json) + "\n");
            File.WriteAllText(Path.Combine(folder, CardFile), JsonSerializer.Serialize(card, Json) + "\n");
        });

    public void Dispose() => Model.Dispose();

    private static void WriteConfig(string path, ModelConfig config)
    {
        var json = JsonSerializer.SerializeToNode(config, Json)!.AsObject();
        json.Insert(0, "model_type", "gpt2");
        json.Insert(1, "activation_function", "gelu_new");
        File.WriteAllText(path, json.ToJsonString(Json) + "\n");
    }

    private static string Existing(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        return File.Exists(path) ? path
            : throw new InvalidDataException($"{folder}: no {name}; a model folder has {ConfigFile}, {WeightsFile}, tokenizer.json and {CardFile}. Is this the right folder?");
    }

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

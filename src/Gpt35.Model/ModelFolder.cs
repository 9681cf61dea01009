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
    public required Decoder Model { get; init; }
    public required Tokenizer Tokenizer { get; init; }
    public required ModelCard Card { get; init; }

    /// <summary>Reads a model folder. Throws <see cref="InvalidDataException"/> naming the file, what was found and what was expected.</summary>
    public static ModelFolder Load(string path, WorkerPool pool) => throw new NotImplementedException();

    /// <summary>Writes into a temporary folder beside <paramref name="path"/>, fsyncs, and renames it; replaces an existing folder of that name.</summary>
    public static void Save(string path, ITrainableModel model, Tokenizer tokenizer, ModelCard card) => throw new NotImplementedException();

    public void Dispose() => Model.Dispose();
}

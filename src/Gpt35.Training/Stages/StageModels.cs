using Gpt35.Data;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>The models a stage starts from, checked to be of the right kind.</summary>
internal static class StageModels
{
    /// <exception cref="InvalidDataException">The folder holds a model with a scalar head.</exception>
    public static ModelFolder LoadLanguageModel(string path, string key, WorkerPool pool) =>
        Checked(ModelFolder.Load(path, pool), folder => folder.Model.Config.NumScalars == 0,
            $"{path}: a model with a scalar head (a reward or value model); {key} needs a language model.");

    /// <exception cref="InvalidDataException">The folder holds no reward model.</exception>
    public static ModelFolder LoadRewardModel(string path, WorkerPool pool) =>
        Checked(ModelFolder.Load(path, pool), folder => folder.Model.Config.NumScalars == 1,
            $"{path}: not a reward model (it has no scalar head). Train one with 'gpt35 reward'.");

    /// <summary>The chat format a model was fine-tuned with.</summary>
    /// <exception cref="InvalidDataException">It is a base model, or its definition of the format is damaged.</exception>
    public static ChatFormat FormatOf(ModelFolder folder, string path) => ChatFormat.Stored(folder.Card.ChatFormat, folder.Card.ChatTemplate)
        ?? throw new InvalidDataException($"{path}: its gpt35.json names no chat format, so this is a base model. Fine-tune it first with 'gpt35 sft'.");

    /// <summary>The card of a model that a stage trains in a chat format.</summary>
    public static ModelCard CardOf(string stage, ChatFormat format, IReadOnlyList<string> parents, RunFolder run) => new()
    {
        Stage = stage,
        ChatFormat = format.Name,
        ChatTemplate = format.Definition,
        EndOfTurn = format.End,
        Parents = parents,
        RecipeHash = run.RecipeHash,
    };

    /// <summary>What computes over the weights of <paramref name="model"/>: the model itself, or the torch backend. Dispose it before the model.</summary>
    /// <exception cref="InvalidDataException">The backend is not there, or has no such type.</exception>
    public static ITrainableModel On(Backend backend, Dtype dtype, Decoder model, WorkerPool pool) => (backend, dtype) switch
    {
        (Backend.Torch, _) => TorchPlugin.Create(model, dtype, pool),
        (_, Dtype.Fp32) => model,
        _ => throw new InvalidDataException("dtype is bf16, but the cpu backend trains in fp32. Take backend: torch (--backend torch), or leave dtype out."),
    };

    private static ModelFolder Checked(ModelFolder folder, Func<ModelFolder, bool> isRight, string complaint)
    {
        if (isRight(folder)) return folder;
        folder.Dispose();
        throw new InvalidDataException(complaint);
    }
}

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

    /// <param name="path">The folder.</param>
    /// <param name="pool">Threads.</param>
    /// <param name="shared">A model whose base the reward model may stand on too, and where that base came from.</param>
    /// <exception cref="InvalidDataException">The folder holds no reward model.</exception>
    public static ModelFolder LoadRewardModel(string path, WorkerPool pool, (Decoder Model, string BasePath)? shared = null) =>
        Checked(ModelFolder.Load(path, pool, shared), folder => folder.Model.Config.NumScalars == 1,
            $"{path}: not a reward model (it has no scalar head). Train one with 'gpt35 reward'.");

    /// <summary>
    /// What a stage trains in place of the model that it starts from: with <paramref name="lora"/> an adapter over that model frozen (an adapter that is
    /// there already goes on), else a copy of its weights, an adapter worked in. A scalar head of the same size is copied, another one is new.
    /// </summary>
    /// <param name="start">The initial model.</param>
    /// <param name="path">Its folder.</param>
    /// <param name="lora">The recipe's adapter, or null.</param>
    /// <param name="scalars">Outputs of the scalar head; 0: a language model.</param>
    /// <param name="seed">Key of what is new.</param>
    /// <param name="head">What the scalar head reads; an adapter's head reads states.</param>
    /// <exception cref="InvalidDataException">The adapter does not fit the model, or is another one than the one that is there.</exception>
    public static Decoder Trainee(Decoder start, string path, LoraOptions? lora, int scalars, ulong seed, ScalarHead head = ScalarHead.State)
    {
        if (lora is not null) return start.Adapt(lora.ToConfig(start.Config), scalars, seed, Path.GetFullPath(path));
        if (start.Adapter is null) return start.CloneWithHead(scalars, seed, head);
        using var merged = start.Merge();
        return merged.CloneWithHead(scalars, seed, head);
    }

    /// <summary>"124,439,808 parameters", or of an adapter how many of it are trained over how many.</summary>
    public static string Size(Decoder model) => model.Adapter is null
        ? $"{model.Parameters.Count:N0} parameters"
        : $"{model.Parameters.Count:N0} parameters of an adapter over {model.FrozenCount:N0} frozen ones";

    /// <summary>The base of a model that is in memory, for others to share: where its weights came from.</summary>
    public static (Decoder Model, string BasePath) BaseOf(ModelFolder folder, string path) => (folder.Model, folder.Model.Adapter?.BasePath ?? path);

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
    /// <param name="backend">Who computes.</param>
    /// <param name="dtype">In which type.</param>
    /// <param name="model">The weights.</param>
    /// <param name="pool">Threads of the cpu backend.</param>
    /// <param name="checkpointing">Whether a backward pass computes activations again instead of finding them kept.</param>
    /// <param name="note">Receives the name of the kernel that rounds; null: nobody asks.</param>
    /// <exception cref="InvalidDataException">The backend is not there, or cannot do what is asked.</exception>
    public static ITrainableModel On(Backend backend, Dtype dtype, Decoder model, WorkerPool pool, bool checkpointing = false, Action<string>? note = null)
    {
        if (checkpointing && backend == Backend.Torch)
            throw new InvalidDataException("activation_checkpointing is true, but only the cpu backend has it. Leave it out, or leave backend out.");
        if (backend == Backend.Torch && model.Adapter is not null)
            throw new InvalidDataException("backend is torch, but adapters (lora, or an initial model that is one) are computed by the cpu backend only. Leave backend out, or make a whole model first with 'gpt35 merge-lora'.");
        if (backend == Backend.Torch) return TorchPlugin.Create(model, dtype, pool);
        (model.ActivationCheckpointing, model.Dtype) = (checkpointing, dtype);
        if (dtype == Dtype.Bf16) note?.Invoke($"dtype: bf16 ({BFloat16Gemm.KernelName}).");
        return model;
    }

    private static ModelFolder Checked(ModelFolder folder, Func<ModelFolder, bool> isRight, string complaint)
    {
        if (isRight(folder)) return folder;
        folder.Dispose();
        throw new InvalidDataException(complaint);
    }
}

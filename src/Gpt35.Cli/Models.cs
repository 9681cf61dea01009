using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Cli;

/// <summary>Models named on the command line.</summary>
internal static class Models
{
    /// <summary>Opens a model folder, the final model of a run folder, or a file of another format: GGUF, or llama2.c's with its tokenizer beside it.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder, or no model in it.</exception>
    public static ModelFolder Open(string path, WorkerPool pool) => ModelFolder.Load(Find(path), pool);

    /// <summary>As <see cref="Open"/>, for a model that writes text, its weights held in that precision.</summary>
    /// <exception cref="InvalidDataException">It is a reward or value model.</exception>
    public static ModelFolder OpenLanguageModel(string path, WorkerPool pool, WeightPrecision precision = WeightPrecision.F32) =>
        RequireLanguageModel(ModelFolder.Load(Find(path), pool, precision), path);

    /// <summary>The model itself where it writes text; disposed of where not.</summary>
    /// <exception cref="InvalidDataException">It is a reward or value model.</exception>
    public static ModelFolder RequireLanguageModel(ModelFolder folder, string path)
    {
        if (folder.Model.Config.NumScalars == 0) return folder;
        var stage = folder.Card.Stage;
        folder.Dispose();
        throw new InvalidDataException($"{path} is a model of stage '{stage}' that gives scores, not text. Name a model made by pretrain, sft or ppo.");
    }

    /// <summary>The folder that holds config.json: the path itself, or its subfolder model; a file is itself.</summary>
    /// <param name="path">As it was named.</param>
    /// <param name="expected">What might stand there.</param>
    public static string Find(string path, string expected = "a model folder, the run folder of a stage, or a .gguf file")
    {
        if (File.Exists(path)) return path;
        foreach (var candidate in (string[])[path, Path.Combine(path, "model")])
            if (File.Exists(Path.Combine(candidate, "config.json")) || AdapterFolder.IsOne(candidate)) return candidate;
        if (!Directory.Exists(path))
            throw new DirectoryNotFoundException($"{path}: no such folder. Expected {expected}.");
        throw new DirectoryNotFoundException(Directory.Exists(Path.Combine(path, "checkpoints"))
            ? $"{path} holds no finished model: there are checkpoints, but no {Path.Combine(path, "model")}. Finish the run with --resume, or name a checkpoint."
            : $"{path} holds no model: there is no config.json in it or in its subfolder model.");
    }

    /// <summary>An engine for so many completions at once, on one person's behalf: prompts are read in large pieces.</summary>
    /// <param name="folder">The model.</param>
    /// <param name="cache">How keys and values are held.</param>
    /// <param name="sequences">Completions at once.</param>
    /// <param name="draft">The model that guesses ahead; null: none.</param>
    /// <param name="lookup">Whether prompt look-up guesses instead.</param>
    public static InferenceEngine EngineOf(ModelFolder folder, KvPrecision cache, int sequences = 1, ModelFolder? draft = null, bool lookup = false) => new(folder.Model, new EngineOptions
    {
        MaxSequences = sequences,
        CachePrecision = cache,
        TokensPerStep = Math.Max(sequences, InferenceEngine.PromptTokensPerStep),
        Draft = draft is null ? null : new DraftModel(draft.Model),
        Speculator = lookup ? new PromptLookup() : null,
    }, folder.Tokenizer);

    /// <summary>The chat format a model was trained with, if it was.</summary>
    public static ChatFormat? ChatFormatOf(ModelFolder folder) => ChatFormat.Stored(folder.Card.ChatFormat, folder.Card.ChatTemplate);

    /// <exception cref="InvalidDataException">It is a base model.</exception>
    public static ChatFormat RequireChatFormat(ModelFolder folder, string path) => ChatFormatOf(folder) ?? throw new InvalidDataException(
        $"{path} is a base model: it continues text and knows no turns. Use 'gpt35 generate {path} \"…\"', or fine-tune it with 'gpt35 sft'.");
}

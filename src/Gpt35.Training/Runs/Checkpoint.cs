using System.Security.Cryptography;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>
/// state.json of a checkpoint. Together with the recipe it is everything that is not a weight or a moment: batches, dropout and rollouts are
/// functions of (seed, step), so the step is the data cursor and the state of every random stream at once.
/// </summary>
internal sealed record CheckpointState
{
    public required string Stage { get; init; }
    /// <summary>Steps done.</summary>
    public required int Step { get; init; }
    public required string RecipeHash { get; init; }
    public required long Tokens { get; init; }
    public required double Seconds { get; init; }
    public required double StepSeconds { get; init; }
    /// <summary>Figures of the stage to carry over: held-out loss before training, KL coefficient, …</summary>
    public required Dictionary<string, double> Numbers { get; init; }
    /// <summary>SHA-256 of every other file of the folder, by relative path.</summary>
    public Dictionary<string, string> Checksums { get; init; } = [];
}

/// <summary>A checkpoint is a model folder with optimizer.bin and state.json beside the weights; it appears whole or not at all.</summary>
internal static class Checkpoint
{
    private const string StateFile = "state.json", OptimizerFile = "optimizer.bin", Prefix = "step-";
    private const int Kept = 2;

    /// <summary>Newest checkpoint under <paramref name="checkpoints"/>, verified; null when there is none.</summary>
    /// <exception cref="InvalidDataException">A file is not the one that was written.</exception>
    public static (string Folder, CheckpointState State)? Newest(string checkpoints)
    {
        if (All(checkpoints) is not [.., var folder]) return null;
        var state = JsonFiles.Read<CheckpointState>(Path.Combine(folder, StateFile));
        foreach (var (name, expected) in state.Checksums)
        {
            var file = Path.Combine(folder, name);
            if (!File.Exists(file) || Sha256(file) != expected)
                throw new InvalidDataException($"{file}: {(File.Exists(file) ? "its SHA-256 is not the one noted in state.json" : "missing")}; the checkpoint is damaged. Delete {folder} to resume from the one before.");
        }
        return (folder, state);
    }

    public static string Write(string checkpoints, CheckpointState state, Action<string> fill)
    {
        Directory.CreateDirectory(checkpoints);
        var path = Path.Combine(checkpoints, $"{Prefix}{state.Step}");
        AtomicFolder.Write(path, folder =>
        {
            fill(folder);
            var checksums = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal).ToDictionary(file => Path.GetRelativePath(folder, file), Sha256);
            JsonFiles.Write(Path.Combine(folder, StateFile), state with { Checksums = checksums });
        });
        foreach (var old in All(checkpoints)[..^Math.Min(Kept, All(checkpoints).Count)]) Directory.Delete(old, recursive: true);
        return path;
    }

    /// <summary>Writes a model folder with its optimizer; <paramref name="folder"/> may exist and be empty.</summary>
    public static void SaveModel(string folder, ITrainableModel model, Tokenizer tokenizer, ModelCard card, Optimizer optimizer)
    {
        ModelFolder.Save(folder, model, tokenizer, card);
        using var file = File.Create(Path.Combine(folder, OptimizerFile));
        optimizer.Save(file);
    }

    public static void LoadOptimizer(string folder, Optimizer optimizer)
    {
        var path = Path.Combine(folder, OptimizerFile);
        using var file = File.OpenRead(path);
        try
        {
            optimizer.Load(file);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
    }

    private static List<string> All(string checkpoints) => !Directory.Exists(checkpoints) ? [] :
        [.. Directory.EnumerateDirectories(checkpoints, Prefix + "*").Where(folder => StepOf(folder) >= 0).OrderBy(StepOf)];

    private static int StepOf(string folder) =>
        int.TryParse(Path.GetFileName(folder)[Prefix.Length..], out var step) && File.Exists(Path.Combine(folder, StateFile)) ? step : -1;

    private static string Sha256(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}

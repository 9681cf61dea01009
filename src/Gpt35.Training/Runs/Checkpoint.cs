using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>
/// state.json of a checkpoint. Together with the recipe it is everything that is not a weight or a moment: batches, dropout and rollouts are
/// functions of (seed, step), so the step is the data cursor and the state of every random stream and schedule at once.
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
    [JsonNumberHandling(JsonNumberHandling.AllowNamedFloatingPointLiterals)]
    public required Dictionary<string, double> Numbers { get; init; }
    /// <summary>SHA-256 of what is trained and measured on (<see cref="DataHash"/>); null in checkpoints older than it, which are resumed unasked.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? DataHash { get; init; }
    /// <summary>SHA-256 of every other file of the folder, by relative path.</summary>
    public Dictionary<string, string> Checksums { get; init; } = [];
    /// <summary>SHA-256 of this file as it is with an empty digest.</summary>
    public string Digest { get; init; } = "";

    public CheckpointState Sealed() => this with { Digest = OwnDigest() };

    public bool IsIntact() => Digest == OwnDigest();

    private string OwnDigest() =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(this with { Digest = "" }, JsonFiles.Indented))));
}

/// <summary>A checkpoint is a model folder with optimizer.bin and state.json beside the weights; it appears whole or not at all.</summary>
internal static class Checkpoint
{
    private const string StateFile = "state.json", OptimizerFile = "optimizer.bin", Prefix = "step-", Damaged = ".damaged";

    public static string FolderOf(string checkpoints, int step) => Path.Combine(checkpoints, $"{Prefix}{step}");

    /// <summary>
    /// Newest checkpoint under <paramref name="checkpoints"/> of which every file is the one that was written; null when there is none at all.
    /// Damaged ones that are newer are named to <paramref name="note"/> and set aside.
    /// </summary>
    /// <exception cref="InvalidDataException">There are checkpoints, and all of them are damaged.</exception>
    public static (string Folder, CheckpointState State)? NewestIntact(string checkpoints, Action<string> note)
    {
        var damage = new List<(string Folder, string What)>();
        foreach (var folder in Enumerable.Reverse(All(checkpoints)))
        {
            if (DamageOf(folder) is { } what)
            {
                damage.Add((folder, what));
                continue;
            }
            foreach (var (damaged, why) in damage)
            {
                // Out of the way, so that it does not count as one of those to keep; not deleted, so that somebody may look at it.
                var aside = damaged + Damaged;
                if (Directory.Exists(aside)) AtomicFolder.Delete(aside);
                Directory.Move(damaged, aside);
                note($"{why} The checkpoint is damaged; going on from the one before. It is kept as {aside}.");
            }
            return (folder, Read(folder));
        }
        return damage.Count == 0 ? null : throw new InvalidDataException(
            $"{string.Join('\n', damage.Select(found => found.What))}\nNo checkpoint under {checkpoints} is whole. Delete them to start from the first step, or put back what was changed.");
    }

    /// <summary>Whether there is a checkpoint, damaged or not.</summary>
    public static bool Any(string checkpoints) => All(checkpoints).Count > 0;

    /// <summary>The state of a checkpoint that is known to be intact.</summary>
    public static CheckpointState Read(string folder) => JsonFiles.Read<CheckpointState>(Path.Combine(folder, StateFile));

    /// <summary>Writes step-N, then deletes what need not be kept.</summary>
    /// <param name="checkpoints">Folder of all checkpoints.</param>
    /// <param name="state">What goes into state.json.</param>
    /// <param name="fill">Writes everything else.</param>
    /// <param name="keep">Newest ones to keep.</param>
    /// <param name="best">Another one to keep; its step.</param>
    public static string Write(string checkpoints, CheckpointState state, Action<string> fill, int keep, int? best)
    {
        if (!Directory.Exists(checkpoints))
        {
            Directory.CreateDirectory(checkpoints);
            AtomicFolder.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(checkpoints))!);
        }
        var path = FolderOf(checkpoints, state.Step);
        AtomicFolder.Write(path, folder =>
        {
            fill(folder);
            var checksums = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal).ToDictionary(file => Path.GetRelativePath(folder, file), Sha256);
            JsonFiles.Write(Path.Combine(folder, StateFile), (state with { Checksums = checksums }).Sealed());
        });
        foreach (var old in All(checkpoints).SkipLast(keep).Where(folder => StepOf(folder) != best)) AtomicFolder.Delete(old);
        return path;
    }

    /// <summary>Writes a model folder with its optimizer; <paramref name="folder"/> may exist and be empty. Every rank calls it, all but the first with null.</summary>
    public static void SaveModel(string? folder, ITrainableModel model, Tokenizer tokenizer, ModelCard card, Optimizer optimizer)
    {
        if (folder is null)
        {
            optimizer.Save(null);
            return;
        }
        ModelFolder.Save(folder, model, tokenizer, card);
        using var file = File.Create(Path.Combine(folder, OptimizerFile));
        optimizer.Save(file);
    }

    /// <summary>Puts weights and optimizer back to what <see cref="SaveModel"/> wrote.</summary>
    public static void LoadModel(string folder, ITrainableModel model, Optimizer optimizer, WorkerPool pool)
    {
        using var saved = ModelFolder.Load(folder, pool);
        model.Parameters.CopyFrom(saved.Model.Parameters);
        LoadOptimizer(folder, optimizer);
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

    /// <summary>What is wrong with a checkpoint, or null.</summary>
    private static string? DamageOf(string folder)
    {
        if (!File.Exists(Path.Combine(folder, StateFile))) return $"{Path.Combine(folder, StateFile)}: missing.";
        CheckpointState state;
        try
        {
            state = Read(folder);
        }
        catch (InvalidDataException e)
        {
            return e.Message;
        }
        if (!state.IsIntact()) return $"{Path.Combine(folder, StateFile)}: its SHA-256 is not the one noted in it.";
        foreach (var (name, expected) in state.Checksums)
        {
            var file = Path.Combine(folder, name);
            if (!File.Exists(file)) return $"{file}: missing.";
            if (Sha256(file) != expected) return $"{file}: its SHA-256 is not the one noted in state.json.";
        }
        return null;
    }

    private static List<string> All(string checkpoints) => !Directory.Exists(checkpoints) ? [] :
        [.. Directory.EnumerateDirectories(checkpoints, Prefix + "*").Where(folder => StepOf(folder) >= 0).OrderBy(StepOf)];

    private static int StepOf(string folder) =>
        int.TryParse(Path.GetFileName(folder)[Prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var step) ? step : -1;

    private static string Sha256(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}

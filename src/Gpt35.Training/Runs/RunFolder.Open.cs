using System.Text;
using Gpt35.Model;

namespace Gpt35.Training;

// Who may work in a run folder, and on what.
internal sealed partial class RunFolder
{
    /// <summary>
    /// Checks that the run may start, or mends what a killed run left and finds where it goes on. The folder itself appears with the first step, so a
    /// missing data file leaves nothing behind. Of several ranks the first one looks and tells the others.
    /// </summary>
    /// <exception cref="IOException">The folder exists and the run is not to be resumed, or another process is in it.</exception>
    /// <exception cref="DirectoryNotFoundException">There is nothing to resume.</exception>
    /// <exception cref="InvalidDataException">The folder holds another run, a finished one, or damaged checkpoints only; or the ranks have different recipes.</exception>
    public static RunFolder Open(StageContext context, string stage, object recipe)
    {
        context.Ranks.RequireSame("The recipe", () => $"stage: {stage}\n{RecipeFile.ToYaml(recipe)}");
        FileStream? lockFile = null;
        (string Folder, CheckpointState State)? found = null;
        if (context.Ranks.IsFirst)
        {
            try
            {
                if (context.Resume) found = Reopen(context, recipe, out lockFile);
                else
                {
                    RequireUnused(context.RunFolder);
                    RequireWritable(context.RunFolder, RecipeFile.ToYaml(recipe));
                }
            }
            catch
            {
                lockFile?.Dispose();
                throw;
            }
        }
        var step = (int)context.Ranks.FromFirst(found?.State.Step ?? -1);
        if (!context.Ranks.IsFirst && step >= 0)
        {
            var folder = Checkpoint.FolderOf(Path.Combine(context.RunFolder, "checkpoints"), step);
            if (!Directory.Exists(folder))
                throw new DirectoryNotFoundException($"{folder}: the first process goes on from this checkpoint, and there is none on {Environment.MachineName}. Put the run folder where every machine of the run sees it.");
            found = (folder, Checkpoint.Read(folder));
        }
        context.Ranks.RequireSame("The checkpoint to go on from", () => $"step {step}, SHA-256 {found?.State.Digest}");
        return new RunFolder(context, stage, recipe, lockFile, found);
    }

    /// <exception cref="IOException">The folder is in use.</exception>
    private static void RequireUnused(string folder)
    {
        if (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()))
            throw new IOException($"{folder}: this run folder exists. Go on with it with --resume, choose another folder, or delete it.");
    }

    /// <summary>
    /// Tries, because the data may take long to read before there is anything to write. What a process killed in between leaves is the folder itself
    /// with a temporary file, which --resume removes.
    /// </summary>
    /// <exception cref="IOException">Nothing can be written there.</exception>
    private static void RequireWritable(string folder, string recipeYaml)
    {
        var made = new List<string>();                                             // innermost first
        for (var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)); !Directory.Exists(path) && Path.GetDirectoryName(path) is { } above; path = above)
        {
            if (File.Exists(path)) throw new IOException($"{folder}: cannot be made, because {path} is a file. Choose another run folder.");
            made.Add(path);
        }
        try
        {
            Directory.CreateDirectory(folder);
            using var probe = new FileStream(Path.Combine(folder, $"{RecipeFileName}.{Environment.ProcessId}.tmp"), FileMode.Create, FileAccess.Write, FileShare.None, 0, FileOptions.DeleteOnClose);
            probe.Write(Encoding.UTF8.GetBytes(recipeYaml));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{folder}: cannot be written: {e.Message.TrimEnd('.')}. Choose another run folder, or make room.", e);
        }
        finally
        {
            foreach (var path in made)
                if (Directory.Exists(path) && !Directory.EnumerateFileSystemEntries(path).Any()) Directory.Delete(path);
        }
    }

    private static (string Folder, CheckpointState State)? Reopen(StageContext context, object recipe, out FileStream lockFile)
    {
        var folder = context.RunFolder;
        if (!Directory.Exists(folder)) throw new DirectoryNotFoundException($"{folder}: there is no such run to resume. Start it without --resume.");
        lockFile = Lock(folder);
        var checkpoints = Path.Combine(folder, "checkpoints");
        AtomicFolder.Recover(folder);
        AtomicFolder.Recover(checkpoints);
        // A run killed in its first moment has not even its recipe yet.
        if (Directory.EnumerateFileSystemEntries(folder).Any(entry => Path.GetFileName(entry) != LockFileName))
            RequireSameRecipe(Path.Combine(folder, RecipeFileName), RecipeFile.ToYaml(recipe));
        if (File.Exists(Path.Combine(folder, SummaryFileName)))
            throw new InvalidDataException($"{folder}: this run is finished; its model is in {Path.Combine(folder, "model")}. There is nothing to resume.");
        var checkpoint = Checkpoint.NewestIntact(checkpoints, context.Observer.Note);
        context.Observer.Note(checkpoint is var (_, state) ? $"Resuming after step {state.Step}." : "No checkpoint was saved; starting from the first step.");
        return checkpoint;
    }

    /// <summary>Held while a process works in the folder; the system lets go of it however the process ends.</summary>
    private static FileStream Lock(string folder)
    {
        try
        {
            return new FileStream(Path.Combine(folder, LockFileName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException e) when (IsInUse(e))
        {
            throw new IOException($"{folder}: another process is working in this run folder. Wait for it, or stop it first.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{folder}: cannot be written: {e.Message.TrimEnd('.')}. Make it writable, or copy the run to a folder that is, and go on there.", e);
        }
    }

    /// <summary>EAGAIN of Linux and macOS, a sharing violation of Windows: what a locked file answers.</summary>
    private static bool IsInUse(IOException e) => e.HResult is 11 or 35 or unchecked((int)0x80070020);

    /// <exception cref="InvalidDataException">They are not the data of the checkpoint.</exception>
    private void RequireSameData(string data)
    {
        if (earlierData is null || earlierData == data) return;
        throw new InvalidDataException(
            $"{CheckpointFolder}: the run was started on other data: since then, a file of the recipe's data, its tokenizer or a model that it reads was changed. A run resumes only with what it was started with, or its figures would mean nothing; put the files back as they were, or start a new run in another folder.");
    }

    private static void RequireSameRecipe(string path, string yaml)
    {
        if (!File.Exists(path)) throw new InvalidDataException($"{path}: missing; this is not the folder of a run. Start the run without --resume, in a new folder.");
        var was = File.ReadAllLines(path);
        var now = yaml.TrimEnd('\n').Split('\n');
        for (var i = 0; i < Math.Max(was.Length, now.Length); i++)
        {
            string before = was.ElementAtOrDefault(i) ?? "", after = now.ElementAtOrDefault(i) ?? "";
            if (before == after) continue;
            // A block that only one of them has moves all lines after it, so its neighbour there says nothing.
            var what = before.Length == 0 || !was.Skip(i).Any(line => KeyOf(line) == KeyOf(after)) ? $"without \"{after.Trim()}\" and is to be resumed with it"
                : after.Length == 0 || !now.Skip(i).Any(line => KeyOf(line) == KeyOf(before)) ? $"with \"{before.Trim()}\" and is to be resumed without it"
                : $"with \"{before.Trim()}\" and is to be resumed with \"{after.Trim()}\"";
            throw new InvalidDataException($"{path}:{i + 1}: the run was started {what}. A run resumes only with the recipe it was started with; for another one, choose another folder.");
        }

        // With its indentation; an item of a list is none, and as good as any other.
        static string KeyOf(string line) => line.TrimStart().StartsWith('-') ? "-" : line.Split(':')[0];
    }
}

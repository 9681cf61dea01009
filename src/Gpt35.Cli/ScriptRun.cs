using System.Text.Json;
using Gpt35.Data;

namespace Gpt35.Cli;

/// <summary>One command line of a script.</summary>
internal sealed record ScriptStep
{
    /// <summary>What the script says about it, line by line.</summary>
    public required IReadOnlyList<string> Remark { get; init; }
    /// <summary>The words after "gpt35".</summary>
    public required IReadOnlyList<string> Words { get; init; }
    public bool Done { get; init; }
    /// <summary>Wall time so far, interrupted attempts included.</summary>
    public double Seconds { get; init; }

    /// <summary>The value of --out.</summary>
    public string? Output => Words.SkipWhile(word => word != "--out").Skip(1).FirstOrDefault();
}

/// <summary>
/// Command lines run one after the other into one folder, whose <c>commands.json</c> remembers which are done, so that an interrupted
/// run goes on where it stopped.
/// </summary>
internal sealed class ScriptRun
{
    private const string ScriptName = "commands.txt", StateName = "commands.json";
    private static readonly string[] Stages = ["pretrain", "sft", "reward", "ppo"];
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    private readonly List<ScriptStep> steps;

    private ScriptRun(string folder, IEnumerable<ScriptStep> steps) => (Folder, this.steps) = (folder, [.. steps]);

    public string Folder { get; }

    /// <summary>Wall time so far.</summary>
    public double Seconds => steps.Sum(step => step.Seconds);

    /// <summary>
    /// Reads <c>commands.txt</c> of <paramref name="recipes"/>: one command line per line, {out}, {seed} and {recipes} filled in; lines
    /// that begin with # say what the next command is for.
    /// </summary>
    /// <exception cref="FileNotFoundException">There is no such script.</exception>
    public static ScriptRun Start(string folder, string recipes, int seed)
    {
        var script = RecipePath.Find(Path.Combine(recipes, ScriptName));
        var steps = new List<ScriptStep>();
        var remark = new List<string>();
        foreach (var line in File.ReadLines(script).Select(line => line.Trim()))
        {
            if (line.StartsWith('#')) remark.Add(line.TrimStart('#', ' '));
            else if (line.Length == 0) remark.Clear();
            else
            {
                // Filled in after the split: a path may hold a space.
                var words = System.CommandLine.Parsing.CommandLineParser.SplitCommandLine(line)
                    .Select(word => word.Replace("{out}", folder).Replace("{recipes}", recipes).Replace("{seed}", $"{seed}"));
                steps.Add(new ScriptStep { Remark = [.. remark], Words = [.. words] });
                remark.Clear();
            }
        }
        if (steps.Count == 0) throw new InvalidDataException($"{script} holds no command.");
        var run = new ScriptRun(folder, steps);
        run.Save();
        return run;
    }

    /// <summary>A run that was begun earlier.</summary>
    /// <exception cref="FileNotFoundException">The folder holds none.</exception>
    public static ScriptRun Reopen(string folder)
    {
        var path = Path.Combine(folder, StateName);
        if (!File.Exists(path))
            throw new FileNotFoundException($"{folder} holds no quickstart to go on with: there is no {StateName} in it. Start one without --resume.", path);
        try
        {
            return new ScriptRun(folder, JsonSerializer.Deserialize<ScriptStep[]>(File.ReadAllText(path), Json) ?? throw new JsonException("It is empty."));
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path} cannot be read: {e.Message} Start again with another --out.", e);
        }
    }

    /// <summary>Wall time so far in a folder that a script runs into; null for any other folder.</summary>
    public static double? SecondsSoFar(string folder) => File.Exists(Path.Combine(folder, StateName)) ? Reopen(folder).Seconds : null;

    public IEnumerable<ScriptStep> Remaining() => [.. steps.Where(step => !step.Done)];

    /// <summary>
    /// The words to run: with --resume where a stage left a checkpoint. What a command left half-made otherwise is deleted, if it lies
    /// in this run's folder.
    /// </summary>
    public IReadOnlyList<string> Prepare(ScriptStep step)
    {
        if (step.Output is not { } output || !Directory.Exists(output)) return step.Words;
        if (Stages.Contains(step.Words[0]) && Directory.Exists(Path.Combine(output, "checkpoints"))) return [.. step.Words, "--resume"];
        var inside = Path.GetRelativePath(Folder, output);
        if (inside != "." && !inside.StartsWith("..") && !Path.IsPathRooted(inside)) Directory.Delete(output, recursive: true);
        return step.Words;
    }

    /// <summary>Notes that a command took so long, to its end or until it was stopped.</summary>
    public void Took(ScriptStep step, double seconds, bool done)
    {
        var i = steps.FindIndex(s => s.Words.SequenceEqual(step.Words));
        steps[i] = step with { Done = done, Seconds = step.Seconds + seconds };
        Save();
    }

    private void Save() => AtomicFile.Write(Path.Combine(Folder, StateName), stream => JsonSerializer.Serialize(stream, steps, Json));
}

using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gpt35.Data;

namespace Gpt35.Training;

/// <summary>
/// The folder of one stage: recipe.yaml, metrics.jsonl, samples.jsonl, checkpoints/step-N/, model/, summary.json. It also keeps the one loop
/// that all stages run in, because stopping, saving and going on concern the folder and not the algorithm.
/// </summary>
internal sealed class RunFolder
{
    private const string RecipeFileName = "recipe.yaml", MetricsFileName = "metrics.jsonl", SummaryFileName = "summary.json";

    private readonly StageContext context;
    private readonly string stage;
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly string recipeYaml;
    private readonly double earlierSeconds;
    private readonly int firstStep;
    private long tokens;
    private double stepSeconds;

    private RunFolder(StageContext context, string stage, object recipe, (string Folder, CheckpointState State)? checkpoint)
    {
        this.context = context;
        this.stage = stage;
        recipeYaml = RecipeFile.ToYaml(recipe);
        RecipeHash = RecipeFile.Hash(recipe);
        if (checkpoint is var (folder, state))
        {
            CheckpointFolder = folder;
            firstStep = state.Step;
            tokens = state.Tokens;
            stepSeconds = state.StepSeconds;
            earlierSeconds = state.Seconds;
            Numbers = new OrderedDictionary<string, double>(state.Numbers);
        }
    }

    public string RecipeHash { get; }

    /// <summary>Checkpoint to go on from; null at the start of a run.</summary>
    public string? CheckpointFolder { get; }

    /// <summary>Figures of the stage; saved with every checkpoint and at the end.</summary>
    public OrderedDictionary<string, double> Numbers { get; } = [];

    public string ModelPath => In("model");

    public StageContext Context => context;

    /// <summary>Checks that the run may start, or finds where it goes on. The folder itself appears with the first step, so a missing data file leaves nothing behind.</summary>
    /// <exception cref="IOException">The folder exists and the run is not to be resumed.</exception>
    /// <exception cref="DirectoryNotFoundException">There is nothing to resume.</exception>
    /// <exception cref="InvalidDataException">The folder holds another run, a finished one, or a damaged checkpoint.</exception>
    public static RunFolder Open(StageContext context, string stage, object recipe)
    {
        var folder = context.RunFolder;
        if (!context.Resume)
        {
            if (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()))
                throw new IOException($"{folder}: this run folder exists. Go on with it with --resume, choose another folder, or delete it.");
            return new RunFolder(context, stage, recipe, null);
        }
        if (!Directory.Exists(folder)) throw new DirectoryNotFoundException($"{folder}: there is no such run to resume. Start it without --resume.");
        RequireSameRecipe(Path.Combine(folder, RecipeFileName), RecipeFile.ToYaml(recipe));
        if (File.Exists(Path.Combine(folder, SummaryFileName)))
            throw new InvalidDataException($"{folder}: this run is finished; its model is in {Path.Combine(folder, "model")}. There is nothing to resume.");
        var checkpoint = Checkpoint.Newest(Path.Combine(folder, "checkpoints"));
        context.Observer.Note(checkpoint is var (_, state) ? $"Resuming after step {state.Step}." : "No checkpoint was saved; starting from the first step.");
        return new RunFolder(context, stage, recipe, checkpoint);
    }

    /// <summary>Runs the steps that are left.</summary>
    /// <param name="totalSteps">Steps of the whole run.</param>
    /// <param name="checkpointEvery">Save every so many steps; 0 saves only on cancellation.</param>
    /// <param name="step">Does step 0, 1, … and returns its metrics, among them "tokens".</param>
    /// <param name="save">Writes models and optimizers into a folder.</param>
    /// <exception cref="OperationCanceledException">The run was cancelled; its state is saved.</exception>
    public void Loop(int totalSteps, int checkpointEvery, Func<int, OrderedDictionary<string, double>> step, Action<string> save)
    {
        using var metrics = Begin();
        for (var i = firstStep; ; i++)
        {
            if (context.Cancel.IsCancellationRequested)
            {
                var saved = SaveCheckpoint(i, save);
                throw new OperationCanceledException($"Stopped after step {i} of {totalSteps}; the state is saved in {saved}. Go on with --resume.", context.Cancel);
            }
            if (i == totalSteps) return;
            if (checkpointEvery > 0 && i > firstStep && i % checkpointEvery == 0) SaveCheckpoint(i, save);
            var started = clock.Elapsed.TotalSeconds;
            var found = step(i);
            var seconds = clock.Elapsed.TotalSeconds - started;
            tokens += (long)found["tokens"];
            stepSeconds += seconds;
            found["seconds"] = Math.Round(seconds, 4);
            found["tokens_per_second"] = Math.Round(found["tokens"] / seconds, 1);
            metrics.WriteLine(JsonFiles.Line(JsonFiles.Row(i + 1, found)));
            context.Observer.Step(i + 1, found);
        }
    }

    /// <summary>Writes samples.jsonl.</summary>
    public void WriteSamples(IEnumerable<JsonObject> rows) =>
        AtomicFile.Write(In("samples.jsonl"), stream =>
        {
            foreach (var row in rows) stream.Write(Encoding.UTF8.GetBytes(JsonFiles.Line(row) + "\n"));
        });

    /// <summary>Writes summary.json, which marks the run as finished; the model must be in place.</summary>
    /// <param name="steps">Steps of the whole run.</param>
    /// <param name="headline">One line on what the stage reached.</param>
    /// <param name="series">Lists by name, for histograms.</param>
    public StageSummary Finish(int steps, string headline, IReadOnlyDictionary<string, double[]>? series = null)
    {
        var summary = new StageSummary
        {
            Stage = stage,
            Model = ModelPath,
            Steps = steps,
            Seconds = Math.Round(TotalSeconds, 3),
            Tokens = tokens,
            TokensPerSecond = Math.Round(tokens / Math.Max(stepSeconds, 1e-9), 1),
            Numbers = Numbers,
            Series = series ?? new Dictionary<string, double[]>(),
        };
        JsonFiles.Write(In(SummaryFileName), Flat(summary));
        context.Observer.Note(headline);
        context.Observer.Finished(summary);
        return summary;
    }

    private double TotalSeconds => earlierSeconds + clock.Elapsed.TotalSeconds;

    private string In(string name) => Path.Combine(context.RunFolder, name);

    /// <summary>The figures of the stage stand beside its seconds and tokens, so that a reader needs one level only.</summary>
    private static JsonObject Flat(StageSummary summary)
    {
        var json = JsonSerializer.SerializeToNode(summary, JsonFiles.Indented)!.AsObject();
        json.Remove("numbers");
        json.Remove("series");
        foreach (var (name, value) in summary.Numbers)
            if (double.IsFinite(value)) json[name] = value;
        foreach (var (name, values) in summary.Series) json[name] = new JsonArray([.. values.Select(value => (JsonNode)value)]);
        return json;
    }

    private StreamWriter Begin()
    {
        Directory.CreateDirectory(context.RunFolder);
        AtomicFile.Write(In(RecipeFileName), stream => stream.Write(Encoding.UTF8.GetBytes(recipeYaml)));
        CutMetrics(In(MetricsFileName), firstStep);
        return new StreamWriter(In(MetricsFileName), append: true, new UTF8Encoding(false)) { AutoFlush = true, NewLine = "\n" };
    }

    private string SaveCheckpoint(int step, Action<string> save)
    {
        var state = new CheckpointState
        {
            Stage = stage,
            Step = step,
            RecipeHash = RecipeHash,
            Tokens = tokens,
            Seconds = TotalSeconds,
            StepSeconds = stepSeconds,
            Numbers = new Dictionary<string, double>(Numbers),
        };
        var path = Checkpoint.Write(In("checkpoints"), state, save);
        context.Observer.Note($"Saved {path}.");
        return path;
    }

    private static void RequireSameRecipe(string path, string yaml)
    {
        if (!File.Exists(path)) throw new InvalidDataException($"{path}: missing; this is not the folder of a run. Start the run without --resume, in a new folder.");
        var was = File.ReadAllLines(path);
        var now = yaml.TrimEnd('\n').Split('\n');
        for (var i = 0; i < Math.Max(was.Length, now.Length); i++)
        {
            string before = was.ElementAtOrDefault(i) ?? "", after = now.ElementAtOrDefault(i) ?? "";
            if (before != after)
                throw new InvalidDataException(
                    $"{path}:{i + 1}: the run was started with \"{before.Trim()}\" and is to be resumed with \"{after.Trim()}\". A run resumes only with the recipe it was started with; for another one, choose another folder.");
        }
    }

    /// <summary>Drops the lines of steps that were done after the checkpoint, and a last line cut short: they are done again.</summary>
    private static void CutMetrics(string path, int steps)
    {
        if (!File.Exists(path)) return;
        var kept = File.ReadLines(path).TakeWhile(line => StepOf(line) is { } step && step <= steps).ToList();
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(string.Concat(kept.Select(line => line + "\n")))));
    }

    private static int? StepOf(string line)
    {
        try
        {
            using var row = JsonDocument.Parse(line);
            return row.RootElement.GetProperty("step").GetInt32();
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

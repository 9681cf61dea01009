using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gpt35.Data;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>
/// The folder of one stage: recipe.yaml, metrics.jsonl, samples.jsonl, checkpoints/step-N/, model/, summary.json. It also keeps the one loop
/// that all stages run in, because stopping, saving and going on concern the folder and not the algorithm.
/// </summary>
internal sealed partial class RunFolder : IDisposable
{
    private const string RecipeFileName = "recipe.yaml", MetricsFileName = "metrics.jsonl", SamplesFileName = "samples.jsonl", SummaryFileName = "summary.json", LockFileName = "run.lock";
    private const string BestStep = "best_step", BestLoss = "best_heldout_loss", WithoutGain = "evaluations_without_gain", SkippedSteps = "skipped_steps";

    private readonly StageContext context;
    private readonly string stage;
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly string recipeYaml;
    private readonly double earlierSeconds;
    private readonly int firstStep;
    private readonly string? earlierData;
    private FileStream? lockFile;
    private long tokens;
    private double stepSeconds;

    private RunFolder(StageContext context, string stage, object recipe, FileStream? lockFile, (string Folder, CheckpointState State)? checkpoint)
    {
        this.context = context;
        this.stage = stage;
        this.lockFile = lockFile;
        recipeYaml = RecipeFile.ToYaml(recipe);
        RecipeHash = RecipeFile.Hash(recipe);
        if (checkpoint is var (folder, state))
        {
            CheckpointFolder = folder;
            firstStep = state.Step;
            earlierData = state.DataHash;
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

    private Ranks Ranks => context.Ranks;

    /// <summary>Runs the steps that are left: measures, saves and stops as the options say, and leaves the model as the final one is to be.</summary>
    /// <param name="totalSteps">Steps of the whole run.</param>
    /// <param name="options">When to measure, to save and to stop.</param>
    /// <param name="work">The stage's own part.</param>
    /// <returns>Steps done, fewer than all when the run stopped early.</returns>
    /// <exception cref="OperationCanceledException">The run was cancelled; its state is saved.</exception>
    /// <exception cref="InvalidDataException">The run to resume was on other data.</exception>
    public int Loop(int totalSteps, StageOptions options, StageWork work)
    {
        RequireSameData(work.Data);
        using var metrics = Begin();
        var isBest = false;
        for (var i = firstStep; ; i++)
        {
            if (Ranks.Any(context.Cancel.IsCancellationRequested))
            {
                var saved = SaveCheckpoint(i, options, work, metrics);
                throw new OperationCanceledException($"Stopped after step {i} of {totalSteps}; the state is saved in {saved}. Go on with --resume.", context.Cancel);
            }
            if (isBest || (i < totalSteps && options.CheckpointEvery > 0 && i > firstStep && i % options.CheckpointEvery == 0))
                SaveCheckpoint(i, options, work, metrics);
            if (i == totalSteps || IsExhausted(options))
            {
                if (i < totalSteps) context.Observer.Note($"Stopped early after step {i} of {totalSteps}: no gain in {options.EarlyStopping!.Patience} evaluations.");
                Conclude(i, options, work);
                return i;
            }
            var started = clock.Elapsed.TotalSeconds;
            var found = work.Step(i);
            var seconds = clock.Elapsed.TotalSeconds - started;
            tokens += (long)found["tokens"];
            stepSeconds += seconds;
            CountSkips(i, work, found);
            isBest = options.EvalEvery > 0 && (i + 1) % options.EvalEvery == 0 && work.Evaluate is not null && Evaluate(i + 1, options, work, found) && options.KeepBest;
            found["seconds"] = Math.Round(seconds, 4);
            found["tokens_per_second"] = Math.Round(found["tokens"] / seconds, 1);
            if (metrics is not null) OrSayHowToGoOn(In(MetricsFileName), () => metrics.Write(Encoding.UTF8.GetBytes(JsonFiles.Line(JsonFiles.Row(i + 1, found)) + "\n")));
            context.Observer.Step(i + 1, found);
        }
    }

    /// <summary>Writes the finished model, and its average beside it where that is wanted besides.</summary>
    /// <param name="model">The model as <see cref="Loop"/> left it.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="card">The card of whatever weights the model has when called.</param>
    /// <param name="optimizer">The model's optimizer.</param>
    /// <param name="options">The stage's options.</param>
    public void SaveModel(ITrainableModel model, Tokenizer tokenizer, Func<ModelCard> card, Optimizer optimizer, StageOptions options)
    {
        Save(ModelPath);
        if (options.Ema is { Use: false })
            optimizer.WithAverage(() => Save(In("model-ema")));

        bool Save(string path)
        {
            var written = card();
            if (Ranks.IsFirst) OrSayHowToGoOn(path, () => ModelFolder.Save(path, model, tokenizer, written));
            return Ranks.IsFirst;
        }
    }

    public void Dispose() => lockFile?.Dispose();

    /// <summary>Writes samples.jsonl.</summary>
    public void WriteSamples(IEnumerable<JsonObject> rows)
    {
        if (!Ranks.IsFirst) return;
        var text = Encoding.UTF8.GetBytes(string.Concat(rows.Select(row => JsonFiles.Line(row) + "\n")));
        OrSayHowToGoOn(In(SamplesFileName), () => AtomicFile.Write(In(SamplesFileName), stream => stream.Write(text)));
    }

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
        if (Ranks.IsFirst) OrSayHowToGoOn(In(SummaryFileName), () => JsonFiles.Write(In(SummaryFileName), Flat(summary)));
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

    private FileStream? Begin()
    {
        if (!Ranks.IsFirst) return null;
        Directory.CreateDirectory(context.RunFolder);
        if (lockFile is null)
        {
            lockFile = Lock(context.RunFolder);
            // Another process may have come and gone while the data were read.
            if (File.Exists(In(RecipeFileName))) throw new IOException($"{context.RunFolder}: this run folder exists by now: another process has begun a run in it. Choose another folder.");
        }
        FileStream? metrics = null;
        OrSayHowToGoOn(context.RunFolder, () =>
        {
            AtomicFile.Write(In(RecipeFileName), stream => stream.Write(Encoding.UTF8.GetBytes(recipeYaml)));
            CutMetrics(In(MetricsFileName), firstStep);
            // Without a buffer, so that a line that finds no room is not tried once more, and complained of in other words, when the file is closed.
            metrics = new FileStream(In(MetricsFileName), FileMode.Append, FileAccess.Write, FileShare.Read, 0);
        });
        return metrics;
    }

    private string SaveCheckpoint(int step, StageOptions options, StageWork work, FileStream? metrics)
    {
        var checkpoints = In("checkpoints");
        var path = Checkpoint.FolderOf(checkpoints, step);
        if (!Ranks.IsFirst)
        {
            work.Save(null);
            return path;
        }
        var state = new CheckpointState
        {
            Stage = stage,
            Step = step,
            RecipeHash = RecipeHash,
            Tokens = tokens,
            Seconds = TotalSeconds,
            StepSeconds = stepSeconds,
            Numbers = new Dictionary<string, double>(Numbers),
            DataHash = work.Data,
        };
        OrSayHowToGoOn(path, () =>
        {
            // The lines of the steps before it must not be younger than the checkpoint.
            metrics!.Flush(flushToDisk: true);
            Checkpoint.Write(checkpoints, state, work.Save, options.Keep, options.KeepBest && Numbers.TryGetValue(BestStep, out var best) ? (int)best : null);
        });
        context.Observer.Note($"Saved {path}.");
        return path;
    }

    /// <exception cref="IOException">The disk is full or fails.</exception>
    private void OrSayHowToGoOn(string path, Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var saved = Checkpoint.Any(In("checkpoints")) ? "The checkpoints before are whole; make room and go on with --resume." : "No checkpoint was saved yet; make room and start again with --resume.";
            throw new IOException($"{path}: cannot be written: {e.Message.TrimEnd('.')}. {saved}", e);
        }
    }

    /// <summary>Measures, remembers the best figure and how long ago it was, and says whether this is the best one.</summary>
    private bool Evaluate(int step, StageOptions options, StageWork work, OrderedDictionary<string, double> metrics)
    {
        var found = options.Ema is { Use: true } ? work.Optimizers[0].WithAverage(work.Evaluate!) : work.Evaluate!();
        foreach (var (name, figure) in found.Metrics) metrics[name] = figure;
        if (!options.KeepBest && options.EarlyStopping is null) return false;
        var best = Numbers.TryGetValue(BestLoss, out var before) ? before : double.PositiveInfinity;
        Numbers[WithoutGain] = found.Loss < best - (options.EarlyStopping?.MinGain ?? 0) ? 0 : Numbers.GetValueOrDefault(WithoutGain) + 1;
        if (!(found.Loss < best)) return false;
        Numbers[BestLoss] = found.Loss;
        Numbers[BestStep] = step;
        return true;
    }

    private bool IsExhausted(StageOptions options) =>
        options.EarlyStopping is { } stopping && Numbers.TryGetValue(WithoutGain, out var without) && without >= stopping.Patience;

    /// <summary>Makes the model what the final one is to be: the best measured one, the average.</summary>
    private void Conclude(int steps, StageOptions options, StageWork work)
    {
        if (options.KeepBest && Numbers.TryGetValue(BestStep, out var best) && (int)best != steps)
        {
            Ranks.Barrier();                                                       // the first rank may still be writing
            work.Load(Checkpoint.FolderOf(In("checkpoints"), (int)best));
            context.Observer.Note($"The best held-out figure was that of step {best}; the final model is the one of that step.");
        }
        if (options.Ema is { Use: true }) work.Optimizers[0].SwapAverage();
    }

    private void CountSkips(int step, StageWork work, OrderedDictionary<string, double> metrics)
    {
        if (work.Optimizers[0].Skipped is null) return;
        var skipped = work.Optimizers.Sum(optimizer => optimizer.Skipped ?? 0);
        metrics["skipped"] = skipped - Numbers.GetValueOrDefault(SkippedSteps);
        if (metrics["skipped"] > 0) context.Observer.Note($"Step {step + 1}: loss or gradient norm far above the last steps; skipped ({skipped} so far).");
        Numbers[SkippedSteps] = skipped;
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
            return row.RootElement is { ValueKind: JsonValueKind.Object } fields && fields.TryGetProperty("step", out var step)
                && step.ValueKind == JsonValueKind.Number && step.TryGetInt32(out var number) ? number : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

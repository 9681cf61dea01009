using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 bench [PRESET|MODEL]</c>: how fast this machine reads a prompt and writes text, in every precision.</summary>
internal static class BenchVerb
{
    private const int LongestPrompt = 512, LongestAnswer = 64;
    private static readonly int[] Batches = [1, 8, 32];
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    /// <param name="Dtype">How the weights are held.</param>
    /// <param name="Kernel">What multiplies with them.</param>
    /// <param name="Mebibytes">Memory of the weights.</param>
    /// <param name="Prefill">Prompt tokens per second, one prompt.</param>
    /// <param name="Decode">Tokens per second in all, for each number of sequences at once.</param>
    private sealed record Result(string Dtype, string Kernel, double Mebibytes, double Prefill, IReadOnlyDictionary<int, double> Decode);

    public static Command Create(Session session)
    {
        var subject = new Argument<string>("what") { Description = "A preset by name, with random weights, or a model.", DefaultValueFactory = _ => "gpt2-124m" };
        var dtypes = new Option<string[]>("--dtype") { Description = "Precisions of the weights; all when left out.", HelpName = "f32|bf16|int8|int4" };
        dtypes.OneOf([.. Enum.GetValues<WeightPrecision>().Select(WeightsArgument.Name)]);
        var rounds = new Option<int>("--rounds") { Description = "Measurements of each; the median is printed." }.WithDefault(3).AtLeast(1);
        var json = new Option<bool>("--json") { Description = "One JSON object per precision." };
        var command = new Command("bench", "Measure how fast this machine reads and writes with a model.") { subject, dtypes, rounds, json };
        command.SetAction(parsed =>
        {
            using var pool = Session.OpenPool(parsed);
            var asked = parsed.GetValue(dtypes) ?? [];
            var kernels = new List<string>();
            foreach (var precision in Enum.GetValues<WeightPrecision>().Where(precision => asked.Length == 0 || asked.Contains(WeightsArgument.Name(precision))))
            {
                using var model = Open(parsed.GetRequiredValue(subject), precision, pool);
                if (kernels.Count == 0 && !parsed.GetValue(json)) WriteHeader(session, model, pool);
                var result = Measure(model, parsed.GetValue(rounds), session.Cancel);
                Write(session, result, parsed.GetValue(json));
                kernels.Add($"{result.Dtype,-6} {result.Kernel}");
            }
            // Under the table and not in it: with them a row would not fit into 80 columns.
            if (!parsed.GetValue(json)) session.Out.WriteLine("\n" + string.Join('\n', kernels));
            return ExitCode.Done;
        });
        return command;
    }

    private static Decoder Open(string name, WeightPrecision precision, WorkerPool pool)
    {
        if (ModelPreset.Find(name) is { } preset) return Decoder.CreateRandom(preset.Config, precision, seed: 1, pool);
        if (!Path.Exists(name))
            throw new UsageException(UsageErrors.Nearest(name, ModelPreset.All.Select(known => known.Name)) is { } near
                ? $"{name}: no such model or preset. Did you mean '{near}'? 'gpt35 plan' lists the presets."
                : $"{name}: no such model or preset. 'gpt35 plan' lists the presets.");
        var folder = Models.OpenLanguageModel(name, pool, precision);
        return folder.Model;
    }

    private static Result Measure(Decoder model, int rounds, CancellationToken cancel)
    {
        int answer = Math.Clamp(model.Config.MaxPositionEmbeddings / 4, 1, LongestAnswer), prompt = Math.Max(1, Math.Min(LongestPrompt, model.Config.MaxPositionEmbeddings - answer));
        var prefill = Median(rounds, () => EngineSpeed.Prefill(model, prompt), cancel);
        var decode = Batches.ToDictionary(batch => batch, batch => Median(rounds, () => EngineSpeed.Decode(model, batch, answer), cancel));
        return new Result(WeightsArgument.Name(model.Precision), DotTiers.KernelName(model.Precision), model.WeightBytes / 1048576.0, prefill, decode);
    }

    /// <summary>The first measurement is left out: it compiles and touches memory.</summary>
    private static double Median(int rounds, Func<double> measure, CancellationToken cancel)
    {
        measure();
        var found = new double[rounds];
        for (var i = 0; i < rounds; i++)
        {
            cancel.ThrowIfCancellationRequested();
            found[i] = measure();
        }
        Array.Sort(found);
        return found[rounds / 2];
    }

    private static void WriteHeader(Session session, Decoder model, WorkerPool pool)
    {
        var config = model.Config;
        session.Out.WriteLine($"{config.NumHiddenLayers} layers of {config.HiddenSize}, vocabulary {config.VocabSize}, {pool.Threads} threads; tokens per second in all");
        session.Out.WriteLine($"{"dtype",-6} {"MiB",8} {"prefill",9} {string.Join(' ', Batches.Select(batch => $"{$"decode {batch}",10}"))}");
    }

    private static void Write(Session session, Result result, bool json) => session.Out.WriteLine(json
        ? JsonSerializer.Serialize(result, Json)
        : string.Create(CultureInfo.InvariantCulture, $"{result.Dtype,-6} {result.Mebibytes,8:0.0} {result.Prefill,9:0} {string.Join(' ', result.Decode.Values.Select(speed => speed.ToString("0", CultureInfo.InvariantCulture).PadLeft(10)))}"));
}

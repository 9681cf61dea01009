using System.CommandLine;
using Gpt35.Cli.Terminal;
using Gpt35.Model;
using Gpt35.Training;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 plan RECIPE.yaml|PRESET|MODEL</c>: memory, operations, time and cost before anything runs.</summary>
internal static class PlanVerb
{
    public static Command Create(Session session)
    {
        var subject = new Argument<string?>("what") { Description = "A recipe (.yaml), a preset by name, or a model folder; left out, the presets are listed.", Arity = ArgumentArity.ZeroOrOne };
        var set = new Option<string[]>("--set") { Description = "Override a value of the recipe: --set init=gpt3-125m.", HelpName = "key=value" };
        var batch = new Option<int?>("--batch") { Description = "Sequences in one pass, and generated at once (1 for a preset or a model; a recipe says itself)." }.AtLeast(1);
        var context = new Option<int?>("--context") { Description = "Tokens of the longest sequence; the model's context when left out." }.AtLeast(2);
        var dtype = new Option<string?>("--dtype") { Description = "What is multiplied in: fp32 or bf16.", HelpName = "fp32|bf16" };
        dtype.AcceptOnlyFromAmong("fp32", "bf16");
        var machine = new Option<string?>("--machine") { Description = $"Instead of this one: {string.Join(", ", Machine.Known.Select(known => known.Name))}." };
        var devices = new Option<int>("--devices") { Description = "How many of them share the work." }.WithDefault(1).AtLeast(1);
        var price = new Option<double?>("--price") { Description = "What one of them costs per hour." }.AtLeast(0.0);
        var tokens = new Option<double?>("--tokens") { Description = "Tokens of training, such as 3e9." }.AtLeast(1.0);
        var json = new Option<bool>("--json") { Description = "Everything as one JSON object." };
        var command = new Command("plan", "Parameters, memory, operations, time and cost before anything runs.") { subject, set, batch, context, dtype, machine, devices, price, tokens, json };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(subject) is not { } name)
            {
                PlanText.WritePresets(session.Out);
                return ExitCode.Done;
            }
            var (title, preset, work) = Find(name, parsed.GetValue(set) ?? []);
            work = Adjust(work, parsed.GetValue(batch), parsed.GetValue(context), parsed.GetValue(dtype), parsed.GetValue(tokens));
            var chosen = parsed.GetValue(machine) is { } known ? Machine.Get(known) : Measure(parsed, work);
            var report = new PlanReport(title, preset, Training.Plan.Of(work), chosen, parsed.GetValue(devices), parsed.GetValue(price));
            if (parsed.GetValue(json)) session.Out.WriteLine(PlanJson.Of(report));
            else PlanText.Write(session.Out, report);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>A file is a recipe, a folder a model, anything else the name of a preset.</summary>
    private static (string Title, ModelPreset? Preset, Workload Work) Find(string name, IReadOnlyList<string> overrides)
    {
        if (name.EndsWith(".yaml", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".yml", StringComparison.OrdinalIgnoreCase) || File.Exists(name))
            return (name, null, RecipeWorkload.Read(RecipePath.Find(name), overrides));
        if (overrides.Count > 0) throw new UsageException($"--set changes a recipe, and {name} is none.");
        if (Directory.Exists(name)) return (name, null, OfModel(ModelFolder.LoadCard(Models.Find(name)).Config, double.NaN));
        var preset = ModelPreset.Find(name) ?? throw new UsageException(UsageErrors.Nearest(name, ModelPreset.All.Select(known => known.Name)) is { } near
            ? $"{name}: no such recipe, model folder or preset. Did you mean '{near}'? 'gpt35 plan' lists the presets."
            : $"{name}: no such recipe, model folder or preset. 'gpt35 plan' lists the presets.");
        return (name, preset, OfModel(preset.Config, preset.Training?.Tokens ?? double.NaN));
    }

    private static Workload OfModel(ModelConfig config, double tokens) => new()
    {
        Kind = WorkloadKind.Model,
        Model = config,
        Context = config.MaxPositionEmbeddings,
        MicroTokens = config.MaxPositionEmbeddings,
        Tokens = tokens,
        Slots = 1,
    };

    private static Workload Adjust(Workload work, int? batch, int? context, string? dtype, double? tokens)
    {
        if (context > work.Model.MaxPositionEmbeddings && work.Model.PositionEncoding == PositionEncoding.Learned)
            throw new UsageException($"--context is {context}; the model has {work.Model.MaxPositionEmbeddings} learned positions.");
        if (tokens is not null && work.Rollouts is not null) throw new UsageException("--tokens is for training on text; what PPO computes follows from the recipe's rollouts.");
        work = work with { Context = context ?? work.Context, Format = dtype switch { "fp32" => Dtype.Fp32, "bf16" => Dtype.Bf16, _ => work.Format }, Tokens = tokens ?? work.Tokens };
        if (work.Kind == WorkloadKind.Model) work = work with { MicroTokens = (batch ?? 1) * work.Context, Slots = batch ?? 1 };
        else if (batch is { } sequences) work = work with { MicroTokens = sequences * work.Context };
        return work;
    }

    private static Machine Measure(ParseResult parsed, Workload work)
    {
        using var pool = Session.OpenPool(parsed);
        return MachineProbe.Measure(work.Model, work.PassTokens, pool, format: work.KeepsFormat ? Dtype.Fp32 : work.Format);
    }
}

using System.Globalization;
using Gpt35.Model;
using Gpt35.Training;

namespace Gpt35.Cli.Terminal;

/// <summary>A plan as a page of at most 80 columns.</summary>
internal static class PlanText
{
    private const int Width = 80, NameWidth = 21, ColumnWidth = 11;
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    public static void Write(TextWriter output, PlanReport report)
    {
        WriteModel(output, report);
        WriteMemory(output, report);
        WriteCompute(output, report);
        foreach (var note in report.Plan.Work.Notes) Wrap(output, "Note: " + note);
    }

    /// <summary>Names, sizes and sources of all presets.</summary>
    public static void WritePresets(TextWriter output)
    {
        output.WriteLine($"{"preset",-21}{"parameters",17}{"layers",8}{"width",7}{"context",9}{"vocabulary",12}");
        foreach (var preset in ModelPreset.All)
        {
            var (c, assumed) = (preset.Config, preset.Shape is ShapeSource.Assumed);
            output.WriteLine(string.Create(Invariant, $"{preset.Name,-21}{preset.ParameterCount,17:N0}{c.NumHiddenLayers,8}{c.HiddenSize,7}{c.MaxPositionEmbeddings,9}{c.VocabSize,12}{(assumed ? " *" : "")}"));
        }
        output.WriteLine("* depth and width were never published and are an assumption.");
        output.WriteLine("Plan one with 'gpt35 plan NAME', train one with model: {preset: NAME}.");
    }

    private static void WriteModel(TextWriter output, PlanReport report)
    {
        var (c, kind) = (report.Plan.Work.Model, report.Plan.Work.Kind);
        Wrap(output, string.Create(Invariant, $"{report.Title}{(kind == WorkloadKind.Model ? "" : $" ({kind.ToString().ToLowerInvariant()})")}: {report.Parameters:N0} parameters"));
        var heads = c.NumKeyValueHeads == c.NumAttentionHeads ? "" : $" ({c.NumKeyValueHeads} of keys and values)";
        var window = c.SlidingWindow is { } w ? $", attention window {w}{(c.SlidingWindowPattern > 0 ? " in all but every " + Ordinal(c.SlidingWindowPattern) + " layer" : "")}" : "";
        Wrap(output, $"{c.NumHiddenLayers} layers, width {c.HiddenSize}, {c.NumAttentionHeads} heads of {c.HeadDim}{heads}, feed-forward {c.IntermediateSize}, "
            + $"context {c.MaxPositionEmbeddings}, vocabulary {c.VocabSize}{window}.");
        if (report.Preset is not { } preset) return;
        Wrap(output, preset.Shape switch
        {
            ShapeSource.Published published => $"Shape: {published.Where}{(published.Note is null ? "" : $" ({published.Note})")}.",
            ShapeSource.Assumed assumed => $"Shape: ASSUMED, it was never published; {assumed.Why}.",
            _ => "Shape: ours, for machines without an accelerator.",
        });
        if (preset.Tokenizer is { } tokenizer) output.WriteLine($"Tokenizer: {tokenizer}{(preset.ChatFormat is { } format ? $"; chat format: {format}" : "")}.");
        if (preset.Api is { } api)
            Wrap(output, string.Create(Invariant, $"As served: {api.ContextTokens:N0} tokens of context{(api.MaxOutputTokens is { } most ? $", answers of at most {most:N0}" : "")}; {Words(api.Features)}."));
    }

    private static void WriteMemory(TextWriter output, PlanReport report)
    {
        var (plan, work) = (report.Plan, report.Plan.Work);
        var sum = work.Kind != WorkloadKind.Model && plan.Models.Count > 1;
        var columns = plan.Models.Select(model => (model.Role, model.Memory)).ToList();
        if (sum) columns.Add(("total", plan.Models.Select(model => model.Memory).Aggregate((a, b) => a + b)));
        output.WriteLine();
        output.WriteLine(Row($"Memory, {work.Kept.ToString().ToLowerInvariant()}", columns.Select(column => column.Role)));
        Part("weights", memory => memory.Weights);
        Part("gradients", memory => memory.Gradients);
        Part("optimizer", memory => memory.Optimizer);
        Part("activations", memory => memory.Activations);
        Part("key/value cache", memory => memory.KvCache);
        Part("in all", memory => memory.Total);
        Wrap(output, Conditions(plan));
        output.WriteLine(report.Fits
            ? $"Fits: {report.Machine.Name} has {Bytes(report.Machine.MemoryBytes)}."
            : $"Does not fit: {report.Machine.Name} has {Bytes(report.Machine.MemoryBytes)}, {Bytes(plan.TotalMemory)} are needed. What would help:");
        foreach (var suggestion in report.Suggestions)
            output.WriteLine($"  {Bytes(suggestion.Bytes),10}  {(suggestion.Bytes <= report.Machine.MemoryBytes ? "fits    " : "too much")}  {suggestion.What}");

        void Part(string name, Func<MemoryUse, long> part)
        {
            if (columns.Any(column => part(column.Memory) > 0))
                output.WriteLine(Row("  " + name, columns.Select(column => part(column.Memory) is var bytes and > 0 ? Bytes(bytes) : "")));
        }
    }

    /// <summary>What the memory depends on: the length of a pass, generation, adapters.</summary>
    private static string Conditions(Plan plan)
    {
        var work = plan.Work;
        var text = string.Create(Invariant, $"Passes of {work.PassTokens:N0} tokens");
        if (work.Slots > 0) text += string.Create(Invariant, $"; {work.Slots} {(work.Slots == 1 ? "sequence" : "sequences")} of {work.Context:N0} generated at once");
        if (work.Lora is { } lora)
            text += string.Create(Invariant, $"; adapters of rank {lora.Rank} on {string.Join(", ", lora.Targets.Select(LoraConfig.NameOf))}, {plan.Models.Sum(model => model.Trained):N0} trained parameters");
        return text + ".";
    }

    private static void WriteCompute(TextWriter output, PlanReport report)
    {
        var (plan, machine) = (report.Plan, report.Machine);
        output.WriteLine();
        output.WriteLine(string.Create(Invariant, $"Operations per token: {Short(plan.ForwardFlops)} forward, {Short(plan.TrainingFlops)} in training"));
        var of = report.Devices == 1 ? machine.Name : $"{report.Devices} × {machine.Name}";
        Wrap(output, string.Create(Invariant, $"Time on {of} ({machine.Description}; {100 * machine.Utilisation:F0} % of {Short(machine.Sustained(plan.Work.Format) / machine.Utilisation)} operations per second assumed for whole steps):"));
        if (report.Trainings().Any()) output.WriteLine($"{"tokens",8}{"operations",12}{"PF-days",9}{"time",13}{(report.Price is null ? "" : "cost"),13}".TrimEnd());
        else output.WriteLine("  unknown, because the number of tokens is; give it with --tokens.");
        foreach (var (what, tokens, flops) in report.Trainings())
        {
            var seconds = report.Seconds(flops);
            var cost = report.Cost(seconds) is { } amount ? amount.ToString(amount < 100 ? "N2" : "N0", Invariant) : "";
            output.WriteLine($"{Short(tokens),8}{Operations(flops)}{Duration(seconds),13}{cost,13}  {what}");
        }
        if (report.Preset?.Training is { } published)
            output.WriteLine($"{Short(published.Tokens),8}{Operations(ComputeCost.PaperTraining(report.Parameters, published.Tokens))}{"",26}  by 6 per parameter");
        if (plan.Work.Kind == WorkloadKind.Model)
            output.WriteLine(string.Create(Invariant, $"Generation reads every weight for each token: {Bytes(plan.Models[^1].Memory.Weights)} per step."));
    }

    private static string Row(string name, IEnumerable<string> cells) => (name.PadRight(NameWidth) + string.Concat(cells.Select(cell => cell.PadLeft(ColumnWidth)))).TrimEnd();

    /// <summary>1.5 KiB, 12.3 MiB, 4.90 GiB, 1.20 TiB.</summary>
    internal static string Bytes(long bytes)
    {
        var (value, unit) = ((double)bytes, 0);
        while (value >= 1000 && unit < 4) (value, unit) = (value / 1024, unit + 1);
        return value.ToString(value < 10 ? "F2" : value < 100 ? "F1" : "F0", Invariant) + " " + ((string[])["B", "KiB", "MiB", "GiB", "TiB"])[unit];
    }

    /// <summary>950, 12.5k, 3.20M, 300B, 1.5T; with E above.</summary>
    internal static string Short(double value)
    {
        if (double.IsNaN(value)) return "?";
        var unit = 0;
        while (value >= 999.5 && unit < 4) (value, unit) = (value / 1000, unit + 1);
        if (value >= 1000) return (value * 1e12).ToString("0.00E+0", Invariant);
        return value.ToString(unit == 0 ? "F0" : value < 10 ? "F2" : value < 100 ? "F1" : "F0", Invariant) + ((string[])["", "k", "M", "B", "T"])[unit];
    }

    /// <summary>42 s, 17 min, 3.2 h, 12 days, 1.3 years.</summary>
    internal static string Duration(double seconds) => seconds switch
    {
        < 99.5 => $"{seconds.ToString("F0", Invariant)} s",
        < 99.5 * 60 => $"{(seconds / 60).ToString("F0", Invariant)} min",
        < 48 * 3600 => $"{(seconds / 3600).ToString("F1", Invariant)} h",
        < 700 * 86400 => $"{(seconds / 86400).ToString("F0", Invariant)} days",
        _ => $"{(seconds / 86400 / 365.25).ToString("N0", Invariant)} years",
    };

    private static string Operations(double flops)
    {
        var days = flops / ComputeCost.PetaflopDay;
        return $"{flops.ToString("0.00E+0", Invariant),12}{days.ToString(days >= 100 ? "F0" : days >= 0.01 ? "F2" : "0.0E+0", Invariant),9}";
    }

    private static string Words(ApiFeatures features) => string.Join(", ", Enum.GetValues<ApiFeatures>().Where(feature => feature != ApiFeatures.None && features.HasFlag(feature)).Select(feature => feature switch
    {
        ApiFeatures.Insertion => "insertion (suffix)",
        ApiFeatures.ParallelTools => "parallel tools",
        ApiFeatures.JsonMode => "JSON mode",
        _ => feature.ToString().ToLowerInvariant(),
    }));

    private static string Ordinal(int n) => n switch { 2 => "second", 3 => "third", _ => $"{n}th" };

    private static void Wrap(TextWriter output, string text)
    {
        var line = "";
        foreach (var word in text.Split(' '))
        {
            if (line.Length + 1 + word.Length > Width && line.Length > 0)
            {
                output.WriteLine(line);
                line = "";
            }
            line = line.Length == 0 ? word : $"{line} {word}";
        }
        output.WriteLine(line);
    }
}

using System.CommandLine;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Cli;

/// <summary><c>--adapter</c> of the verbs that write text: an adapter beside the model's weights, which stay in whatever <c>--dtype</c> they are held.</summary>
internal sealed class AdapterArgument
{
    private readonly Option<string?> adapter = new("--adapter")
    {
        Description = "Adapter (LoRA) to use over MODEL, which is then its base: a folder, or the run folder of a stage with lora.",
        HelpName = "folder",
    };

    public void AddTo(Command command) => command.Options.Add(adapter);

    /// <summary>Opens a model that writes text, with the adapter that was asked for.</summary>
    /// <exception cref="InvalidDataException">One of the two gives scores, they do not fit each other, or one is not what its place asks for.</exception>
    public ModelFolder Open(Session session, ParseResult parsed, string model, WorkerPool pool, WeightPrecision precision)
    {
        if (parsed.GetValue(adapter) is not { } named) return Models.OpenLanguageModel(model, pool, precision);
        var (basePath, path) = (Models.Find(model), Models.Find(named, "an adapter's folder, or the run folder of a stage with lora"));
        if (AdapterFolder.IsOne(basePath))
            throw new UsageException($"{basePath} is an adapter itself, and --adapter goes over a base. Name the base, or make a whole model of the first one with 'gpt35 merge-lora'.");
        if (!AdapterFolder.IsOne(path)) throw new UsageException($"--adapter {path} is a whole model, not an adapter (it has no adapter_config.json). To use it, name it as the model.");
        using var whole = Models.OpenLanguageModel(basePath, pool, precision);
        var folder = Models.RequireLanguageModel(AdapterFolder.LoadOver(path, whole), path);
        if (AdapterFolder.OtherBase(path, basePath) is { } other && !parsed.GetValue<bool>(CommandLine.Quiet))
            session.Error.WriteLine($"{path} names {other} as its base, not {basePath}. The shapes are the same; if the weights are not, the text means little.");
        return folder;
    }
}

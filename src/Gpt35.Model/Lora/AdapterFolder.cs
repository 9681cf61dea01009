using Gpt35.Kernels;
using Gpt35.Tokenization;

namespace Gpt35.Model;

/// <summary>
/// An adapter as a folder that PEFT reads too: <c>adapter_config.json</c>, which names the base, and <c>adapter_model.safetensors</c> with A and B
/// of every target and always with the scalar head; beside them the tokenizer and gpt35.json, as in a model folder.
/// </summary>
public static class AdapterFolder
{
    private const string WeightsName = "adapter_model.safetensors";

    /// <summary>Whether a folder holds an adapter rather than a model.</summary>
    public static bool IsOne(string folder) => AdapterConfig.IsIn(folder);

    /// <summary>The folder of the base: as the adapter names it, relative to the current folder or to the adapter's own.</summary>
    /// <exception cref="DirectoryNotFoundException">It is not there.</exception>
    /// <exception cref="InvalidDataException">The adapter names none.</exception>
    public static string BaseOf(string folder)
    {
        var named = AdapterConfig.ReadBase(folder)
            ?? throw new InvalidDataException($"{Path.Combine(folder, AdapterConfig.FileName)}: no base_model_name_or_path; write the folder of the base there, or use 'gpt35 merge-lora BASE {folder} OUT'.");
        foreach (var candidate in (string[])[named, Path.Combine(folder, named)])
            if (Directory.Exists(candidate)) return Path.GetFullPath(candidate);
        throw new DirectoryNotFoundException($"{folder}: an adapter over {named}, which is not there. Put the base there, correct base_model_name_or_path in {AdapterConfig.FileName}, or use 'gpt35 merge-lora BASE {folder} OUT'.");
    }

    /// <summary>Reads an adapter over a base that is in memory.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <param name="over">The base; its weights are shared.</param>
    /// <param name="basePath">Where the base came from; null: not known.</param>
    /// <exception cref="InvalidDataException">A file is missing or wrong, or the adapter belongs to another base.</exception>
    public static LoraAdapter Load(string folder, ModelConfig over, string? basePath)
    {
        var lora = AdapterConfig.Read(folder, over);
        var path = Path.Combine(folder, WeightsName);
        if (!File.Exists(path)) throw new InvalidDataException($"{folder}: no {WeightsName}; an adapter's folder has {AdapterConfig.FileName} and {WeightsName}.");
        using var file = SafetensorsFile.Open(path);
        var config = over with { NumScalars = ScalarsOf(file) };
        RequireAll(path, file, LoraLayout.Parameters(config, lora));
        var adapter = LoraAdapter.CreateEmpty(config, lora, basePath);
        try
        {
            foreach (var parameter in adapter.Parameters.All) file.Tensors[parameter.Name].Read(0, adapter.Parameters.ValuesOf(parameter));
            return adapter;
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Reads an adapter for a base that is in memory, in whatever precision: for sequences of <see cref="ExtendBatch.Add"/>, where any number of adapters
    /// stand over one base, or for <see cref="Decoder.WithAdapter"/>. Only its shape ties an adapter to a base; see <see cref="OtherBase"/>.
    /// </summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <param name="over">The base.</param>
    /// <exception cref="InvalidDataException">A file is missing or wrong, the adapter belongs to a base of another shape, or the base is adapted itself.</exception>
    public static LoraAdapter Load(string folder, Decoder over)
    {
        if (!IsOne(folder)) throw new InvalidDataException($"{folder}: no {AdapterConfig.FileName}; expected the folder of an adapter, as a stage with 'lora' or PEFT writes it.");
        if (over.Adapter is { } first)
            throw new InvalidDataException($"{folder}: an adapter for a base, and the model it is to be used over is adapted itself{first.OverBase}. Name the base, or make a whole model of the other one first with 'gpt35 merge-lora'.");
        return Load(folder, over.Config, AdapterConfig.ReadBase(folder));
    }

    /// <summary>A base with an adapter beside it, its weights shared and held as they are; tokenizer and card are the adapter's where its folder has them.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <param name="over">The base, which the caller still disposes of.</param>
    /// <exception cref="InvalidDataException">As <see cref="Load(string, Decoder)"/>.</exception>
    public static ModelFolder LoadOver(string folder, ModelFolder over)
    {
        var adapter = Load(folder, over.Model);
        try
        {
            return new ModelFolder
            {
                Tokenizer = HasTokenizer(folder) ? Tokenizer.Load(folder) : over.Tokenizer,
                Card = ModelFolder.CardIn(folder) ?? over.Card,
                Model = over.Model.WithAdapter(adapter),
            };
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The base that an adapter names, where that is another one than <paramref name="basePath"/>: the numbers may then mean nothing, though the shape fits. A name that
    /// is no folder here, such as a hub's, counts as the same where its last part does.
    /// </summary>
    /// <returns>null: it names this one, or none.</returns>
    public static string? OtherBase(string folder, string basePath)
    {
        if (AdapterConfig.ReadBase(folder) is not { Length: > 0 } named) return null;
        string[] places = [FullPath(named), FullPath(Path.Combine(folder, named))];
        var own = FullPath(basePath);
        var isThere = places.Any(place => Directory.Exists(place) || File.Exists(place));
        return places.Contains(own) || !isThere && Path.GetFileName(places[0]) == Path.GetFileName(own) ? null : named;

        static string FullPath(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
    }

    /// <summary>What the adapter's gpt35.json says, or the base's where it has none.</summary>
    public static ModelCard CardOf(string folder, string basePath) => ModelFolder.CardIn(folder) ?? ModelFolder.LoadCard(basePath).Card;

    /// <summary>Reads an adapter with its base.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <param name="pool">Threads.</param>
    /// <param name="shared">A model over the same base, whose weights are then shared instead of read again; null: none.</param>
    internal static ModelFolder LoadWithBase(string folder, WorkerPool pool, (Decoder Model, string BasePath)? shared)
    {
        var basePath = BaseOf(folder);
        if (IsOne(basePath)) throw new InvalidDataException($"{folder}: an adapter over {basePath}, which is an adapter itself. Make a whole model of that one first with 'gpt35 merge-lora'.");
        var card = CardOf(folder, basePath);
        var tokenizer = Tokenizer.Load(HasTokenizer(folder) ? folder : basePath);
        if (shared is var (model, path) && Path.GetFullPath(path) == basePath)
            return new ModelFolder { Model = Over(model), Tokenizer = tokenizer, Card = card };
        using var stored = StoredModel.Open(basePath);
        using var whole = stored.Load(pool);
        return new ModelFolder { Model = Over(whole), Tokenizer = tokenizer, Card = card };

        Decoder Over(Decoder decoder)
        {
            var adapter = Load(folder, decoder.Config, basePath);
            try
            {
                return decoder.WithAdapter(adapter);
            }
            catch
            {
                adapter.Dispose();
                throw;
            }
        }
    }

    /// <summary>Shape of the adapted model, read from the configuration of the base and the header of the adapter.</summary>
    internal static ModelConfig ConfigOf(string folder)
    {
        var (config, _) = ModelFolder.LoadCard(BaseOf(folder));
        using var file = SafetensorsFile.Open(Path.Combine(folder, WeightsName));
        return config with { NumScalars = ScalarsOf(file) };
    }

    /// <summary>Writes adapter_config.json and adapter_model.safetensors into a folder that is there.</summary>
    internal static void WriteInto(string folder, LoraAdapter adapter)
    {
        ModelFolder.Write(folder, AdapterConfig.FileName, AdapterConfig.Write(adapter));
        SafetensorsWriter.WriteFile(Path.Combine(folder, WeightsName), [.. adapter.Parameters.All.Select(parameter => new TensorPart(parameter.Name, parameter.Shape, parameter))], TensorType.F32,
            (parameter, values) => adapter.Parameters.ValuesOf(parameter).CopyTo(values));
    }

    private static bool HasTokenizer(string folder) => File.Exists(Path.Combine(folder, "tokenizer.json")) || File.Exists(Path.Combine(folder, "tokenizer.model"));

    private static int ScalarsOf(SafetensorsFile file) => file.Tensors.TryGetValue(LoraLayout.Head, out var head) && head.Shape.Count == 2 ? (int)Math.Min(head.Shape[0], int.MaxValue) : 0;

    /// <summary>Every parameter with its shape and nothing else, so that neither a head nor a target is lost in silence.</summary>
    private static void RequireAll(string path, SafetensorsFile file, IReadOnlyList<Parameter> expected)
    {
        foreach (var parameter in expected)
        {
            var wanted = $"[{string.Join(", ", parameter.Shape)}]";
            if (!file.Tensors.TryGetValue(parameter.Name, out var tensor)) throw new InvalidDataException($"{path}: no tensor \"{parameter.Name}\"; expected it as {wanted}. Does the adapter belong to another base?");
            if (!tensor.Shape.SequenceEqual(parameter.Shape.Select(size => (long)size))) throw new InvalidDataException($"{path}: tensor \"{parameter.Name}\" is {tensor}; expected {wanted}. Does the adapter belong to another base?");
        }
        var names = expected.Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal);
        if (file.Tensors.Keys.FirstOrDefault(name => !names.Contains(name)) is { } extra)
            throw new InvalidDataException($"{path}: tensor \"{extra}\" is nothing that {AdapterConfig.FileName} speaks of; expected A and B of its targets and score.weight.");
    }
}

using Gpt35.Kernels;
using Gpt35.Tokenization;

namespace Gpt35.Model;

/// <summary>A model in a file or folder of any known format, opened and checked, its weights not yet read.</summary>
public sealed class StoredModel : IDisposable
{
    private readonly IDisposable files;
    private readonly Dictionary<string, List<(TensorPart Part, StoredTensor Tensor)>> partsOf = new(StringComparer.Ordinal);

    private StoredModel(string path, ModelConfig config, ModelCard card, Tokenizer tokenizer, IDisposable files) =>
        (Path, Config, Card, Tokenizer, this.files) = (path, config, card, tokenizer, files);

    public string Path { get; }
    public ModelConfig Config { get; }
    public ModelCard Card { get; }
    public Tokenizer Tokenizer { get; }

    /// <summary>Type of its largest tensor.</summary>
    public TensorType Type { get; private set; }

    /// <summary>Opens a Hugging Face folder, a GGUF file or a llama2.c model, told apart by what is in it.</summary>
    /// <param name="path">File or folder.</param>
    /// <param name="tokenizer">Where its tokenizer is, for a format without one; null: inside the model or beside it.</param>
    /// <exception cref="DirectoryNotFoundException">There is nothing of that name.</exception>
    /// <exception cref="InvalidDataException">It is no model of these formats, or a damaged one; the message says where and how.</exception>
    public static StoredModel Open(string path, string? tokenizer = null)
    {
        if (AdapterFolder.IsOne(path)) throw new InvalidDataException($"{path}: an adapter, not a model. Make a whole model of it first with 'gpt35 merge-lora BASE {path} OUT'.");
        if (Directory.Exists(path)) return OpenFolder(path, tokenizer);
        if (!File.Exists(path))
            throw new DirectoryNotFoundException($"{path}: no such file or folder; expected a model folder, a .gguf file or a llama2.c .bin file.");
        Span<byte> start = stackalloc byte[Llama2C.HeaderBytes];
        long length;
        using (var stream = File.OpenRead(path))
        {
            start = start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
            length = stream.Length;
        }
        if (GgufFile.IsGguf(start)) return OpenGguf(path, tokenizer);
        if (Llama2C.TryReadConfig(start, length) is { } config) return OpenLlama2C(path, config, tokenizer);
        throw new InvalidDataException($"{path}: neither a GGUF file nor a llama2.c model of version 0; expected one of them or a model folder." +
            (path.EndsWith(".safetensors", StringComparison.Ordinal) ? " For safetensors, name the folder that holds config.json." : ""));
    }

    /// <summary>The parameter of that name, as the model has it.</summary>
    internal Parameter ParameterNamed(string name) => partsOf[name][0].Part.Parameter;

    /// <summary>Fills the span with all numbers of a parameter, (its shape).</summary>
    public void Read(Parameter parameter, Span<float> values)
    {
        foreach (var (part, tensor) in partsOf[parameter.Name]) part.Read(tensor, values);
    }

    /// <summary>Reads the weights into a decoder.</summary>
    /// <param name="pool">Threads.</param>
    /// <param name="precision">How to hold them; below F32 the model is for inference, and never is more than one matrix in memory as F32.</param>
    /// <exception cref="InvalidDataException">The memory for it is not there, or a weight that is to be reduced is not a finite number.</exception>
    public Decoder Load(WorkerPool pool, WeightPrecision precision = WeightPrecision.F32)
    {
        MemoryCheck.RequireRoom(Path, Config, precision);
        if (precision != WeightPrecision.F32) return LoadReduced(pool, precision);
        var model = Decoder.CreateEmpty(Config, pool);
        try
        {
            foreach (var parameter in model.Parameters.All) Read(parameter, model.Parameters.ValuesOf(parameter));
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private Decoder LoadReduced(WorkerPool pool, WeightPrecision precision)
    {
        try
        {
            return Decoder.CreateReduced(Config, precision, pool, Read);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{Path}: {e.Message}", e);
        }
    }

    public void Dispose() => files.Dispose();

    private static StoredModel OpenFolder(string path, string? tokenizer)
    {
        var (config, card) = ModelFolder.LoadCard(path);
        var weights = SafetensorsFile.Open(path);
        return Guard(path, weights, () =>
        {
            RequireLayers(path, config, weights.Tensors.Count);
            return new StoredModel(path, config, card, Tokenizer.Load(tokenizer ?? path), weights).Match(TensorNames.HuggingFace(config), weights.Tensors);
        });
    }

    private static StoredModel OpenGguf(string path, string? tokenizer)
    {
        var file = GgufFile.Open(path);
        return Guard(path, file, () =>
        {
            var config = GgufModel.ReadConfig(path, file);
            RequireLayers(path, config, file.Tensors.Count);
            var parts = ModelFamilies.WhyNotGpt2(config) is null ? TensorNames.GgufGpt2(config) : TensorNames.GgufLlama(config);
            return new StoredModel(path, config, GgufModel.ReadCard(path, file.Metadata), tokenizer is null ? GgufTokenizer.Read(path, file.Metadata) : Tokenizer.Load(tokenizer), file)
                .Match(parts, file.Tensors);
        });
    }

    private static StoredModel OpenLlama2C(string path, ModelConfig config, string? tokenizer)
    {
        var found = Tokenizer.Load(tokenizer ?? Llama2C.TokenizerBeside(path, config));
        var file = new MappedFile(path);
        return Guard(path, file, () => new StoredModel(path, config, new ModelCard { Stage = "pretrain" }, found, file)
            .Match(TensorNames.Llama2C(config), Llama2C.Tensors(file, config)));
    }

    /// <summary>Finds every part among the tensors, with its shape, so that nothing is allocated for a model that the file does not hold.</summary>
    private StoredModel Match(IReadOnlyList<TensorPart> parts, IReadOnlyDictionary<string, StoredTensor> tensors)
    {
        StoredTensor? largest = null;
        foreach (var part in parts)
        {
            var tensor = Find(part.Name, tensors) ?? throw new InvalidDataException(
                $"{Path}: no tensor \"{part.Name}\"; expected it as [{string.Join(", ", part.Shape)}]. Is this the model that its configuration describes?");
            if (!tensor.Shape.SequenceEqual(part.Shape.Select(size => (long)size)))
                throw new InvalidDataException($"{tensor.File}: tensor \"{tensor.Name}\" is {tensor}; expected [{string.Join(", ", part.Shape)}]. Is this the model that its configuration describes?");
            if (!partsOf.TryGetValue(part.Parameter.Name, out var list)) partsOf[part.Parameter.Name] = list = [];
            list.Add((part, tensor));
            if (tensor.Count > (largest?.Count ?? 0)) largest = tensor;
            if (part.Parameter.Count > int.MaxValue)
                throw new InvalidDataException($"{Path}: {part.Parameter.Name} has {part.Parameter.Count} numbers; expected at most {int.MaxValue} in one parameter.");
        }
        Type = largest!.Type;
        if (Tokenizer.VocabSize > Config.VocabSize)
            throw new InvalidDataException($"{Path}: the tokenizer has {Tokenizer.VocabSize} ids, the model a vocab_size of {Config.VocabSize}; they belong to different models.");
        return this;
    }

    /// <summary>A model is stored with its head or without; its body then lacks the prefix.</summary>
    private static StoredTensor? Find(string name, IReadOnlyDictionary<string, StoredTensor> tensors)
    {
        if (tensors.TryGetValue(name, out var found)) return found;
        foreach (var prefix in (string[])["transformer.", "model."])
            if (name.StartsWith(prefix, StringComparison.Ordinal) && tensors.TryGetValue(name[prefix.Length..], out found)) return found;
        return null;
    }

    /// <summary>Every layer has tensors; a wild number of layers must not even be listed.</summary>
    private static void RequireLayers(string path, ModelConfig config, int tensors)
    {
        if (config.NumHiddenLayers > tensors)
            throw new InvalidDataException($"{path}: its configuration says {config.NumHiddenLayers} layers, and there are {tensors} tensors; expected several for every layer. Is this the model that its configuration describes?");
    }

    private static StoredModel Guard(string path, IDisposable files, Func<StoredModel> open)
    {
        try
        {
            return open();
        }
        catch (OverflowException e)
        {
            files.Dispose();
            throw new InvalidDataException($"{path}: the configuration describes more than 2^63 numbers; expected the sizes of a model that exists.", e);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }
}

using Gpt35.Tokenization;

namespace Gpt35.Model;

/// <summary>Formats that a model is written in.</summary>
public enum ModelFormat
{
    /// <summary>A folder that Hugging Face's libraries read.</summary>
    HuggingFace,
    /// <summary>A file that llama.cpp and Ollama read.</summary>
    Gguf,
}

/// <summary>Writes a stored model in another format or type, tensor by tensor: a model larger than the memory is no obstacle.</summary>
public static class ModelExport
{
    /// <param name="model">The model.</param>
    /// <param name="path">Folder or file to write; it appears when it is complete.</param>
    /// <param name="format">Of what kind.</param>
    /// <param name="type">Type of the weights; Q8_0 and Q4_0 in GGUF only.</param>
    /// <param name="context">Another number of positions than the model has; null: the same.</param>
    /// <param name="chatTemplate">Jinja of its chat format; null where there is none.</param>
    /// <exception cref="InvalidDataException">The format has no place for such a model.</exception>
    public static void Write(StoredModel model, string path, ModelFormat format, TensorType type, int? context = null, string? chatTemplate = null)
    {
        var config = WithContext(model, context);
        if (format == ModelFormat.HuggingFace)
        {
            if (type.IsQuantized()) throw new InvalidDataException($"{path}: a Hugging Face folder holds F32, F16 or BF16; {type} is a type of GGUF. Choose --to gguf, or another --dtype.");
            ModelFolder.Save(path, config, model.Tokenizer, model.Card, type, chatTemplate, (parameter, values) => Read(model, parameter, values));
            return;
        }
        var metadata = GgufModel.Write(path, config, model.Card, type);
        GgufTokenizer.Write(metadata, model.Tokenizer, config.VocabSize, model.Card.EndOfTurn, chatTemplate);
        var parts = ModelFamilies.WhyNotGpt2(config) is null ? TensorNames.GgufGpt2(config) : TensorNames.GgufLlama(config);
        if (GgufRope.FactorPart(config) is { } factors) parts = [.. parts, factors];
        WholeFile.Write(path, stream => GgufWriter.Write(stream, metadata, parts, type, (parameter, values) =>
        {
            if (parameter.Name == GgufRope.FactorTensor) GgufRope.Factors(config, values);
            else Read(model, parameter, values);
        }));
    }

    /// <summary>
    /// Fewer positions: the first ones. More: learned ones by interpolation (<see cref="ModelExtension"/>), rotary ones by YaRN, which needs the least
    /// fine-tuning.
    /// </summary>
    private static ModelConfig WithContext(StoredModel model, int? context)
    {
        if (context is not { } positions || positions == model.Config.MaxPositionEmbeddings) return model.Config;
        if (positions < 1) throw new InvalidDataException($"The context is {positions}; expected a whole number from 1 up.");
        var config = model.Config with { MaxPositionEmbeddings = positions };
        if (model.Config.PositionEncoding == PositionEncoding.Learned || positions < model.Config.MaxPositionEmbeddings) return config;
        if (model.Config.RopeScaling is { } scaling)
            throw new InvalidDataException($"{model.Path}: its rotary positions are stretched already ({scaling.RopeType.ToString().ToLowerInvariant()}, factor {scaling.Factor}); expected a model that is not. Change rope_scaling in its config.json by hand.");
        var original = model.Config.MaxPositionEmbeddings;
        return config with { RopeScaling = new RopeScaling { RopeType = RopeType.Yarn, Factor = positions / (double)original, OriginalMaxPositionEmbeddings = original } };
    }

    private static void Read(StoredModel model, Parameter parameter, Span<float> values)
    {
        var stored = model.ParameterNamed(parameter.Name);
        if (stored.Count == values.Length)
        {
            model.Read(stored, values);
            return;
        }
        // Only the table of learned positions can differ.
        var table = new float[stored.Count];
        model.Read(stored, table);
        if (values.Length < table.Length) table.AsSpan(0, values.Length).CopyTo(values);
        else ModelExtension.Interpolate(table, stored.Shape[1], values);
    }
}

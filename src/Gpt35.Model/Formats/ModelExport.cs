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
    /// <param name="context">Another number of positions than the model says it has; null: the same.</param>
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
        WholeFile.Write(path, stream => GgufWriter.Write(stream, metadata, parts, type, (parameter, values) => Read(model, parameter, values)));
    }

    private static ModelConfig WithContext(StoredModel model, int? context)
    {
        if (context is not { } positions) return model.Config;
        if (positions < 1) throw new InvalidDataException($"The context is {positions}; expected a whole number from 1 up.");
        if (model.Config.PositionEncoding == PositionEncoding.Learned && positions > model.Config.MaxPositionEmbeddings)
            throw new InvalidDataException($"{model.Path}: its positions are learned, {model.Config.MaxPositionEmbeddings} of them; expected a context of at most that.");
        return model.Config with { MaxPositionEmbeddings = positions };
    }

    /// <summary>A parameter of the model written; fewer learned positions are the first rows of those that are stored.</summary>
    private static void Read(StoredModel model, Parameter parameter, Span<float> values)
    {
        var stored = model.ParameterNamed(parameter.Name);
        if (stored.Count == values.Length)
        {
            model.Read(stored, values);
            return;
        }
        var all = new float[stored.Count];
        model.Read(stored, all);
        all.AsSpan(0, values.Length).CopyTo(values);
    }
}

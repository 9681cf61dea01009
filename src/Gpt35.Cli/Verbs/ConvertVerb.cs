using System.CommandLine;
using Gpt35.Data;
using Gpt35.Model;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 convert IN OUT</c>: a model from one format to another; what IN is shows from its content.</summary>
internal static class ConvertVerb
{
    private static readonly TensorType[] Types = [TensorType.F32, TensorType.F16, TensorType.BF16, TensorType.Q8_0, TensorType.Q4_0];

    public static Command Create(Session session)
    {
        var input = new Argument<string>("in") { Description = "Model folder (ours or Hugging Face's: GPT-2, Llama, Mistral), run folder, .gguf file, or llama2.c .bin file." };
        var output = new Argument<string>("out") { Description = "Folder or .gguf file to write." };
        var to = new Option<string?>("--to") { Description = "Format to write. Default: gguf where OUT ends in .gguf, else hf." }.OneOf("hf", "gguf");
        var dtype = new Option<string?>("--dtype") { Description = "Type of the weights; q8_0 and q4_0 in GGUF only. Default: that of IN." };
        dtype.OneOf([.. Types.Select(Name)]);
        var tokenizer = new Option<string?>("--tokenizer") { Description = "Tokenizer, where IN holds none or another is wanted: tokenizer.json, tokenizer.model, a llama2.c tokenizer, or a folder." };
        var context = new Option<int?>("--context") { Description = "Another context: learned positions are cut or interpolated, rotary ones stretched by YaRN." }.AtLeast(1);
        var command = new Command("convert", "Convert a model between Hugging Face folders, GGUF and llama2.c.") { input, output, to, dtype, tokenizer, context };
        command.SetAction(parsed =>
        {
            var path = parsed.GetRequiredValue(output);
            var format = (parsed.GetValue(to) ?? (path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) ? "gguf" : "hf")) == "gguf" ? ModelFormat.Gguf : ModelFormat.HuggingFace;
            if (format == ModelFormat.Gguf) OutputFile.RequireNew(path);
            else OutputFolder.RequireEmpty(path, "Choose another OUT, or delete it first.");
            using var model = StoredModel.Open(Models.Find(parsed.GetRequiredValue(input)), parsed.GetValue(tokenizer));
            var type = parsed.GetValue(dtype) is { } name ? Types.First(type => Name(type) == name)
                : format == ModelFormat.HuggingFace && model.Type.IsQuantized() ? TensorType.F32 : model.Type;
            var chat = ChatFormat.Stored(model.Card.ChatFormat, model.Card.ChatTemplate);
            ModelExport.Write(model, path, format, type, parsed.GetValue(context), chat?.ToJinja());
            session.Say(parsed, $"{path}: {ModelFamilies.FamilyOf(model.Config).ToString().ToLowerInvariant()}, {model.Config.NumHiddenLayers} layers of {model.Config.HiddenSize}, vocabulary {model.Config.VocabSize}, {Name(type)}");
            return ExitCode.Done;
        });
        return command;
    }

    private static string Name(TensorType type) => type.ToString().ToLowerInvariant();
}

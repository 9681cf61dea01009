using System.CommandLine;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Cli;

/// <summary><c>--dtype</c> and <c>--kv-cache</c> of the verbs that only read a model: how its weights, keys and values are held.</summary>
internal sealed class WeightsArgument
{
    private readonly Option<string> dtype = new Option<string>("--dtype")
    {
        Description = "How to hold the weights: f32 as trained; bf16, int8 (llama.cpp's Q8_0) or int4 (Q4_0) for less memory and more speed.",
        HelpName = "f32|bf16|int8|int4",
    }.WithDefault("f32");

    private readonly Option<string> cache = new Option<string>("--kv-cache")
    {
        Description = "How to hold keys and values: f32 as computed; bf16 or int8 for longer texts in the same memory.",
        HelpName = "f32|bf16|int8",
    }.WithDefault("f32");

    public WeightsArgument()
    {
        dtype.OneOf([.. Enum.GetValues<WeightPrecision>().Select(Name)]);
        cache.OneOf([.. Enum.GetNames<KvPrecision>().Select(name => name.ToLowerInvariant())]);
    }

    public void AddTo(Command command)
    {
        command.Options.Add(dtype);
        command.Options.Add(cache);
    }

    public KvPrecision ReadCache(ParseResult parsed) => Enum.Parse<KvPrecision>(parsed.GetValue(cache)!, ignoreCase: true);

    public WeightPrecision Read(ParseResult parsed) => Enum.GetValues<WeightPrecision>().First(precision => Name(precision) == parsed.GetValue(dtype));

    /// <summary>Says on the error stream, so that the text stays alone on the other one, how the weights are held and what multiplies with them.</summary>
    public static void Announce(Session session, ParseResult parsed, Decoder model)
    {
        if (!parsed.GetValue<bool>(CommandLine.Quiet))
            session.Error.WriteLine($"{Name(model.Precision)} weights, {Mebibytes(model)}; {DotTiers.KernelName(model.Precision)}");
    }

    public static string Mebibytes(Decoder model) => FormattableString.Invariant($"{model.WeightBytes / 1048576.0:0.#} MiB");

    public static string Name(WeightPrecision precision) => precision.ToString().ToLowerInvariant();
}

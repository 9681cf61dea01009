using System.CommandLine;
using Gpt35.Inference;

namespace Gpt35.Cli;

/// <summary>The options of every verb that samples text.</summary>
internal sealed class SamplingArguments
{
    private readonly Option<int> maxTokens;
    private readonly Option<double> temperature;
    private readonly Option<int> topK = new Option<int>("--top-k") { Description = "Keep the k most likely tokens; 0 keeps all." }.AtLeast(0);
    private readonly Option<double> topP = new Option<double>("--top-p") { Description = "Keep the likeliest tokens that reach this probability together." }.WithDefault(1).Between(0, 1);
    private readonly Option<double> minP = new Option<double>("--min-p") { Description = "Keep tokens at least this fraction as likely as the likeliest one; 0 keeps all." }.WithDefault(0).Between(0, 1);
    private readonly Option<double> presence = new Option<double>("--presence-penalty") { Description = "Taken once from the logit of every token that was written already." }.WithDefault(0).Between(-2, 2);
    private readonly Option<double> frequency = new Option<double>("--frequency-penalty") { Description = "Taken from a token's logit for each time it was written already." }.WithDefault(0).Between(-2, 2);
    private readonly Option<string[]> stop = new("--stop") { Description = "End before this text; may be given several times." };
    private readonly Option<int> minTokens = new Option<int>("--min-tokens") { Description = "Do not end before so many tokens." }.WithDefault(0).AtLeast(0);
    private readonly Option<ulong?> seed = new Option<ulong?>("--seed") { Description = "Same seed, same text. Default: another one each time." }.AtLeast(0UL);
    private readonly Option<bool> greedy = new("--greedy") { Description = "Always take the most likely token; the same as --temperature 0." };

    public SamplingArguments(double temperature, int maxTokens)
    {
        this.temperature = new Option<double>("--temperature") { Description = "Divides the logits; 0 is greedy." }.WithDefault(temperature).Between(0, 100);
        this.maxTokens = new Option<int>("--max-tokens") { Description = "Most tokens to write." }.WithDefault(maxTokens).AtLeast(1);
    }

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[maxTokens, minTokens, temperature, topK, topP, minP, presence, frequency, stop, seed, greedy]) command.Options.Add(option);
    }

    /// <exception cref="InvalidDataException">Values do not go together.</exception>
    public SamplingOptions Read(ParseResult parsed)
    {
        var options = new SamplingOptions
        {
            MaxTokens = parsed.GetValue(maxTokens),
            Temperature = parsed.GetValue(greedy) ? 0 : parsed.GetValue(temperature),
            TopK = parsed.GetValue(topK),
            TopP = parsed.GetValue(topP),
            MinP = parsed.GetValue(minP),
            PresencePenalty = parsed.GetValue(presence),
            FrequencyPenalty = parsed.GetValue(frequency),
            StopStrings = parsed.GetValue(stop) ?? [],
            MinTokens = parsed.GetValue(minTokens),
            Seed = parsed.GetValue(seed) ?? (ulong)Random.Shared.NextInt64(),
        };
        options.Validate();
        return options;
    }
}

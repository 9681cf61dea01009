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
    private readonly Option<ulong?> seed = new Option<ulong?>("--seed") { Description = "Same seed, same text. Default: another one each time." }.AtLeast(0UL);
    private readonly Option<bool> greedy = new("--greedy") { Description = "Always take the most likely token; the same as --temperature 0." };

    public SamplingArguments(double temperature, int maxTokens)
    {
        this.temperature = new Option<double>("--temperature") { Description = "Divides the logits; 0 is greedy." }.WithDefault(temperature).Between(0, 100);
        this.maxTokens = new Option<int>("--max-tokens") { Description = "Most tokens to write." }.WithDefault(maxTokens).AtLeast(1);
    }

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[maxTokens, temperature, topK, topP, seed, greedy]) command.Options.Add(option);
    }

    public SamplingOptions Read(ParseResult parsed) => new()
    {
        MaxTokens = parsed.GetValue(maxTokens),
        Temperature = parsed.GetValue(greedy) ? 0 : parsed.GetValue(temperature),
        TopK = parsed.GetValue(topK),
        TopP = parsed.GetValue(topP),
        Seed = parsed.GetValue(seed) ?? (ulong)Random.Shared.NextInt64(),
    };
}

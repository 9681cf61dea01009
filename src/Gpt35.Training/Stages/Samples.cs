using System.Text.Json.Nodes;
using Gpt35.Inference;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>A few texts of the finished model, for samples.jsonl.</summary>
internal static class Samples
{
    public const int Count = 8;

    /// <summary>Rows with "prompt", "completion" and "finish".</summary>
    public static IEnumerable<JsonObject> Generate(Decoder model, Tokenizer tokenizer, IReadOnlyList<int[]> prompts, SamplingOptions options)
    {
        // A completion that would not fit shortens the sample, not the run.
        var fitting = prompts.Where(prompt => prompt.Length + options.MaxTokens <= model.Config.MaxPositionEmbeddings).Take(Count).ToList();
        if (fitting.Count == 0) return [];
        using var engine = new InferenceEngine(model);
        var completions = engine.Generate(fitting, options);
        return fitting.Zip(completions, (prompt, completion) => new JsonObject
        {
            ["prompt"] = tokenizer.Decode(prompt, includeSpecial: true),
            ["completion"] = tokenizer.Decode(completion.Tokens),
            ["finish"] = completion.Finish == FinishReason.Stop ? "stop" : "length",
        });
    }
}

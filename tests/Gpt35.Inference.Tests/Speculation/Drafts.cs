using Gpt35.Inference.Tests.Constraints;
using Gpt35.Inference.Tests.Scheduling;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Tests.Speculation;

/// <summary>Models that guess, and requests that use every option.</summary>
internal static class Drafts
{
    /// <summary>The model's weights with a random part added to each.</summary>
    /// <param name="model">The model.</param>
    /// <param name="noise">Of a weight's size; 0: a draft that is always right.</param>
    public static Decoder Noisy(Decoder model, double noise)
    {
        var draft = Decoder.Create(model.Config, 3, WorkerPool.Shared);
        draft.Parameters.CopyFrom(model.Parameters);
        var random = new Random(1);
        foreach (var parameter in draft.Parameters.All)
            foreach (ref var value in draft.Parameters.ValuesOf(parameter)) value *= (float)(1 + noise * (2 * random.NextDouble() - 1));
        return draft;
    }

    /// <summary>Always finds most likely what the model finds least likely.</summary>
    public static Decoder Contrary(Decoder model)
    {
        var draft = Noisy(model, 0);
        foreach (var name in (string[])["ln_f.weight", "ln_f.bias"])
            foreach (ref var value in draft.Parameters.ValuesOf(draft.Parameters[name])) value = -value;
        return draft;
    }

    /// <summary>A model with another shape and other weights.</summary>
    public static Decoder Unrelated(ModelConfig config) =>
        Decoder.Create(config with { HiddenSize = 8, NumHiddenLayers = 1, NumAttentionHeads = 1, NumKeyValueHeads = 1, IntermediateSize = 16, MaxPositionEmbeddings = config.MaxPositionEmbeddings + 5 }, 9, WorkerPool.Shared);

    /// <summary>Random requests of the tokenizer of <see cref="Documents"/>: penalties, biases, constraints, stop strings, several samples.</summary>
    public static GenerationRequest[] Requests(Random random, ModelConfig config, int count)
    {
        OutputConstraint[] constraints = [OutputConstraint.Json(Documents.Tokenizer), OutputConstraint.Regex("[a-e ]+(\\d{2}|x)*", Documents.Tokenizer)];
        return [.. Engines.Requests(random, config, count).Select(request => request with
        {
            Options = request.Options with
            {
                Constraint = random.Next(3) == 0 ? constraints[random.Next(2)] : null,
                StopStrings = random.Next(3) == 0 ? ["e", "\"a"] : [],
                LogitBias = random.Next(3) == 0 ? new Dictionary<int, double> { [random.Next(config.VocabSize)] = 3 } : new Dictionary<int, double>(),
                PresencePenalty = random.Next(3) == 0 ? 0.7 : 0,
                TopK = random.Next(3) == 0 ? 20 : 0,
                MinTokens = random.Next(3) == 0 ? 1 : 0,
                TopLogProbs = random.Next(3) == 0 ? 3 : null,
            },
        })];
    }

    /// <summary>Everything that a completion says, every number with all its bits.</summary>
    public static string Bits(Completion completion) =>
        $"{completion.Finish} {completion.Text} {string.Join(' ', completion.Tokens)} {Bits(completion.LogProbs)} {(completion.TokenLogProbs is { } report ? Bits(report.Chosen) + string.Join(' ', report.Top.SelectMany(top => top)) : "")}";

    private static string Bits(IEnumerable<float> values) => string.Join(' ', values.Select(BitConverter.SingleToInt32Bits));
}

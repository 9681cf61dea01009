using Gpt35.Data;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>Demonstrations whose language-model gradient is added to that of a reward model.</summary>
internal sealed record LanguageModelMix(IReadOnlyList<TokenSequence> Examples, BatchPlan Plan, double Coef)
{
    public static LanguageModelMix Read(LanguageModelMixOptions options, int steps, ulong seed, ChatFormat format, Tokenizer tokenizer, int context, Action<string> note)
    {
        var demonstrations = options.Train.SelectMany(path => RecordReader.ReadDemonstrations(path, note)).ToList();
        var examples = SupervisedFineTuning.Render(demonstrations, format, tokenizer, context, "mixed-in", note);
        if (examples.Count == 0)
            throw new InvalidDataException($"{string.Join(", ", options.Train)}: no demonstration fits into the context of {context} tokens, so there is nothing to mix in.");
        return new LanguageModelMix(examples, BatchPlan.ForSteps([.. examples.Select(example => example.Ids.Length)], options.Tokens, steps, RandomStreams.Key(seed, RandomStream.Ptx)), options.Coef);
    }

    /// <summary>Adds the gradient of the weighted mean loss of the step's demonstrations; returns the loss without its weight, in nats per token.</summary>
    public double Accumulate(ITrainableModel model, int step, int microTokens) =>
        LanguageModelTraining.Accumulate(model, Examples, Plan[step], microTokens, _ => null, Coef) / Math.Max(Coef, double.Epsilon);
}

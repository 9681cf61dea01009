using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference;

public enum FinishReason { Stop, Length }

/// <summary>A generated continuation.</summary>
/// <param name="Tokens">Generated ids, the stop token included when one was met.</param>
/// <param name="LogProbs">log p of each under the model at the sampling temperature, before top-k and top-p (temperature 1 for greedy), (n,).</param>
/// <param name="Finish">Why it ended.</param>
public sealed record Completion(int[] Tokens, float[] LogProbs, FinishReason Finish);

/// <summary>
/// Generates from a decoder with a key/value cache, many prompts at once, refilling slots as completions end. A prompt and its completion
/// together never exceed the model's context; a completion that reaches its end finishes with <see cref="FinishReason.Length"/>.
/// The cache lives for one call. One call at a time per decoder.
/// </summary>
public sealed class InferenceEngine(Decoder model, int maxBatch = 64)
{
    private readonly int maxBatch = maxBatch > 0 ? maxBatch : throw new ArgumentOutOfRangeException(nameof(maxBatch), maxBatch, "Expected 1 or more.");

    /// <summary>One completion per prompt, in order. Prompt i draws from the random stream (seed, first + i).</summary>
    /// <exception cref="ArgumentException">A prompt is empty, holds an id outside the vocabulary or leaves no room in the context; or an option is out of range.</exception>
    public Completion[] Generate(IReadOnlyList<int[]> prompts, SamplingOptions options, CancellationToken cancel = default)
    {
        var sampler = new Sampler(options, model.Config.VocabSize);
        for (var i = 0; i < prompts.Count; i++) RequireUsable(model.Config, prompts[i], i);
        return prompts.Count == 0 ? [] : new BatchRun(model, sampler, prompts, options, Math.Min(maxBatch, prompts.Count)).Complete(cancel);
    }

    /// <summary>Tokens of one completion as they are chosen; equal to <see cref="Generate"/> of that prompt alone.</summary>
    /// <exception cref="ArgumentException">As <see cref="Generate"/>.</exception>
    public IEnumerable<int> Stream(int[] prompt, SamplingOptions options, CancellationToken cancel = default)
    {
        RequireUsable(model.Config, prompt, 0);
        var sampler = new Sampler(options, model.Config.VocabSize);
        return Tokens();

        IEnumerable<int> Tokens()
        {
            using var sequence = new CachedSequence(model, prompt.Length + RoomFor(model.Config, prompt, options));
            foreach (var token in sequence.Continue(prompt, sampler, options, 0, cancel)) yield return token;
        }
    }

    /// <summary>
    /// The random number in [0, 1) that chooses token <paramref name="position"/> of a completion, a function of its arguments alone.
    /// 53 bits: with the 24 of a float, tokens rarer than one in ten million would never be drawn.
    /// </summary>
    internal static double Uniform(ulong seed, int index, int position) =>
        (CounterRandom.Hash(CounterRandom.Hash(seed, (ulong)index), (ulong)position) >> 11) * (1.0 / (1L << 53));

    /// <summary>How many tokens may follow a prompt: what was asked for, as far as the context reaches.</summary>
    internal static int RoomFor(ModelConfig config, int[] prompt, SamplingOptions options) =>
        Math.Min(options.MaxTokens, config.MaxPositionEmbeddings - prompt.Length);

    internal static void RequireUsable(ModelConfig config, int[] prompt, int index)
    {
        if (prompt.Length == 0) throw new ArgumentException($"Prompt {index} is empty; expected at least one token.", nameof(prompt));
        if (prompt.Length >= config.MaxPositionEmbeddings)
            throw new ArgumentException($"Prompt {index} has {prompt.Length} tokens and the model's context {config.MaxPositionEmbeddings}; expected room for at least one more.", nameof(prompt));
        foreach (var id in prompt)
            if ((uint)id >= (uint)config.VocabSize)
                throw new ArgumentException($"Prompt {index} holds the id {id}; the model's vocabulary ends at {config.VocabSize - 1}. Is this the model's own tokenizer?", nameof(prompt));
    }
}

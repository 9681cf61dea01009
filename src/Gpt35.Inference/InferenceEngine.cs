using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Inference;

public enum FinishReason { Stop, Length }

/// <summary>A generated continuation.</summary>
/// <param name="Tokens">Generated ids, the stop token included when one was met.</param>
/// <param name="LogProbs">log p of each under the model at the sampling temperature (1 for greedy), before constraint, bias, penalties and truncation, (n,).</param>
/// <param name="Finish">Why it ended. Under a constraint, <see cref="FinishReason.Length"/> also says that the document was closed because tokens ran out.</param>
public sealed record Completion(int[] Tokens, float[] LogProbs, FinishReason Finish)
{
    /// <summary>The text, without special tokens, a stop token or a stop string; null where the engine knows no tokenizer.</summary>
    public string? Text { get; init; }
    /// <summary>What <see cref="SamplingOptions.TopLogProbs"/> asked for.</summary>
    public TokenLogProbs? TokenLogProbs { get; init; }
}

/// <summary>A prompt, and how to continue it.</summary>
/// <param name="Prompt">Ids, at least one.</param>
/// <param name="Options">How to choose.</param>
/// <param name="Stream">Number of the random stream: the sample is a function of (seed, stream), so several completions of one seed differ by it.</param>
public sealed record GenerationRequest(int[] Prompt, SamplingOptions Options, int Stream = 0);

/// <summary>
/// Generates from a decoder with a key/value cache, many prompts at once, refilling slots as completions end. A prompt and its completion
/// together never exceed the model's context; a completion that reaches its end finishes with <see cref="FinishReason.Length"/>.
/// The cache lives for one call. One call at a time per decoder.
/// </summary>
/// <param name="model">The decoder.</param>
/// <param name="maxBatch">Most completions under way together.</param>
/// <param name="tokenizer">The model's; needed for stop strings and for texts.</param>
public sealed class InferenceEngine(Decoder model, int maxBatch = 64, Tokenizer? tokenizer = null)
{
    /// <summary>Prompt tokens taken up per step; bounds the activations a step needs. A longer prompt goes alone.</summary>
    public const int PromptTokensPerStep = 2048;

    private readonly int maxBatch = maxBatch > 0 ? maxBatch : throw new ArgumentOutOfRangeException(nameof(maxBatch), maxBatch, "Expected 1 or more.");

    /// <summary>One completion per prompt, in order. Prompt i draws from the random stream (seed, first + i).</summary>
    /// <exception cref="ArgumentException">A prompt is empty, holds an id outside the vocabulary or leaves no room in the context; or an option is out of range.</exception>
    public Completion[] Generate(IReadOnlyList<int[]> prompts, SamplingOptions options, CancellationToken cancel = default) =>
        Generate([.. prompts.Select((prompt, i) => new GenerationRequest(prompt, options, options.FirstPrompt + i))], cancel);

    /// <summary>One completion per request, in order. Each is what it would be without the others.</summary>
    /// <exception cref="ArgumentException">A prompt is empty, holds an id outside the vocabulary or leaves no room in the context; or an option is out of range.</exception>
    public Completion[] Generate(IReadOnlyList<GenerationRequest> requests, CancellationToken cancel = default)
    {
        for (var i = 0; i < requests.Count; i++) RequireUsable(model.Config, requests[i], i, tokenizer);
        return requests.Count == 0 ? [] : new BatchRun(model, tokenizer, requests, Math.Min(maxBatch, requests.Count)).Complete(cancel);
    }

    /// <summary>Tokens of one completion as they are chosen; equal to <see cref="Generate(IReadOnlyList{int[]}, SamplingOptions, CancellationToken)"/> of that prompt alone.</summary>
    /// <exception cref="ArgumentException">As there.</exception>
    public IEnumerable<int> Stream(int[] prompt, SamplingOptions options, CancellationToken cancel = default)
    {
        RequireUsable(model.Config, new GenerationRequest(prompt, options), 0, tokenizer);
        return Tokens();

        IEnumerable<int> Tokens()
        {
            using var sequence = new CachedSequence(model, tokenizer, prompt.Length + RoomFor(model.Config, prompt, options));
            foreach (var token in sequence.Continue(prompt, options, 0, cancel)) yield return token;
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

    internal static void RequireUsable(ModelConfig config, GenerationRequest request, int index, Tokenizer? tokenizer)
    {
        var (prompt, options, vocabSize) = (request.Prompt, request.Options, config.VocabSize);
        if (prompt.Length == 0) throw new ArgumentException($"Prompt {index} is empty; expected at least one token.", nameof(request));
        if (prompt.Length >= config.MaxPositionEmbeddings)
            throw new ArgumentException($"Prompt {index} has {prompt.Length} tokens and the model's context {config.MaxPositionEmbeddings}; expected room for at least one more.", nameof(request));
        foreach (var id in prompt)
            if ((uint)id >= (uint)vocabSize)
                throw new ArgumentException($"Prompt {index} holds the id {id}; the model's vocabulary ends at {vocabSize - 1}. Is this the model's own tokenizer?", nameof(request));
        if (options.Problem() is { } problem) throw new ArgumentException(problem, nameof(request));
        foreach (var id in options.StopTokens.Concat(options.LogitBias.Keys))
            if ((uint)id >= (uint)vocabSize)
                throw new ArgumentException($"A stop token or logit bias names the id {id}; the model's vocabulary ends at {vocabSize - 1}.", nameof(request));
        if (options.StopStrings.Count > 0 && tokenizer is null)
            throw new ArgumentException("There are stop strings, and the engine was made without a tokenizer; expected one that can tell where they end.", nameof(request));
        if (options.Constraint is { } constraint && constraint.VocabSize > vocabSize)
            throw new ArgumentException($"The constraint was made for a vocabulary of {constraint.VocabSize} ids and the model's ends at {vocabSize - 1}. Is this the model's own tokenizer?", nameof(request));
    }
}

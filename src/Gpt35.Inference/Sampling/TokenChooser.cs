using System.Runtime.InteropServices;
using System.Text;
using Gpt35.Inference.Constraints;
using Gpt35.Tokenization;

namespace Gpt35.Inference;

/// <summary>
/// Chooses the tokens of one completion, one after the other, and knows when it ends. What it chooses is a function of its options, its stream
/// and the logits it is given: neighbours in a batch change nothing. Allocates nothing per token, but for masks that a constraint sees for the first time and where the report or the penalties have to grow.
/// <para>logit'_j = logit_j + bias_j − c_j · frequency − [c_j > 0] · presence, c_j = times token j was generated before (OpenAI API, "parameter details").</para>
/// </summary>
internal sealed class TokenChooser
{
    private const int FirstRoom = 64;                   // tokens that report and penalties have room for before they grow
    private readonly SamplingOptions options;
    private readonly SamplerMemories memories;
    private readonly Sampler sampler;
    private readonly int stream, room;
    private readonly int[] stopTokens;
    private readonly (int Id, float Bias)[] biases;
    private readonly Dictionary<int, int>? counts;      // of the generated tokens, where they are penalised
    private readonly StopStrings? stops;
    private readonly Tokenizer? tokenizer;
    private readonly int alternativeCount;              // n
    private float[] modelLogProbs = [];                 // of the tokens so far, with room to grow
    private TokenLogProb[] alternatives = [];           // n for each of them
    private readonly ConstraintCursor? cursor;
    private int position, stopPlace;
    private bool closed;                                // the constraint had to be closed before the tokens ran out

    /// <param name="options">How to choose.</param>
    /// <param name="memories">Scratch, shared with other choosers.</param>
    /// <param name="stream">Number of the random stream: the sample is a function of (seed, stream).</param>
    /// <param name="room">Most tokens that this completion can have.</param>
    /// <param name="tokenizer">Needed for stop strings.</param>
    public TokenChooser(SamplingOptions options, SamplerMemories memories, int stream, int room, Tokenizer? tokenizer)
    {
        (this.options, this.memories, this.stream, this.room, this.tokenizer) = (options, memories, stream, room, tokenizer);
        sampler = new Sampler(options, memories);
        stopTokens = [.. options.StopTokens];
        biases = [.. options.LogitBias.Select(bias => (bias.Key, (float)bias.Value))];
        if (options.PresencePenalty != 0 || options.FrequencyPenalty != 0) counts = new Dictionary<int, int>(Math.Min(room, FirstRoom));
        if (options.StopStrings.Count > 0) stops = new StopStrings(options.StopStrings);
        cursor = options.Constraint?.Start();
        alternativeCount = Math.Min(options.TopLogProbs ?? 0, memories.VocabSize);
    }

    /// <summary>Why the completion ended; null while it goes on.</summary>
    public FinishReason? Finish { get; private set; }

    /// <summary>Whether the last token was a stop token, which is no part of the text.</summary>
    public bool StopTokenMet { get; private set; }

    /// <summary>The text of the tokens it chose, without special tokens, a stop token or a stop string.</summary>
    public string TextOf(ReadOnlySpan<int> tokens, Tokenizer tokenizer)
    {
        var decoder = new StopTextDecoder(tokenizer, options.StopStrings, options.MinTokens);
        var text = new StringBuilder();
        foreach (var token in StopTokenMet ? tokens[..^1] : tokens) text.Append(decoder.Push(token));
        return text.Append(decoder.Flush()).ToString();
    }

    /// <summary>Log-probabilities under the model's own distribution, as far as they were asked for.</summary>
    public TokenLogProbs? Report => options.TopLogProbs is null
        ? null
        : new TokenLogProbs(modelLogProbs[..position], [.. Enumerable.Range(0, position).Select(place => AlternativesAt(place).ToArray())]);

    /// <summary>The next token.</summary>
    /// <param name="logits">(V,)</param>
    /// <param name="logProb">log p under the model at the sampling temperature, before constraint, bias, penalties and truncation, in nats.</param>
    /// <exception cref="InvalidDataException">As <see cref="Sampler.Next(ReadOnlySpan{float}, double, out float)"/>.</exception>
    public int Next(ReadOnlySpan<float> logits, out float logProb)
    {
        if (Finish is not null) throw new InvalidOperationException("The completion has ended.");
        var memory = memories.Rent();
        try
        {
            var token = Choose(logits, memory, out logProb);
            Accept(token);
            return token;
        }
        finally
        {
            memories.Return(memory);
        }
    }

    private int Choose(ReadOnlySpan<float> logits, SamplerMemory memory, out float logProb)
    {
        var u = InferenceEngine.Uniform(options.Seed, stream, position);
        int token;
        if (cursor is null && biases.Length == 0 && counts is not { Count: > 0 } && position >= options.MinTokens)
        {
            token = sampler.Next(logits, u, memory, out logProb);
        }
        else
        {
            token = cursor is null ? NextAdjusted(logits, default, u, memory) : NextConstrained(logits, u, memory);
            logProb = sampler.LogProbability(logits, token);
        }
        if (options.TopLogProbs is not null && position == modelLogProbs.Length)
        {
            var more = Math.Min(room, Math.Max(FirstRoom, 2 * position));
            Array.Resize(ref modelLogProbs, more);
            Array.Resize(ref alternatives, checked(more * alternativeCount));
        }
        if (options.TopLogProbs is not null) modelLogProbs[position] = sampler.LogProbabilities(logits, token, AlternativesAt(position), memory);
        return token;
    }

    private Span<TokenLogProb> AlternativesAt(int place) => alternatives.AsSpan(place * alternativeCount, alternativeCount);

    /// <summary>A token that the constraint allows. One after which the document could no longer be closed in the tokens left is drawn again, from those after which it can.</summary>
    private int NextConstrained(ReadOnlySpan<float> logits, double u, SamplerMemory memory)
    {
        var left = room - position;
        var token = NextAdjusted(logits, cursor!.Mask(), u, memory);
        if (Stops(token) || cursor.ClosingTokens > left || cursor.ClosingTokensAfter(token) < left) return token;
        closed = true;
        return NextAdjusted(logits, cursor.ClosingMask(left), InferenceEngine.Uniform(~options.Seed, stream, position), memory);
    }

    private int NextAdjusted(ReadOnlySpan<float> logits, ReadOnlySpan<ulong> mask, double u, SamplerMemory memory)
    {
        var adjusted = memory.Adjusted;
        if (cursor is null) logits.CopyTo(adjusted);
        else
        {
            TokenMask.Apply(mask, logits, adjusted);
            if (cursor.MayEnd)
                foreach (var id in stopTokens) adjusted[id] = Math.Max(logits[id], float.MinValue);
        }
        foreach (var (id, bias) in biases) adjusted[id] += bias;
        if (counts is not null)
            foreach (var (id, count) in counts) adjusted[id] -= (float)(count * options.FrequencyPenalty + options.PresencePenalty);
        // Not −∞: where nothing but stop tokens is left, one of them it must be.
        if (position < options.MinTokens)
            foreach (var id in stopTokens) adjusted[id] = Math.Min(adjusted[id], float.MinValue);
        return sampler.Next(adjusted, u, memory, out _);
    }

    /// <summary>Whether a token ends the completion. Under a constraint it can be ordinary text where the document may not end.</summary>
    private bool Stops(int token) => (cursor is null || cursor.MayEnd) && Array.IndexOf(stopTokens, token) >= 0;

    /// <summary>A place in a completion that goes on.</summary>
    internal readonly record struct Place(int Position, int StopPlace, bool Closed, Configuration? At);

    internal Place Now => new(position, stopPlace, closed, cursor?.Reached);

    /// <summary>Takes back tokens.</summary>
    /// <param name="place">Where it was before them.</param>
    /// <param name="tokens">All tokens since.</param>
    internal void Return(Place place, ReadOnlySpan<int> tokens)
    {
        if (counts is not null)
            foreach (var token in tokens)
                if (--CollectionsMarshal.GetValueRefOrAddDefault(counts, token, out _) == 0) counts.Remove(token);
        (position, stopPlace, closed, Finish, StopTokenMet) = (place.Position, place.StopPlace, place.Closed, null, false);
        cursor?.Return(place.At);
    }

    /// <summary>Goes on by a token that was chosen.</summary>
    internal void Accept(int token)
    {
        StopTokenMet = Stops(token);
        position++;
        if (counts is not null) CollectionsMarshal.GetValueRefOrAddDefault(counts, token, out _)++;
        if (StopTokenMet) Finish = FinishReason.Stop;
        else if (cursor is not null)
        {
            cursor.Advance(token);
            if (cursor.MustEnd) Finish = closed ? FinishReason.Length : FinishReason.Stop;
        }
        if (!StopTokenMet && stops is not null && MeetsStopString(token)) Finish = FinishReason.Stop;
        if (position == room) Finish ??= FinishReason.Length;
    }

    private bool MeetsStopString(int token)
    {
        foreach (var value in tokenizer!.TokenBytes(token))
        {
            stopPlace = stops!.Next(stopPlace, value);
            if (stops.Match(stopPlace) > 0 && position >= options.MinTokens) return true;
        }
        return false;
    }
}

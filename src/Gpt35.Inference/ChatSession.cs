using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Inference;

/// <summary>
/// One conversation with a model. The caller keeps the messages and renders them; the session keeps the keys and values of what it has read
/// and written, so a turn costs only its new tokens. When the caller drops the oldest turns to make room, the part of the prompt that has
/// stayed the same (the system message) is still reused.
/// </summary>
public sealed class ChatSession(Decoder model, Tokenizer tokenizer) : IDisposable
{
    private readonly CachedSequence sequence = new(model, tokenizer, model.Config.MaxPositionEmbeddings);
    private int replies;

    /// <summary>Longest prompt and reply together, in tokens.</summary>
    public int ContextLength => model.Config.MaxPositionEmbeddings;

    /// <summary>
    /// The text that follows <paramref name="prompt"/>, in pieces as it is generated; never half a character or a part of a stop string, and no special tokens.
    /// Reply n of the session draws from the random stream (seed, n), so the first one equals <see cref="InferenceEngine.Stream"/>.
    /// An enumeration that is abandoned or cancelled leaves the session usable.
    /// </summary>
    /// <exception cref="ArgumentException">The prompt is empty, holds an id outside the vocabulary or leaves no room in the context; or an option is out of range.</exception>
    public IEnumerable<string> Reply(int[] prompt, SamplingOptions options, CancellationToken cancel = default)
    {
        InferenceEngine.RequireUsable(model.Config, new GenerationRequest(prompt, options), 0, tokenizer);
        var stream = replies++;
        return Pieces();

        IEnumerable<string> Pieces()
        {
            var decoder = new StopTextDecoder(tokenizer, options.StopStrings, options.MinTokens);
            foreach (var token in sequence.Continue(prompt, options, stream, cancel))
                if (decoder.Push(token) is { Length: > 0 } piece) yield return piece;
            if (decoder.Flush() is { Length: > 0 } rest) yield return rest;
        }
    }

    public void Dispose() => sequence.Dispose();
}

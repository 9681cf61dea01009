using System.Runtime.InteropServices;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Inference;

/// <summary>One sequence whose keys and values stay between prompts, so that a prompt costs only what differs from the one before.</summary>
internal sealed class CachedSequence(Decoder model, Tokenizer? tokenizer, int capacity) : IDisposable
{
    private readonly SlotCache cache = new(model.Config, 1, capacity);
    private readonly List<int> held = new(capacity);   // ids whose keys and values the cache has
    private readonly float[] logits = new float[model.Config.VocabSize];
    private readonly SamplerMemory memory = new(model.Config.VocabSize);

    /// <summary>Tokens that follow the prompt, as they are chosen. The prompt and what follows it must fit the capacity.</summary>
    public IEnumerable<int> Continue(int[] prompt, SamplingOptions options, int stream, CancellationToken cancel)
    {
        var chooser = new TokenChooser(options, memory, stream, InferenceEngine.RoomFor(model.Config, prompt, options), tokenizer);
        // The last token is fed again even when it is held: its logits are not.
        Keep(Math.Min(prompt.AsSpan().CommonPrefixLength(CollectionsMarshal.AsSpan(held)), prompt.Length - 1));
        cancel.ThrowIfCancellationRequested();
        Feed(prompt.AsSpan(held.Count));
        while (true)
        {
            var token = chooser.Next(logits, out _);
            yield return token;
            if (chooser.Finish is not null) yield break;
            cancel.ThrowIfCancellationRequested();
            Feed([token]);
        }
    }

    public void Dispose() => cache.Dispose();

    private void Keep(int length)
    {
        cache.Truncate(0, length);
        held.RemoveRange(length, held.Count - length);
    }

    private void Feed(ReadOnlySpan<int> tokens)
    {
        model.Extend(cache, [0], [0, tokens.Length], tokens, logits);
        held.AddRange(tokens);
    }
}

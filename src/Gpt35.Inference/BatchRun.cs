using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Inference;

/// <summary>
/// Continuous batching (Orca, Yu et al. 2022): every step extends all running completions by one token in a single call, and the same call
/// takes up new prompts in slots that have become free.
/// </summary>
internal sealed class BatchRun
{
    private readonly Decoder model;
    private readonly Tokenizer? tokenizer;
    private readonly IReadOnlyList<GenerationRequest> requests;
    private readonly SamplerMemory memory;
    private readonly Running?[] running;          // (slots,) the completion in each slot
    private readonly Completion[] completions;
    private readonly int[] slots, starts, tokens; // arguments of the next step
    private readonly float[] logits;              // (slots, V)
    private int nextRequest, finished, batch;

    public BatchRun(Decoder model, Tokenizer? tokenizer, IReadOnlyList<GenerationRequest> requests, int slotCount)
    {
        (this.model, this.tokenizer, this.requests) = (model, tokenizer, requests);
        memory = new SamplerMemory(model.Config.VocabSize);
        running = new Running?[slotCount];
        completions = new Completion[requests.Count];
        slots = new int[slotCount];
        starts = new int[slotCount + 1];
        tokens = new int[slotCount + Math.Max(InferenceEngine.PromptTokensPerStep, requests.Max(request => request.Prompt.Length))];
        logits = new float[checked(slotCount * model.Config.VocabSize)];
    }

    public Completion[] Complete(CancellationToken cancel)
    {
        var capacity = requests.Max(request => request.Prompt.Length + RoomFor(request));
        using var cache = new SlotCache(model.Config, running.Length, capacity);
        while (finished < requests.Count)
        {
            cancel.ThrowIfCancellationRequested();
            Plan();
            model.Extend(cache, slots.AsSpan(0, batch), starts.AsSpan(0, batch + 1), tokens.AsSpan(0, starts[batch]), logits.AsSpan(0, batch * model.Config.VocabSize));
            Choose(cache);
        }
        return completions;
    }

    /// <summary>Lays out the next step: the last token of every running completion, and new prompts for the free slots.</summary>
    private void Plan()
    {
        batch = 0;
        var promptTokens = 0;
        for (var slot = 0; slot < running.Length; slot++)
        {
            if (running[slot] is { } completion) Add(slot, completion.Last);
            else if (nextRequest < requests.Count && (promptTokens == 0 || promptTokens + requests[nextRequest].Prompt.Length <= InferenceEngine.PromptTokensPerStep))
            {
                var request = requests[nextRequest];
                var room = RoomFor(request);
                running[slot] = new Running(nextRequest++, room, new TokenChooser(request.Options, memory, request.Stream, room, tokenizer));
                promptTokens += request.Prompt.Length;
                Add(slot, request.Prompt);
            }
        }
    }

    private void Add(int slot, ReadOnlySpan<int> newTokens)
    {
        slots[batch] = slot;
        newTokens.CopyTo(tokens.AsSpan(starts[batch]));
        starts[batch + 1] = starts[batch] + newTokens.Length;
        batch++;
    }

    private void Choose(SlotCache cache)
    {
        var vocabSize = model.Config.VocabSize;
        for (var row = 0; row < batch; row++)
        {
            var slot = slots[row];
            var completion = running[slot]!;
            completion.Extend(logits.AsSpan(row * vocabSize, vocabSize));
            if (!completion.HasEnded) continue;
            completions[completion.Index] = completion.Finish(tokenizer);
            cache.Truncate(slot);
            running[slot] = null;
            finished++;
        }
    }

    private int RoomFor(GenerationRequest request) => InferenceEngine.RoomFor(model.Config, request.Prompt, request.Options);

    /// <summary>A completion under way, with memory for all the tokens it may get.</summary>
    private sealed class Running(int index, int room, TokenChooser chooser)
    {
        private readonly int[] tokens = new int[room];
        private readonly float[] logProbs = new float[room];
        private int count;

        public int Index => index;
        public bool HasEnded => chooser.Finish is not null;
        public ReadOnlySpan<int> Last => tokens.AsSpan(count - 1, 1);

        public void Extend(ReadOnlySpan<float> logits)
        {
            tokens[count] = chooser.Next(logits, out logProbs[count]);
            count++;
        }

        public Completion Finish(Tokenizer? tokenizer) => new(tokens[..count], logProbs[..count], chooser.Finish!.Value)
        {
            Text = tokenizer is null ? null : chooser.TextOf(tokens.AsSpan(0, count), tokenizer),
            TokenLogProbs = chooser.Report,
        };
    }
}

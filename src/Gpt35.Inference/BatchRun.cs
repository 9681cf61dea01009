using Gpt35.Model;

namespace Gpt35.Inference;

/// <summary>
/// Continuous batching (Orca, Yu et al. 2022): every step extends all running completions by one token in a single call, and the same call
/// takes up new prompts in slots that have become free.
/// </summary>
internal sealed class BatchRun
{
    /// <summary>Prompt tokens taken up per step; bounds the activations a step needs. A longer prompt goes alone.</summary>
    private const int PromptTokensPerStep = 2048;

    private readonly Decoder model;
    private readonly Sampler sampler;
    private readonly IReadOnlyList<int[]> prompts;
    private readonly SamplingOptions options;
    private readonly Running?[] running;          // (slots,) the completion in each slot
    private readonly Completion[] completions;
    private readonly int[] slots, starts, tokens; // arguments of the next step
    private readonly float[] logits;              // (slots, V)
    private int nextPrompt, finished, batch;

    public BatchRun(Decoder model, Sampler sampler, IReadOnlyList<int[]> prompts, SamplingOptions options, int slotCount)
    {
        (this.model, this.sampler, this.prompts, this.options) = (model, sampler, prompts, options);
        running = new Running?[slotCount];
        completions = new Completion[prompts.Count];
        slots = new int[slotCount];
        starts = new int[slotCount + 1];
        tokens = new int[slotCount + Math.Max(PromptTokensPerStep, prompts.Max(prompt => prompt.Length))];
        logits = new float[checked(slotCount * model.Config.VocabSize)];
    }

    public Completion[] Complete(CancellationToken cancel)
    {
        var capacity = prompts.Max(prompt => prompt.Length + InferenceEngine.RoomFor(model.Config, prompt, options));
        using var cache = new KvCache(model.Config, running.Length, capacity);
        while (finished < prompts.Count)
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
            else if (nextPrompt < prompts.Count && (promptTokens == 0 || promptTokens + prompts[nextPrompt].Length <= PromptTokensPerStep))
            {
                var prompt = prompts[nextPrompt];
                running[slot] = new Running(nextPrompt++, InferenceEngine.RoomFor(model.Config, prompt, options));
                promptTokens += prompt.Length;
                Add(slot, prompt);
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

    private void Choose(KvCache cache)
    {
        var vocabSize = model.Config.VocabSize;
        for (var row = 0; row < batch; row++)
        {
            var slot = slots[row];
            var completion = running[slot]!;
            var u = InferenceEngine.Uniform(options.Seed, options.FirstPrompt + completion.Index, completion.Count);
            var token = sampler.Next(logits.AsSpan(row * vocabSize, vocabSize), u, out var logProb);
            completion.Append(token, logProb);
            var stopped = options.StopTokens.Contains(token);
            if (!stopped && !completion.IsFull) continue;
            completions[completion.Index] = completion.Finish(stopped ? FinishReason.Stop : FinishReason.Length);
            cache.Truncate(slot);
            running[slot] = null;
            finished++;
        }
    }

    /// <summary>A completion under way, with memory for all the tokens it may get.</summary>
    private sealed class Running(int index, int room)
    {
        private readonly int[] tokens = new int[room];
        private readonly float[] logProbs = new float[room];

        public int Index => index;
        public int Count { get; private set; }
        public bool IsFull => Count == tokens.Length;
        public ReadOnlySpan<int> Last => tokens.AsSpan(Count - 1, 1);

        public void Append(int token, float logProb)
        {
            tokens[Count] = token;
            logProbs[Count++] = logProb;
        }

        public Completion Finish(FinishReason reason) => new(tokens[..Count], logProbs[..Count], reason);
    }
}

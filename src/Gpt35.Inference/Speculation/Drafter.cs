using Gpt35.Inference.Scheduling;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Inference.Speculation;

/// <summary>
/// Runs a draft model beside a scheduler. Before every step it reads what is new in the texts of all completions under way, and guesses ahead for all of them together, one small pass for each
/// place, whose tokens are chosen on all threads. It keeps the keys and values of what it has read; a long prompt is read over several steps, during which nothing is guessed for it.
/// It is at work without the scheduler's lock, while all samples that it knows are in flight; what else is done with it is done under the lock.
/// </summary>
internal sealed class Drafter : IDisposable
{
    private readonly Decoder model;
    private readonly DraftModel options;
    private readonly Tokenizer? tokenizer;
    private readonly SamplerMemories memories;
    private readonly KvCache cache;
    private readonly BlockPool pool;
    private readonly ExtendBatch batch = new();
    private readonly List<DraftState> drafting = [];    // of the step that is being prepared, in the order of its batch
    private float[] logits = [];
    private bool forgetting;

    /// <param name="options">The draft model.</param>
    /// <param name="target">The model it guesses for.</param>
    /// <param name="blocks">Blocks of its cache, unless the options say otherwise.</param>
    /// <param name="precision">How it holds them.</param>
    /// <param name="prefixCache">Whether beginnings of texts are remembered.</param>
    /// <param name="memories">Scratch of the samplers.</param>
    /// <param name="tokenizer">Of both models.</param>
    public Drafter(DraftModel options, Decoder target, int blocks, KvPrecision precision, bool prefixCache, SamplerMemories memories, Tokenizer? tokenizer)
    {
        (model, this.options, this.memories, this.tokenizer) = (options.Decoder, options, memories, tokenizer);
        if (options.CacheTokens is { } tokens) blocks = KvCache.BlocksOf(tokens);
        cache = new KvCache(model.Config, blocks, precision);
        pool = new BlockPool(blocks, prefixCache);
        RelativeCost = (double)model.WeightBytes / target.WeightBytes;      // writing text is reading weights
    }

    /// <summary>What a token costs, as a part of what it costs with the larger model.</summary>
    public double RelativeCost { get; }

    /// <summary>Tokens computed.</summary>
    public long Tokens { get; private set; }

    public int BlocksInUse => pool.Count - pool.Available;

    /// <summary>Guesses what follows the texts of completions.</summary>
    /// <param name="samples">Those that are decoding.</param>
    /// <param name="cost">What one more token costs with both models, as a part of a pass of the larger one.</param>
    /// <param name="budget">Most tokens of text to read.</param>
    /// <param name="guesses">Most tokens to guess.</param>
    public void Guess(List<Sample> samples, double cost, int budget, int guesses)
    {
        if (Interlocked.Exchange(ref forgetting, false)) pool.ForgetAll();
        Follow(samples);
        Plan(samples, cost, budget, guesses);
        Run();
    }

    /// <summary>Goes on with the texts of completions as they are now.</summary>
    private void Follow(List<Sample> samples)
    {
        foreach (var sample in samples)
        {
            sample.Draft ??= new DraftState(sample, sample.NewChooser(memories, tokenizer), options.MostTokens);
            sample.Draft.Follow();
        }
    }

    /// <summary>Plans passes for completions that have been followed.</summary>
    private void Plan(List<Sample> samples, double cost, int budget, int guesses)
    {
        batch.Clear();
        drafting.Clear();
        foreach (var sample in samples)
        {
            if (sample.Gone) continue;                              // it was cancelled meanwhile
            var draft = sample.Draft!;
            Remember(draft);
            var most = sample.GuessLength.Next(cost, Math.Min(Math.Min(options.MostTokens, guesses), sample.MostTokens - sample.Count - 1));
            if (most == 0 || budget == 0 || IsReadForAnother(draft)) continue;
            FindKnown(draft);
            if (!Reserve(draft.Held, sample.Count + most - 1)) continue;
            var text = sample.Text[draft.Held.Length..];
            var taken = Math.Min(text.Length, budget);
            if (taken == text.Length) (draft.Wanted, guesses) = (most, guesses - most);
            batch.Add(draft.Held, text[..taken], taken == text.Length ? 1 : 0);
            drafting.Add(draft);
            budget -= taken;
        }
    }

    /// <summary>Computes the passes that were planned.</summary>
    private void Run()
    {
        if (drafting.Count == 0) return;
        Extend();
        foreach (var draft in drafting) draft.NoteRead();
        drafting.RemoveAll(static draft => draft.Wanted == 0);      // their texts are not read to the end, so they have no row of logits
        while (Choose()) Extend();
    }

    /// <summary>Forgets a sample.</summary>
    public void Release(Sample sample)
    {
        if (sample.Draft is not { } draft) return;
        draft.DropWrong();
        Remember(draft);
        while (draft.Held.BlockCount > 0) pool.Release(draft.Held.RemoveLast());
        sample.Draft = null;
    }

    /// <summary>Forgets what texts began with, before anything is guessed again.</summary>
    public void ForgetPrefixes() => Volatile.Write(ref forgetting, true);

    public void Dispose() => cache.Dispose();

    private void Extend()
    {
        Tokens += batch.TokenCount;
        var floats = (long)batch.OutputCount * model.Config.VocabSize;
        if (logits.Length < floats) logits = new float[checked((int)Math.Max(floats, 2L * logits.Length))];
        model.Extend(cache, batch, logits.AsSpan(0, (int)floats));
    }

    /// <summary>Takes a token from every row of the last pass, and prepares the next one.</summary>
    /// <returns>Whether there is one.</returns>
    private bool Choose()
    {
        Scheduler.RunChoices(model.Pool, drafting.Count, drafting.Count * (long)model.Config.VocabSize, new ChoiceJob(this));
        batch.Clear();
        drafting.RemoveAll(static draft => !draft.GoesOn);
        foreach (var draft in drafting) batch.Add(draft.Held, draft.Guess[^1..]);
        return drafting.Count > 0;
    }

    /// <summary>One token for one sample.</summary>
    private readonly struct ChoiceJob(Drafter drafter) : IParallelJob
    {
        public void Run(int part) => drafter.Choose(part);
    }

    private void Choose(int place)
    {
        var draft = drafting[place];
        try
        {
            draft.Add(logits.AsSpan(place * model.Config.VocabSize, model.Config.VocabSize));
        }
        catch (Exception exception)
        {
            draft.Sample.Failure = exception is InvalidDataException ? new InvalidDataException($"The draft model failed: {exception.Message}", exception) : exception;
        }
    }

    /// <summary>Whether another sample of the request reads the prompt in this step; this one then finds it read.</summary>
    private bool IsReadForAnother(DraftState draft)
    {
        if (draft.Held.BlockCount > 0 || draft.Sample.Generation.Request.Samples == 1) return false;
        foreach (var other in drafting)
            if (other.Sample.Generation == draft.Sample.Generation && other.BlocksKnown * KvCache.BlockTokens + KvCache.BlockTokens <= draft.Sample.PromptLength) return true;
        return false;
    }

    /// <summary>Takes over what was read for others of the beginning of the text.</summary>
    private void FindKnown(DraftState draft)
    {
        if (draft.Held.BlockCount > 0) return;
        pool.ShareKnown(ref draft.Chain, draft.Sample.Text[..^1], draft.Held);
        draft.BlocksKnown = draft.Held.BlockCount;
        draft.NoteRead();
    }

    /// <summary>Offers the blocks that have become whole to the prefix cache.</summary>
    private void Remember(DraftState draft)
    {
        for (; (draft.BlocksKnown + 1) * KvCache.BlockTokens <= draft.Held.Length; draft.BlocksKnown++)
            pool.Remember(ref draft.Chain, draft.Sample.Text.Slice(draft.BlocksKnown * KvCache.BlockTokens, KvCache.BlockTokens), draft.Held.Blocks[draft.BlocksKnown]);
    }

    /// <summary>Gives a sample blocks for that many tokens, all or none.</summary>
    private bool Reserve(KvSequence held, int length)
    {
        if (KvCache.BlocksOf(length) - held.BlockCount > pool.Available) return false;
        while (held.Capacity < length) held.Append(pool.Take());
        return true;
    }
}

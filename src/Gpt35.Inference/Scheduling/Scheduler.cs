using System.Runtime.ExceptionServices;
using Gpt35.Inference.Speculation;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Inference.Scheduling;

/// <summary>
/// Continuous batching (Orca, Yu et al. 2022) with chunked prefill (Agrawal et al. 2023): every step extends all running completions by one token in a
/// single pass, and the tokens that are left of its budget read prompts, old ones first. Since a token's numbers have the same bits in any company, nothing of
/// this shows in a text: not who else is running, nor how a prompt is cut, nor whether a completion lost its memory and was computed again.
/// One thread steps at a time; requests come and go from any thread, while a step is computed too.
/// </summary>
internal sealed partial class Scheduler : IDisposable
{
    private readonly Lock gate = new();                 // over everything but the guesses before a pass, the pass itself and the choice of tokens behind it
    private readonly Decoder model;
    private readonly EngineOptions options;
    private readonly KvCache cache;
    private readonly BlockPool pool;
    private readonly RequestQueue queue = new();
    private readonly List<Sample> running = [];         // highest priority first, then oldest
    private readonly List<Sample> inFlight = [];        // of the step under way, in the order of its batch
    private readonly List<Sample> choosing = [];        // those whose tokens are chosen behind the pass
    private readonly List<Sample> readers = [];         // of the step that is being planned: those whose text is being read
    private readonly ExtendBatch batch = new();
    private readonly SamplerMemories memories;
    private readonly Drafter? drafter;
    private float[] logits = [];
    private long nextOrder, version, draftVersion;      // of the weights that the remembered blocks were computed with
    private bool disposed;
    private long steps, promptTokens, cachedTokens, generatedTokens, guessedTokens, acceptedTokens, preemptions;

    public Scheduler(Decoder model, EngineOptions options, Tokenizer? tokenizer, int blocks)
    {
        (this.model, this.options, Tokenizer) = (model, options, tokenizer);
        cache = new KvCache(model.Config, blocks, options.CachePrecision);
        pool = new BlockPool(blocks, options.PrefixCache);
        memories = new SamplerMemories(model.Config.VocabSize, Math.Max(model.Pool.Threads, options.Draft?.Decoder.Pool.Threads ?? 0));
        (version, draftVersion) = (model.Version, options.Draft?.Decoder.Version ?? 0);
        if (options.Draft is { } draft) drafter = new Drafter(draft, model, blocks, options.CachePrecision, options.PrefixCache, memories, tokenizer);
    }

    public Tokenizer? Tokenizer { get; }

    public bool HasWork
    {
        get
        {
            lock (gate) return running.Count + queue.Count > 0;
        }
    }

    public EngineStatus Status
    {
        get
        {
            lock (gate)
                return new EngineStatus
                {
                    Waiting = queue.Count,
                    Running = running.Count,
                    Blocks = pool.Count,
                    BlocksInUse = pool.Count - pool.Available,
                    BlocksRemembered = pool.Remembered,
                    Steps = steps,
                    PromptTokens = promptTokens,
                    CachedTokens = cachedTokens,
                    GeneratedTokens = generatedTokens,
                    GuessedTokens = guessedTokens,
                    AcceptedTokens = acceptedTokens,
                    DraftTokens = drafter?.Tokens ?? 0,
                    DraftBlocksInUse = drafter?.BlocksInUse ?? 0,
                    Preemptions = preemptions,
                    Kernel = DotTiers.KernelName(model.Precision),
                };
        }
    }

    /// <summary>Takes up a request.</summary>
    /// <param name="request">A usable one.</param>
    /// <param name="queueLimit">Most requests that may wait.</param>
    /// <exception cref="QueueFullException">So many wait already.</exception>
    /// <exception cref="ArgumentException">It needs more memory than there is.</exception>
    /// <exception cref="ObjectDisposedException">The engine, the model or the adapter has been disposed of.</exception>
    public Generation Submit(GenerationRequest request, int queueLimit)
    {
        var room = InferenceEngine.RoomFor(model.Config, request.Prompt, request.Options);
        var most = request.Prompt.Length + room;
        if (KvCache.BlocksOf(most) > pool.Count)
            throw new ArgumentException($"A prompt of {request.Prompt.Length} tokens and up to {room} more need {KvCache.BlocksOf(most)} blocks of {KvCache.BlockTokens} tokens; the cache has {pool.Count}. "
                + "Ask for fewer tokens, or give the engine a larger cache.", nameof(request));
        if (request.Samples < 1 || request.Samples > options.MaxSequences)
            throw new ArgumentException($"{request.Samples} completions are asked for; expected 1 to {options.MaxSequences}, as many as the engine runs at once.", nameof(request));
        var hold = model.Hold(request.Adapter);                // before anything is looked up for it: from now on the weights stay what they are
        try
        {
            var generation = new Generation(this, request, hold);
            lock (gate)
            {
                ObjectDisposedException.ThrowIf(disposed, this);
                if (queue.Count >= queueLimit && queue.Count + running.Count >= options.MaxSequences) throw new QueueFullException(queue.Count);
                ForgetOutdated();
                queue.Add(NewSample(generation, 0));
            }
            return generation;
        }
        catch
        {
            hold.Dispose();
            throw;
        }
    }

    /// <summary>Forgets what was computed with other weights. No text is under way where they have changed, since they are held for each.</summary>
    private void ForgetOutdated()
    {
        if (version != model.Version) pool.ForgetAll();
        if (options.Draft is { } draft && draftVersion != draft.Decoder.Version) drafter!.ForgetPrefixes();
        (version, draftVersion) = (model.Version, options.Draft?.Decoder.Version ?? 0);
    }

    public void Cancel(Generation generation) => Stop(generation, new OperationCanceledException());

    /// <summary>Forgets what prompts began with.</summary>
    public void ForgetPrefixes()
    {
        lock (gate)
        {
            pool.ForgetAll();
            drafter?.ForgetPrefixes();
        }
    }

    /// <summary>One pass over the model, and the choice of the tokens behind it. Does nothing where there is nothing to do.</summary>
    public void Step()
    {
        GuessAhead();
        lock (gate)
        {
            try
            {
                Plan();
                MakeRoom(ref logits, (long)batch.OutputCount * model.Config.VocabSize);
            }
            catch
            {
                AbandonStep();
                throw;
            }
            if (inFlight.Count == 0) return;
        }
        Exception? failure = null;
        try
        {
            model.Extend(cache, batch, logits.AsSpan(0, batch.OutputCount * model.Config.VocabSize));
        }
        catch (Exception exception)
        {
            failure = exception;                               // those of the step fail with it; it is theirs to tell
        }
        lock (gate) EndPass(failure);
        ChooseTokens();
        lock (gate) Land();
    }

    /// <summary>Nothing of the step that was being planned will be computed.</summary>
    private void AbandonStep()
    {
        foreach (var sample in inFlight) sample.InFlight = false;
        inFlight.Clear();
    }

    /// <summary>Grows an array to that many numbers, and to twice what it has where that is more.</summary>
    internal static void MakeRoom<T>(ref T[] array, long count)
    {
        if (array.Length < count) array = new T[checked((int)Math.Max(count, Math.Min(2L * array.Length, Array.MaxLength)))];
    }

    /// <summary>Ends all requests.</summary>
    public void StopAll(Exception why)
    {
        lock (gate)
        {
            while (running.Count > 0) Stop(running[0].Generation, why);
            while (queue.Peek() is { } sample) Stop(sample.Generation, why);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            StopAll(new OperationCanceledException());
        }
        cache.Dispose();
        drafter?.Dispose();
    }

    private Sample NewSample(Generation generation, int index)
    {
        var request = generation.Request;
        var room = InferenceEngine.RoomFor(model.Config, request.Prompt, request.Options);
        var chooser = new TokenChooser(request.Options, memories, request.Stream + index, room, Tokenizer);
        var sample = new Sample(generation, index, nextOrder++, room, chooser, PrefixIndex.Start(PrefixSalt.Of(request))) { GuessLength = new(guessRate) };
        Volatile.Write(ref generation.Samples[index], sample);
        generation.OpenSamples++;
        return sample;
    }

    // ---- before the pass ----

    private void Plan()
    {
        batch.Clear();
        inFlight.Clear();
        MakeWay();
        var budget = options.TokensPerStep;
        PlanGuesses();
        for (var i = 0; i < running.Count; i++)
            if (running[i] is { IsDecoding: true, InFlight: false } first)
                // Those with the same adapter side by side: they share its products.
                for (var j = i; j < running.Count; j++)
                    if (running[j] is { IsDecoding: true, InFlight: false } sample && sample.Adapter == first.Adapter) budget -= Take(sample, 1, guesses: true);
        Read(budget);
    }

    /// <summary>
    /// Gives the tokens left to prompts. The oldest gets half of them, and what the others leave; of the others, those first that have least to read,
    /// so that none waits for a long one.
    /// </summary>
    private void Read(int budget)
    {
        readers.Clear();
        while (queue.Peek() is { } next && Fits(next)) Enter(queue.Take());
        foreach (var sample in running)
        {
            if (sample.IsDecoding) continue;
            FindKnown(sample);
            readers.Add(sample);
        }
        if (readers.Count == 0 || budget <= 0) return;
        var others = budget - Math.Min(readers[0].Pending, (budget + 1) / 2);
        for (var count = readers.Count - 1; count > 0 && others > 0; count--)
        {
            var place = 1;
            for (var i = 2; i <= count; i++)
                if (readers[i].Pending < readers[place].Pending) place = i;
            if (running.Contains(readers[place]))                                // its memory may have gone to another one meanwhile
            {
                var taken = Take(readers[place], others);
                (budget, others) = (budget - taken, others - taken);
            }
            readers.RemoveAt(place);
        }
        if (running.Contains(readers[0])) Take(readers[0], budget);
    }

    /// <summary>Where a sample of a higher priority waits and has no place, those of a lower one leave theirs.</summary>
    private void MakeWay()
    {
        while (queue.Peek() is { } next && running.Count > 0 && running[^1].Priority < next.Priority && !Fits(next)) Preempt(running[^1]);
    }

    /// <summary>Whether there is room for all samples of its request, and memory for its text beside those that are being read.</summary>
    private bool Fits(Sample sample)
    {
        int places = PlacesOf(sample), blocks = BlocksToCome(sample);
        foreach (var other in running) (places, blocks) = (places + PlacesOf(other), blocks + BlocksToCome(other));
        return places <= options.MaxSequences && blocks <= pool.Available;

        static int PlacesOf(Sample sample) => sample.LeadsOthers ? sample.Generation.Request.Samples : 1;
        static int BlocksToCome(Sample sample) => Math.Max(0, KvCache.BlocksOf(Math.Min(sample.Count + 1, sample.MostTokens)) - sample.Held.BlockCount);
    }

    /// <summary>Goes on in a text as far as it has been read for others.</summary>
    private void FindKnown(Sample sample)
    {
        var held = sample.Held;
        if (held.Length < held.Capacity) return;
        pool.ShareKnown(ref sample.Chain, sample.Text[held.Length..^1], held);   // the last token is computed in any case: its logits are wanted
        var found = held.Length - sample.BlocksKnown * KvCache.BlockTokens;
        sample.BlocksKnown = held.BlockCount;
        cachedTokens += found;
        if (sample.GeneratedCount == 0) sample.Generation.CachedTokens += found;
    }

    private void Enter(Sample sample)
    {
        var place = running.Count;
        while (place > 0 && RequestQueue.Precedes(sample, running[place - 1])) place--;
        running.Insert(place, sample);
    }

    /// <summary>Puts tokens of a sample into the step.</summary>
    /// <returns>How many of the budget it took: 0 where there is no memory for it now.</returns>
    private int Take(Sample sample, int most, bool guesses = false)
    {
        var taken = Math.Min(sample.Pending, most);
        var whole = taken == sample.Pending;
        if (!Reserve(sample, sample.Held.Length + taken)) return 0;
        var ahead = guesses ? ReserveGuess(sample) : 0;
        var text = sample.Text.Slice(sample.Held.Length, taken);
        if (ahead > 0)
        {
            Span<int> guessed = stackalloc int[taken + ahead];
            text.CopyTo(guessed);
            sample.Guess[..ahead].CopyTo(guessed[taken..]);
            batch.Add(sample.Held, guessed, ahead + 1, sample.Adapter);
        }
        else batch.Add(sample.Held, text, whole ? 1 : 0, sample.Adapter);
        (sample.InFlight, sample.Taken, sample.Guessed) = (true, taken, ahead);
        inFlight.Add(sample);
        queue.Serve(sample, taken);
        return taken + ahead;
    }

    /// <summary>Gives a sample blocks of its own for all tokens up to <paramref name="length"/>; where there are none left, takes them from those that come after it.</summary>
    private bool Reserve(Sample sample, int length)
    {
        var held = sample.Held;
        for (var place = held.Length / KvCache.BlockTokens; place < held.BlockCount && place * KvCache.BlockTokens < length; place++)
        {
            if (!pool.IsShared(held.Blocks[place])) continue;
            if (!TakeBlock(sample, out var own)) return false;
            cache.CopyBlock(held.Blocks[place], own);
            pool.Release(held.Blocks[place]);
            held.Replace(place, own);
        }
        while (held.Capacity < length)
        {
            if (!TakeBlock(sample, out var block)) return false;
            held.Append(block);
        }
        return true;
    }

    private bool TakeBlock(Sample sample, out int block)
    {
        while ((block = pool.Take()) < 0)
        {
            var victim = running[^1];
            for (var i = running.Count - 1; i >= 0 && (victim = running[i]) != sample; i--)
                if (!victim.InFlight && victim.Held.BlockCount > 0) break;
            if (victim == sample || victim.InFlight || victim.Held.BlockCount == 0) return false;
            Preempt(victim);
        }
        return true;
    }

    /// <summary>Takes a sample's memory away; it waits, and what it had is computed again.</summary>
    private void Preempt(Sample sample)
    {
        running.Remove(sample);
        ReleaseBlocks(sample);
        queue.Add(sample);                                     // first: a tenant that is gone in between would be forgotten, and with it what it was served
        queue.Leave(sample);
        preemptions++;
    }

    // ---- after it ----

    /// <summary>Takes note of the step that was computed, and of whose tokens are to be chosen.</summary>
    private void EndPass(Exception? failure)
    {
        steps++;
        choosing.Clear();
        for (var b = 0; b < inFlight.Count; b++)
        {
            var sample = inFlight[b];
            sample.InFlight = false;
            if (sample.Gone)
            {
                Close(sample);                                     // it was cancelled during the pass
                continue;
            }
            try
            {
                if (failure is not null) ExceptionDispatchInfo.Throw(failure);
                if (sample.GeneratedCount == 0) promptTokens += sample.Taken;
                var (first, end) = (batch.OutputStarts[b], batch.OutputStarts[b + 1]);
                if (first == end)
                {
                    Remember(sample);
                    continue;
                }
                AddChoice(sample, first, end);
                if (sample.LeadsOthers) StartOthers(sample, first);
            }
            catch (Exception exception)
            {
                Stop(sample.Generation, exception);
            }
        }
        inFlight.Clear();
    }

    private void AddChoice(Sample sample, int firstRow, int endRow)
    {
        choosing.Add(sample);
        (sample.InFlight, sample.Rows, sample.Right) = (true, (firstRow, endRow), 0);
    }

    /// <summary>The other samples of a request go on from the prompt that the first one has read.</summary>
    private void StartOthers(Sample leader, int row)
    {
        for (var index = 1; index < leader.Generation.Request.Samples; index++)
        {
            var sample = NewSample(leader.Generation, index);
            foreach (var block in leader.Held.Blocks[..KvCache.BlocksOf(leader.Count)])
            {
                pool.Share(block);
                sample.Held.Append(block);
            }
            sample.Held.SetLength(leader.Count);
            (sample.Chain, sample.BlocksKnown) = (leader.Chain, leader.BlocksKnown);
            queue.Join(sample);
            Enter(sample);
            AddChoice(sample, row, row + 1);
        }
    }

    /// <summary>Adds what was chosen to the texts.</summary>
    private void Land()
    {
        foreach (var sample in choosing)
        {
            sample.InFlight = false;
            if (sample.Gone) Close(sample);                        // it was cancelled meanwhile: nobody sees what was chosen for it
            else if (sample.Failure is { } failure) Stop(sample.Generation, failure);
            else Extend(sample);
        }
        choosing.Clear();
    }

    private void Extend(Sample sample)
    {
        var chosen = sample.Publish();
        generatedTokens += chosen;
        LearnFrom(sample, sample.Right);
        queue.Serve(sample, chosen - 1);
        sample.Held.SetLength(sample.Count - 1);                    // guesses that were wrong are dropped
        Remember(sample);
        sample.Generation.Notify();
        if (sample.Finish is not null) Finish(sample);
    }

    /// <summary>Offers the blocks that have become whole to the prefix cache.</summary>
    private void Remember(Sample sample)
    {
        for (; (sample.BlocksKnown + 1) * KvCache.BlockTokens <= sample.Held.Length; sample.BlocksKnown++)
            pool.Remember(ref sample.Chain, sample.Text.Slice(sample.BlocksKnown * KvCache.BlockTokens, KvCache.BlockTokens), sample.Held.Blocks[sample.BlocksKnown]);
    }

    private void Finish(Sample sample)
    {
        Leave(sample);
        sample.Generation.Finish(sample);
    }

    /// <summary>Ends a request before its time.</summary>
    private void Stop(Generation generation, Exception why)
    {
        lock (gate)
        {
            foreach (var sample in generation.Samples)
                if (sample is { Gone: false }) Leave(sample);
            generation.Fail(why);
        }
    }

    private void Leave(Sample sample)
    {
        sample.Gone = true;
        if (running.Remove(sample)) queue.Leave(sample);
        else queue.Remove(sample);
        if (!sample.InFlight) Close(sample);
    }

    /// <summary>Of a sample that has left nothing remains to be computed; with the last one of its request, weights and adapter need not stay any longer.</summary>
    private void Close(Sample sample)
    {
        ReleaseBlocks(sample);
        if (--sample.Generation.OpenSamples == 0) sample.Generation.Hold.Dispose();
    }

    /// <summary>Lets go of the last block first, so that of a remembered text the end is forgotten before the beginning.</summary>
    private void ReleaseBlocks(Sample sample)
    {
        while (sample.Held.BlockCount > 0) pool.Release(sample.Held.RemoveLast());
        (sample.Chain, sample.BlocksKnown) = (sample.FirstChain, 0);
        drafter?.Release(sample);
    }
}

using System.Runtime.CompilerServices;
using Gpt35.Inference.Scheduling;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Inference;

/// <summary>
/// Generates from a decoder, many requests at once: <see cref="Submit"/> and <see cref="StreamAsync"/> for a server, where requests come and go while others
/// run; <see cref="Generate(IReadOnlyList{GenerationRequest}, CancellationToken)"/> for a set of prompts on the calling thread. A completion has the same bits alone and in any company, whatever
/// <see cref="EngineOptions"/> say. A prompt and its completion together never exceed the model's context; a completion that reaches its end finishes with
/// <see cref="FinishReason.Length"/>. For any number of threads. Passes of others over the decoder (scoring, another engine) take turns with the engine's; as long as a request is under way, a
/// training pass over the decoder and a change of its weights are refused, and between requests both are welcome: what was remembered of the old weights is forgotten.
/// </summary>
public sealed partial class InferenceEngine : IDisposable
{
    /// <summary>Tokens per step where an engine generates for a set of prompts: nobody waits for single tokens, so prompts may go in large pieces.</summary>
    public const int PromptTokensPerStep = 2048;

    private readonly Decoder model;
    private readonly Tokenizer? tokenizer;
    private readonly EngineOptions options;
    private readonly Turns oneStep = new();         // whoever computes with the model
    private readonly Lock oneLife = new();
    private readonly SemaphoreSlim work = new(0);
    private Scheduler? lasting;                      // of Submit; sets of prompts without one get their own for as long as they take
    private Thread? driver;
    private bool disposed;

    /// <summary>An engine for sets of prompts, from one of which to the next nothing is remembered.</summary>
    /// <param name="model">The decoder.</param>
    /// <param name="maxBatch">Most completions under way together.</param>
    /// <param name="tokenizer">The model's; needed for stop strings and for texts.</param>
    public InferenceEngine(Decoder model, int maxBatch = 64, Tokenizer? tokenizer = null)
        : this(model, new EngineOptions { MaxSequences = maxBatch, TokensPerStep = Math.Max(maxBatch, PromptTokensPerStep) }, tokenizer)
    {
    }

    /// <param name="model">The decoder.</param>
    /// <param name="options">How much to do at once.</param>
    /// <param name="tokenizer">The model's; needed for stop strings and for texts.</param>
    /// <exception cref="ArgumentException">An option is outside its range.</exception>
    public InferenceEngine(Decoder model, EngineOptions options, Tokenizer? tokenizer = null)
    {
        options.Validate(model.Config);
        (this.model, this.options, this.tokenizer) = (model, options, tokenizer);
    }

    public ModelConfig Config => model.Config;

    /// <summary>Longest prompt and completion together, in tokens: the model's context, or the cache where <see cref="EngineOptions.CacheTokens"/> made it smaller.</summary>
    public int ContextLength => (int)Math.Min(Config.MaxPositionEmbeddings, options.CacheTokens is { } tokens ? (long)KvCache.BlocksOf(tokens) * KvCache.BlockTokens : int.MaxValue);

    /// <summary>The model's tokenizer, where the engine was given it.</summary>
    public Tokenizer? Tokenizer => tokenizer;

    /// <summary>Held by whoever computes with the model.</summary>
    internal Turns Steps => oneStep;

    /// <summary>What the engine does, and has done since the first <see cref="Submit"/>.</summary>
    public EngineStatus Status => lasting?.Status ?? new EngineStatus { Kernel = DotTiers.KernelName(model.Precision) };

    /// <summary>One completion per prompt, in order. Prompt i draws from the random stream (seed, first + i).</summary>
    /// <exception cref="ArgumentException">A prompt is empty, holds an id outside the vocabulary or leaves no room in the context; or an option is out of range.</exception>
    public Completion[] Generate(IReadOnlyList<int[]> prompts, SamplingOptions options, CancellationToken cancel = default) =>
        Generate([.. prompts.Select((prompt, i) => new GenerationRequest(prompt, options, options.FirstPrompt + i))], cancel);

    /// <summary>The completions of all requests, in order; of one with several samples, one after the other. Each is what it would be without the others.</summary>
    /// <exception cref="ArgumentException">A prompt is empty, holds an id outside the vocabulary or leaves no room in the context; an option is out of range; or an adapter does not fit the model.</exception>
    /// <exception cref="ObjectDisposedException">The engine, the model or an adapter was disposed of.</exception>
    public Completion[] Generate(IReadOnlyList<GenerationRequest> requests, CancellationToken cancel = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        requests = [.. requests.Select(Copy)];
        for (var i = 0; i < requests.Count; i++) RequireUsable(requests[i], i);
        if (requests.Count == 0) return [];
        return WithScheduler(requests, scheduler =>
        {
            var generations = new List<Generation>(requests.Count);
            try
            {
                foreach (var request in requests) generations.Add(scheduler.Submit(request, int.MaxValue));
                foreach (var generation in generations) Drive(scheduler, generation, cancel);
                return (Completion[])[.. generations.SelectMany(generation => generation.Completions.GetAwaiter().GetResult())];
            }
            finally
            {
                foreach (var generation in generations) generation.Cancel();
            }
        });
    }

    /// <summary>Takes up a request, which is computed on a thread of the engine.</summary>
    /// <exception cref="ArgumentException">The prompt is empty, holds an id outside the vocabulary or leaves no room in the context or the cache; an option is out of range; or the adapter does not fit the model.</exception>
    /// <exception cref="QueueFullException">As many requests wait as may.</exception>
    /// <exception cref="ObjectDisposedException">The engine, the model or the adapter was disposed of.</exception>
    public Generation Submit(GenerationRequest request)
    {
        request = Copy(request);
        RequireUsable(request, 0);
        lock (oneLife)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            lasting ??= new Scheduler(model, options, tokenizer, BlocksFor(options.MaxSequences, model.Config.MaxPositionEmbeddings));
            if (driver is null)
            {
                driver = new Thread(DriveAlways) { IsBackground = true, Name = "Inference engine" };
                driver.Start();
            }
        }
        var generation = lasting.Submit(request, options.QueueLimit);
        work.Release();
        return generation;
    }

    /// <summary>The tokens of a request, which is taken up at once, as they come. Cancelling, or leaving the enumeration, stops it; so does cancelling before there is one.</summary>
    /// <exception cref="ArgumentException">As <see cref="Submit"/>.</exception>
    /// <exception cref="QueueFullException">As <see cref="Submit"/>.</exception>
    public IAsyncEnumerable<GeneratedToken> StreamAsync(GenerationRequest request, CancellationToken cancel = default)
    {
        cancel.ThrowIfCancellationRequested();
        var generation = Submit(request);
        var registration = cancel.UnsafeRegister(static stopped => ((Generation)stopped!).Cancel(), generation);
        generation.Completions.ContinueWith(static (_, ended) => ((CancellationTokenRegistration)ended!).Unregister(), registration,
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return Tokens(cancel);

        async IAsyncEnumerable<GeneratedToken> Tokens([EnumeratorCancellation] CancellationToken either)
        {
            try
            {
                await foreach (var token in generation.TokensAsync(either).ConfigureAwait(false)) yield return token;
            }
            finally
            {
                generation.Cancel();
            }
        }
    }

    /// <summary>The completions of a request.</summary>
    /// <exception cref="ArgumentException">As <see cref="Submit"/>.</exception>
    /// <exception cref="QueueFullException">As <see cref="Submit"/>.</exception>
    public async Task<Completion[]> CompleteAsync(GenerationRequest request, CancellationToken cancel = default)
    {
        cancel.ThrowIfCancellationRequested();
        var generation = Submit(request);
        await using var registration = cancel.Register(generation.Cancel).ConfigureAwait(false);
        try
        {
            return await generation.Completions.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancel);       // says whose wish it was
        }
    }

    /// <summary>Forgets all beginnings of prompts; to be called when numbers of the weights or of an adapter have been written over outside of <see cref="ParameterSet.BeginChange"/>.</summary>
    public void ForgetPrefixes() => lasting?.ForgetPrefixes();

    /// <summary>Stops all requests and the thread. When it returns, nothing computes with the model on the engine's behalf; embeddings and scores that others have asked for end as cancelled.</summary>
    public void Dispose()
    {
        lock (oneLife)
        {
            if (disposed) return;
            disposed = true;
        }
        work.Release();
        driver?.Join();
        using (oneStep.Take()) lasting?.Dispose();          // a set of prompts may be taking a step on another thread
    }

    /// <summary>The turn of a thread that computes on behalf of its caller.</summary>
    /// <exception cref="OperationCanceledException">The engine was disposed of meanwhile.</exception>
    private Turns.Turn TakeTurn()
    {
        var turn = oneStep.Take();
        if (!Volatile.Read(ref disposed)) return turn;
        turn.Dispose();
        throw new OperationCanceledException("The engine was disposed of.");
    }

    /// <summary>The request as it is now: what its caller writes into arrays and lists later changes nothing.</summary>
    private static GenerationRequest Copy(GenerationRequest request) => request with
    {
        Prompt = [.. request.Prompt],
        Options = request.Options with
        {
            LogitBias = request.Options.LogitBias.Count == 0 ? request.Options.LogitBias : new Dictionary<int, double>(request.Options.LogitBias),
            StopTokens = [.. request.Options.StopTokens],
            StopStrings = [.. request.Options.StopStrings],
        },
    };

    /// <summary>Whatever is wrong with a request is told here: in the step it would end all others too.</summary>
    private void RequireUsable(GenerationRequest request, int index)
    {
        RequireUsable(model.Config, request, index, tokenizer);
        if (request.Adapter is { } adapter) model.RequireAdapter(adapter);
    }

    private T WithScheduler<T>(IReadOnlyList<GenerationRequest> requests, Func<Scheduler, T> use)
    {
        if (lasting is { } scheduler) return use(scheduler);
        var sequences = Math.Min(options.MaxSequences, requests.Sum(request => request.Samples));
        var longest = requests.Max(request => request.Prompt.Length + RoomFor(model.Config, request.Prompt, request.Options));
        using var own = new Scheduler(model, options, tokenizer, BlocksFor(sequences, longest));
        return use(own);
    }

    /// <summary>Steps until a generation has ended; of the others in the engine too.</summary>
    private void Drive(Scheduler scheduler, Generation generation, CancellationToken cancel)
    {
        while (!generation.Completions.IsCompleted)
        {
            cancel.ThrowIfCancellationRequested();
            using (TakeTurn()) scheduler.Step();
        }
    }

    private void DriveAlways()
    {
        while (true)
        {
            work.Wait();
            while (!Volatile.Read(ref disposed) && lasting!.HasWork)
            {
                try
                {
                    using (oneStep.Take()) lasting.Step();
                }
                catch (Exception exception)
                {
                    lasting.StopAll(exception);                   // a speculator that fails, say: those who wait must learn of it
                }
            }
            if (Volatile.Read(ref disposed)) return;
        }
    }

    /// <summary>
    /// Blocks of the cache: those that were asked for; else as many as so many texts of that length can need, within a quarter of the memory that the process may take, the draft model's cache included; but
    /// at least as many as one text of that length needs.
    /// </summary>
    internal int BlocksFor(int sequences, int longest)
    {
        if (options.CacheTokens is { } tokens) return KvCache.BlocksOf(tokens);
        var (budget, blockBytes) = (MemoryBudget, MemoryUse.OfCache(model.Config, 1, KvCache.BlockTokens, options.CachePrecision));
        if (options.Draft is { } draft)
        {
            var draftBytes = MemoryUse.OfCache(draft.Decoder.Config, 1, KvCache.BlockTokens, options.CachePrecision);
            if (draft.CacheTokens is { } own) budget -= KvCache.BlocksOf(own) * draftBytes;
            else blockBytes += draftBytes;                          // it has as many blocks
        }
        var one = KvCache.BlocksOf(longest);
        return (int)Math.Max(one, Math.Min((long)sequences * one, Math.Min(budget / blockBytes, Array.MaxLength / KvCache.BlockTokens)));
    }

    /// <summary>What the caches of keys and values may take, in bytes.</summary>
    internal long MemoryBudget { private get; init; } = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4;

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

using Gpt35.Inference.Tests.Constraints;
using Gpt35.Inference.Tests.Scheduling;
using Gpt35.Inference.Tests.Speculation;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Tests;

/// <summary>Everything at once: many threads, every option, two adapters, little memory, requests that are left, cancelled or cut off by the end of the engine.</summary>
public sealed class StressTests : IDisposable
{
    private const int Threads = 6;

    private readonly TinyModel tiny = new(Documents.Tokenizer.VocabSize, context: 96);
    private readonly Decoder draft;
    private readonly LoraAdapter[] adapters;
    private readonly GenerationRequest[] requests;

    public StressTests()
    {
        draft = Drafts.Noisy(tiny.Decoder, 0.1);
        adapters = [Adapter(1), Adapter(2)];
        var random = new Random(21);
        requests = [.. Drafts.Requests(random, tiny.Decoder.Config, 60).Select(request => request with { Adapter = random.Next(3) is > 0 and var which ? adapters[which - 1] : null })];
    }

    public void Dispose()
    {
        foreach (var adapter in adapters) adapter.Dispose();
        draft.Dispose();
        tiny.Dispose();
    }

    private InferenceEngine Engine(string guesser) => new(tiny.Decoder, new EngineOptions
    {
        MaxSequences = 6,
        TokensPerStep = 40,
        CacheTokens = 12 * KvCache.BlockTokens,                              // completions take memory from each other
        GuessCost = 0.1,
        Speculator = guesser == "lookup" ? new PromptLookup() : null,
        Draft = guesser == "draft" ? new DraftModel(draft) { CacheTokens = 10 * KvCache.BlockTokens } : null,
    }, Documents.Tokenizer);

    private LoraAdapter Adapter(ulong seed)
    {
        var adapter = LoraAdapter.Create(tiny.Decoder.Config, new LoraConfig { Rank = 2, Alpha = 4, Targets = [LoraTarget.CAttn, LoraTarget.Down] }, seed);
        var values = adapter.Parameters.Values;
        for (var i = 0; i < values.Length; i++) values[i] += 0.3f * CounterRandom.Normal(seed, (ulong)i);
        return adapter;
    }

    [Theory]
    [InlineData("none")]
    [InlineData("lookup")]
    [InlineData("draft")]
    public async Task Whoever_stays_gets_the_text_he_would_get_alone_and_nothing_is_held_afterwards(string guesser)
    {
        using var plain = new InferenceEngine(tiny.Decoder, 4, Documents.Tokenizer);
        var expected = requests.Select(request => plain.Generate([request], TestContext.Current.CancellationToken).Select(Drafts.Bits).ToArray()).ToArray();
        using var engine = Engine(guesser);
        var stayed = 0;
        await OnThreads(async random =>
        {
            for (var i = 0; i < 80; i++)
            {
                var which = random.Next(requests.Length);
                if (random.Next(20) == 0) engine.ForgetPrefixes();
                if (await Use(engine, requests[which], random) is not { } found) continue;
                Assert.Equal(expected[which], found.Select(Drafts.Bits));
                Interlocked.Increment(ref stayed);
            }
        });
        Assert.InRange(stayed, Threads * 10, Threads * 80);
        await engine.CompleteAsync(requests[0], TestContext.Current.CancellationToken);              // ends behind the step in which the last one was cancelled
        var status = engine.Status;
        Assert.True(status.Preemptions > 0 && status.CachedTokens > 0);
        Assert.Equal(guesser != "none", status.AcceptedTokens > 0);
        RequireNothingHeld(status);
    }

    [Theory]
    [InlineData("none", 1)]
    [InlineData("lookup", 2)]
    [InlineData("draft", 3)]
    [InlineData("draft", 4)]
    public async Task An_engine_that_is_disposed_of_in_the_middle_ends_everybody_and_holds_nothing(string guesser, int seed)
    {
        var engine = Engine(guesser);
        var (begun, ended) = (0, 0);
        var users = OnThreads(async random =>
        {
            try
            {
                while (true)
                {
                    Interlocked.Increment(ref begun);
                    await Use(engine, requests[random.Next(requests.Length)], random);
                }
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
            {
                Interlocked.Increment(ref ended);
            }
        });
        SpinWait.SpinUntil(() => Volatile.Read(ref begun) > 40 * seed || users.IsCompleted);
        engine.Dispose();
        Assert.Equal((0, 0, 0), (engine.Status.Waiting, engine.Status.Running, engine.Status.BlocksInUse));          // when it returns, not at some time later
        await users;
        Assert.Equal(Threads, ended);
        RequireNothingHeld(engine.Status);
    }

    /// <summary>One request, used in a way of which there are many.</summary>
    /// <returns>Its completions, where somebody waited for them.</returns>
    private static async Task<Completion[]?> Use(InferenceEngine engine, GenerationRequest request, Random random)
    {
        using var cancel = new CancellationTokenSource();
        switch (random.Next(6))
        {
            case 0:
                return engine.Generate([request], CancellationToken.None);
            case 1:
                var left = random.Next(6);
                await foreach (var _ in engine.StreamAsync(request, CancellationToken.None))
                    if (left-- == 0) break;
                return null;
            case 2:
                var generation = engine.Submit(request);
                Thread.SpinWait(random.Next(20_000));
                generation.Cancel();
                Assert.True(generation.Completions.IsCompleted);
                return null;
            case 3:
                var task = engine.CompleteAsync(request, cancel.Token);
                Thread.SpinWait(random.Next(20_000));
                await cancel.CancelAsync();
                try
                {
                    return await task;                                       // it may be faster
                }
                catch (OperationCanceledException stopped) when (stopped.CancellationToken == cancel.Token)
                {
                    return null;
                }
            case 4:
                var streamed = engine.Submit(request);
                await foreach (var _ in streamed.TokensAsync(CancellationToken.None))
                {
                }
                return await streamed.Completions;
            default:
                return await engine.CompleteAsync(request, CancellationToken.None);
        }
    }

    private static Task OnThreads(Func<Random, Task> use) => Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(() => use(new Random(thread)))));

    private void RequireNothingHeld(EngineStatus status)
    {
        Assert.Equal((0, 0, 0, 0), (status.Waiting, status.Running, status.BlocksInUse, status.DraftBlocksInUse));
        tiny.Decoder.Parameters.BeginChange().Dispose();
        foreach (var adapter in adapters) adapter.Parameters.BeginChange().Dispose();
    }
}

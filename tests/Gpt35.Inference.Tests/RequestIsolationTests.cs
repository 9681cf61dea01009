using Gpt35.Inference.Scheduling;
using Gpt35.Inference.Tests.Constraints;
using Gpt35.Inference.Tests.Scheduling;
using Gpt35.Model;

namespace Gpt35.Inference.Tests;

/// <summary>What goes wrong with one request, or is done to it by its caller, stays with it.</summary>
public sealed class RequestIsolationTests : IDisposable
{
    private readonly TinyModel tiny = new(context: 96);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => tiny.Dispose();

    private static GenerationRequest Request(int first, int tokens = 20) => new([first, 2, 3], new SamplingOptions { MaxTokens = tokens, Seed = 7 });

    [Fact]
    public async Task A_speculator_that_fails_ends_its_request_only_and_leaves_no_memory_taken()
    {
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions { MaxSequences = 4, TokensPerStep = 64, GuessCost = 0, Speculator = new FailingFor(9) });
        var bad = engine.CompleteAsync(Request(9), Cancel);
        var good = await Task.WhenAll(Enumerable.Range(1, 5).Select(first => engine.CompleteAsync(Request(first), Cancel)));
        Assert.Equal("no guess for 9", (await Assert.ThrowsAsync<NotSupportedException>(() => bad)).Message);
        Assert.Equal(Enumerable.Range(1, 5).Select(first => Engines.Alone(tiny.Decoder, Request(first))), good.Select(completions => completions[0].Tokens));
        Assert.Equal(0, engine.Status.BlocksInUse);
        tiny.Decoder.Parameters.BeginChange().Dispose();
    }

    /// <summary>A model may have more ids than its tokenizer: vocabularies are padded. The step that draws one of them holds the tokens of others too.</summary>
    [Fact]
    public async Task An_id_that_the_tokenizer_does_not_have_ends_its_own_request_and_no_other()
    {
        using var wide = new TinyModel(Documents.Tokenizer.VocabSize + 3, context: 96);
        using var engine = new InferenceEngine(wide.Decoder, new EngineOptions { MaxSequences = 8, TokensPerStep = 64 }, Documents.Tokenizer);
        GenerationRequest Drawing(int id, int first) => Request(first, 6) with { Options = new SamplingOptions { MaxTokens = 6, Temperature = 0, LogitBias = new Dictionary<int, double> { [id] = 100 } } };
        Task<Completion[]>[] tasks;
        using (engine.Steps.Take())
            tasks = [.. Enumerable.Range(0, 6).Select(i => engine.CompleteAsync(Drawing(i == 1 ? Documents.Tokenizer.VocabSize + 1 : 40 + i, i), Cancel))];
        Assert.Contains($"Id {Documents.Tokenizer.VocabSize + 1} is not in the vocabulary", (await Assert.ThrowsAsync<InvalidDataException>(() => tasks[1])).Message);
        for (var i = 0; i < 6; i++)
            if (i != 1) Assert.Equal(Enumerable.Repeat(40 + i, 6), (await tasks[i])[0].Tokens);
        Assert.Equal((0, 0, 0), (engine.Status.Waiting, engine.Status.Running, engine.Status.BlocksInUse));
        wide.Decoder.Parameters.BeginChange().Dispose();                    // nobody holds the weights any more
    }

    [Fact]
    public async Task What_a_caller_writes_into_its_arrays_later_changes_nothing()
    {
        int[] prompt = [1, 2, 3];
        List<int> stops = [];
        var biases = new Dictionary<int, double> { [4] = 2 };
        var request = new GenerationRequest(prompt, new SamplingOptions { MaxTokens = 20, Seed = 7, StopTokens = stops, LogitBias = biases }) { Samples = 3 };
        var expected = Enumerable.Range(0, 3).Select(sample => Engines.Alone(tiny.Decoder, request, sample)).ToArray();
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions());
        Task<Completion[]> completions, others;
        using (engine.Steps.Take())
        {
            completions = engine.CompleteAsync(request, Cancel);
            others = engine.CompleteAsync(Request(5), Cancel);
            prompt[0] = -1;
            stops.AddRange(Enumerable.Range(0, 50));
            biases[1000] = 3;
        }
        Assert.Equal(expected, (await completions).Select(completion => completion.Tokens));
        Assert.Equal(Engines.Alone(tiny.Decoder, Request(5)), (await others)[0].Tokens);
    }

    [Fact]
    public async Task A_stream_that_is_cancelled_before_anybody_reads_it_ends()
    {
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions());
        using var cancel = new CancellationTokenSource();
        IAsyncEnumerable<GeneratedToken> stream;
        using (engine.Steps.Take())
        {
            stream = engine.StreamAsync(Request(1, 80), cancel.Token);
            Assert.Equal(1, engine.Status.Waiting);
            await cancel.CancelAsync();
            Assert.Equal(0, engine.Status.Waiting);
        }
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.GetAsyncEnumerator(Cancel).MoveNextAsync());
        Assert.Throws<OperationCanceledException>(() => { engine.StreamAsync(Request(1), cancel.Token); });
    }

    [Fact]
    public async Task A_cancelled_completion_says_whose_wish_it_was()
    {
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions());
        using var cancel = new CancellationTokenSource();
        Task<Completion[]> completing;
        using (engine.Steps.Take())
        {
            completing = engine.CompleteAsync(Request(1), cancel.Token);
            await cancel.CancelAsync();
        }
        Assert.Equal(cancel.Token, (await Assert.ThrowsAnyAsync<OperationCanceledException>(() => completing)).CancellationToken);
    }

    [Fact]
    public async Task Tokens_have_one_reader_at_a_time()
    {
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions());
        var generation = engine.Submit(Request(1));
        await using (var first = generation.TokensAsync(Cancel).GetAsyncEnumerator(Cancel))
        {
            Assert.True(await first.MoveNextAsync());
            await using var second = generation.TokensAsync(Cancel).GetAsyncEnumerator(Cancel);
            Assert.Contains("one reader at a time", (await Assert.ThrowsAsync<InvalidOperationException>(async () => await second.MoveNextAsync())).Message);
        }
        var tokens = new List<int>();
        await foreach (var token in generation.TokensAsync(Cancel)) tokens.Add(token.Token);
        Assert.Equal(Engines.Alone(tiny.Decoder, Request(1)), tokens);
    }

    [Fact]
    public void Tenants_whose_names_differ_in_half_a_character_share_nothing()
    {
        var names = new[] { "\uD800", "\uD801", "\uFFFD", "?" };
        Assert.Equal(4, names.Select(name => PrefixSalt.Of(Request(1) with { Tenant = name })).Distinct().Count());
    }

    [Fact]
    public async Task An_engine_that_is_disposed_of_ends_sets_of_prompts_and_whole_texts_too()
    {
        var engine = new InferenceEngine(tiny.Decoder, new EngineOptions { MaxSequences = 1, TokensPerStep = 1 });
        var hold = engine.Steps.Take();
        var generating = Task.Run(() => engine.Generate([Request(1, 90)], Cancel), Cancel);
        var embedding = Task.Run(() => engine.Embed([new int[96]], cancel: Cancel), Cancel);
        SpinWait.SpinUntil(() => engine.Steps.Count == 3);                  // both wait behind us
        var disposing = Task.Run(engine.Dispose, Cancel);
        SpinWait.SpinUntil(() => engine.Steps.Count == 4);
        hold.Dispose();
        await disposing;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generating);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => embedding);
        Assert.Throws<ObjectDisposedException>(() => engine.Generate([Request(1)], Cancel));
        Assert.Throws<ObjectDisposedException>(() => engine.Embed([[1]]));
        Assert.Throws<ObjectDisposedException>(() => engine.Score([[1, 2]]));
    }

    [Fact]
    public void A_request_that_waits_takes_memory_for_its_prompt_and_not_for_all_that_it_may_become()
    {
        var config = tiny.Decoder.Config with { MaxPositionEmbeddings = 1 << 20 };
        using var model = Decoder.Create(config, 1, Kernels.WorkerPool.Shared);
        using var engine = new InferenceEngine(model, new EngineOptions { MaxSequences = 1, CacheTokens = 1 << 20 });
        using var hold = engine.Steps.Take();
        engine.Submit(Request(1)).Cancel();
        var request = new GenerationRequest([1], new SamplingOptions { MaxTokens = 1 << 19, TopLogProbs = 20, PresencePenalty = 1 });
        var before = GC.GetAllocatedBytesForCurrentThread();
        var generation = engine.Submit(request);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 300_000);
        generation.Cancel();
    }

    private sealed class FailingFor(int first) : ISpeculator
    {
        public int MostTokens => 3;

        public int Guess(ReadOnlySpan<int> tokens, Span<int> guess) => tokens[0] == first ? throw new NotSupportedException($"no guess for {first}") : -1;
    }
}

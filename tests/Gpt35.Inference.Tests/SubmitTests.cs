using Gpt35.Inference.Tests.Scheduling;

namespace Gpt35.Inference.Tests;

/// <summary>Requests that come and go from many threads. What the plain loop finds is found before or after: the decoder is the engine's while it runs.</summary>
public sealed class SubmitTests : IDisposable
{
    private readonly TinyModel tiny = new(context: 96);

    public void Dispose() => tiny.Dispose();

    private InferenceEngine Engine(EngineOptions? options = null) => new(tiny.Decoder, options ?? new EngineOptions { MaxSequences = 6, TokensPerStep = 40, CacheTokens = 320 });

    private int[][] Expected(GenerationRequest request) => [.. Enumerable.Range(0, request.Samples).Select(sample => Engines.Alone(tiny.Decoder, request, sample))];

    [Fact]
    public async Task Every_way_to_ask_gives_the_text_of_the_plain_loop_from_many_threads_at_once()
    {
        var requests = Engines.Requests(new Random(5), tiny.Decoder.Config, 120);
        var expected = requests.Select(Expected).ToArray();
        var texts = requests.Select(request => request.Prompt).ToArray();
        var (vectors, scores) = (tiny.Engine().Embed(texts), tiny.Engine().Score(texts));
        using var engine = Engine();
        var found = new int[requests.Length][][];
        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(async () =>
        {
            for (var i = thread; i < requests.Length; i += 8)
            {
                found[i] = (i / 8 % 3) switch
                {
                    0 => [.. (await engine.CompleteAsync(requests[i])).Select(completion => completion.Tokens)],
                    1 => [.. engine.Generate([requests[i]]).Select(completion => completion.Tokens)],
                    _ => await Streamed(engine, requests[i]),
                };
                if (i % 10 == 0) Assert.Equal(vectors[i], engine.Embed([texts[i]])[0]);
                if (i % 10 == 5) Assert.Equal(scores[i].Chosen, engine.Score([texts[i]])[0].Chosen);
            }
        })));
        Assert.Equal(expected, found);
        Assert.Equal((0, 0, 0), (engine.Status.Waiting, engine.Status.Running, engine.Status.BlocksInUse));
    }

    private static async Task<int[][]> Streamed(InferenceEngine engine, GenerationRequest request)
    {
        var samples = Enumerable.Range(0, request.Samples).Select(_ => new List<int>()).ToArray();
        var ended = new FinishReason?[request.Samples];
        await foreach (var token in engine.StreamAsync(request))
        {
            Assert.Null(ended[token.Sample]);
            samples[token.Sample].Add(token.Token);
            ended[token.Sample] = token.Finish;
        }
        Assert.DoesNotContain(null, ended);
        return [.. samples.Select(sample => sample.ToArray())];
    }

    [Fact]
    public async Task Whoever_leaves_an_enumeration_or_cancels_frees_his_memory_and_the_others_texts_stay()
    {
        var requests = Engines.Requests(new Random(6), tiny.Decoder.Config, 160);
        using var engine = Engine();
        var survivors = new Dictionary<int, int[][]>();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(async () =>
        {
            for (var i = thread; i < requests.Length; i += 8)
                switch (i / 8 % 4)
                {
                    case 0:
                        await foreach (var _ in engine.StreamAsync(requests[i])) break;
                        break;
                    case 1:
                        engine.Submit(requests[i]).Cancel();
                        break;
                    case 2:
                        using (var cancel = new CancellationTokenSource())
                        {
                            var task = engine.CompleteAsync(requests[i], cancel.Token);
                            await cancel.CancelAsync();
                            try
                            {
                                await task;                                     // it may be faster
                            }
                            catch (OperationCanceledException)
                            {
                            }
                        }
                        break;
                    default:
                        var text = (await engine.CompleteAsync(requests[i])).Select(completion => completion.Tokens).ToArray();
                        lock (survivors) survivors[i] = text;
                        break;
                }
        })));
        Assert.Equal(40, survivors.Count);
        // What was cancelled in the middle of a step is free when that step has ended, and a later request ends after it.
        await engine.CompleteAsync(new GenerationRequest([1], new SamplingOptions { MaxTokens = 2 }));
        Assert.Equal((0, 0, 0), (engine.Status.Waiting, engine.Status.Running, engine.Status.BlocksInUse));
        foreach (var (i, text) in survivors) Assert.Equal(Expected(requests[i]), text);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_left_enumeration_held_is_free_at_once(bool byCancelling)
    {
        using var engine = Engine();
        using var cancel = new CancellationTokenSource();
        using var steps = new StepByStep(engine);
        var request = new GenerationRequest([1, 2, 3], new SamplingOptions { MaxTokens = 50 }) { Samples = 2 };
        await using (var tokens = engine.StreamAsync(request, cancel.Token).GetAsyncEnumerator())
        {
            Assert.Equal((1, 0), (engine.Status.Waiting, engine.Status.Running));
            steps.Step();
            for (var sample = 0; sample < 2; sample++)
            {
                Assert.True(await tokens.MoveNextAsync());
                Assert.Equal(sample, tokens.Current.Sample);
            }
            Assert.Equal((0, 2), (engine.Status.Waiting, engine.Status.Running));
            if (byCancelling)
            {
                var next = tokens.MoveNextAsync();
                await cancel.CancelAsync();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await next);
            }
        }
        Assert.Equal((0, 0, 0), (engine.Status.Waiting, engine.Status.Running, engine.Status.BlocksInUse));
        Assert.Equal(2, engine.Status.GeneratedTokens);
    }

    [Fact]
    public async Task A_cancelled_enumeration_ends_with_what_was_there()
    {
        using var engine = Engine();
        using var cancel = new CancellationTokenSource();
        var request = new GenerationRequest([1, 2, 3], new SamplingOptions { MaxTokens = 90 });
        var expected = Expected(request)[0];
        var received = new List<int>();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var token in engine.StreamAsync(request).WithCancellation(cancel.Token))
            {
                received.Add(token.Token);
                if (received.Count == 4) await cancel.CancelAsync();
            }
        });
        Assert.True(received.Count >= 4);
        Assert.Equal(expected[..received.Count], received);
    }

    [Fact]
    public async Task One_request_too_many_is_refused_and_the_others_are_served()
    {
        using var engine = Engine(new EngineOptions { MaxSequences = 1, QueueLimit = 3 });
        var request = new GenerationRequest([1, 2, 3], new SamplingOptions { MaxTokens = 5 });
        var expected = Expected(request)[0];
        var hold = engine.Steps.Take();                                  // nothing is computed meanwhile
        var taken = Enumerable.Range(0, 3).Select(_ => engine.Submit(request)).ToList();
        Assert.Equal(3, engine.Status.Waiting);
        Assert.Contains("3 requests", Assert.Throws<QueueFullException>(() => { engine.Submit(request); }).Message);
        taken[1].Cancel();
        taken.Add(engine.Submit(request));
        hold.Dispose();
        foreach (var generation in taken.Where(generation => generation != taken[1])) Assert.Equal(expected, (await generation.Completions)[0].Tokens);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => taken[1].Completions);
    }

    [Fact]
    public async Task An_engine_that_is_disposed_of_cancels_what_runs_and_refuses_what_comes()
    {
        var engine = Engine();
        var request = new GenerationRequest([1, 2, 3], new SamplingOptions { MaxTokens = 80 }) { Samples = 2 };
        var hold = engine.Steps.Take();
        var generations = Enumerable.Range(0, 5).Select(_ => engine.Submit(request)).ToList();
        var reading = Task.Run(() => Streamed(engine, request));
        SpinWait.SpinUntil(() => engine.Status.Waiting == 6);
        var disposing = Task.Run(engine.Dispose);
        SpinWait.SpinUntil(() =>
        {
            try
            {
                engine.Submit(request).Cancel();
                return false;
            }
            catch (ObjectDisposedException)
            {
                return true;
            }
        });
        hold.Dispose();
        await disposing;
        foreach (var generation in generations) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generation.Completions);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        Assert.Throws<ObjectDisposedException>(() => { engine.Submit(request); });
        Assert.Throws<ObjectDisposedException>(() => engine.Generate([request]));
        engine.Dispose();
    }

    [Fact]
    public void An_engine_that_never_had_a_request_is_disposed_of_like_any_other()
    {
        var engine = Engine();
        Assert.Equal(new EngineStatus { Kernel = engine.Status.Kernel }, engine.Status);
        Assert.NotEqual("", engine.Status.Kernel);
        engine.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { engine.Submit(new GenerationRequest([1], new SamplingOptions())); });
    }
}

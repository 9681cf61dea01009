using Gpt35.Inference.Scheduling;
using Gpt35.Inference.Tests.Scheduling;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Tests;

/// <summary>One decoder, used by engines and by others: computations take turns, and what would spoil a text or a training step is refused.</summary>
public sealed class SharedModelTests : IDisposable
{
    private static readonly ForwardRequest Training = new() { LogProb = true, ForBackward = true };
    private static readonly GenerationRequest Request = new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18], new SamplingOptions { MaxTokens = 40, Seed = 5 });
    private readonly TinyModel tiny = new(context: 96);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => tiny.Dispose();

    [Fact]
    public async Task While_a_request_is_under_way_its_model_is_not_trained_and_its_text_stays_what_it_is()
    {
        var expected = Engines.Alone(tiny.Decoder, Request);
        var batch = Batch();
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions());
        Generation generation;
        using (var hold = new StepByStep(engine))
        {
            generation = engine.Submit(Request);
            hold.Step();
            hold.Step();
            Assert.Contains("1 request of an InferenceEngine", Assert.Throws<InvalidOperationException>(() => Forward(batch, Training)).Message);
            Assert.Contains("1 request of an InferenceEngine", Assert.Throws<InvalidOperationException>(() => { tiny.Decoder.Parameters.BeginChange(); }).Message);
            Assert.Throws<InvalidOperationException>(() => tiny.Decoder.Parameters.CopyFrom(tiny.Decoder.Parameters));
            Forward(batch, new ForwardRequest { LogProb = true });      // scoring harms nobody
        }
        Assert.Equal(expected, (await generation.Completions)[0].Tokens);
        Forward(batch, Training);                                       // the engine is idle as soon as its last request has ended
        tiny.Decoder.Backward(new TokenGradients { LogProb = [1, 1, 1] });
        using (tiny.Decoder.Parameters.BeginChange()) tiny.Decoder.Parameters.Values[0]++;
    }

    [Fact]
    public async Task A_cancelled_request_frees_the_model()
    {
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions());
        using (var hold = new StepByStep(engine))
        {
            var generation = engine.Submit(Request with { Samples = 3 });
            hold.Step();
            hold.Step();
            generation.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generation.Completions);
            tiny.Decoder.Parameters.BeginChange().Dispose();
        }
        Assert.Throws<QueueFullException>(() =>
        {
            using var full = new InferenceEngine(tiny.Decoder, new EngineOptions { MaxSequences = 1, QueueLimit = 0 });
            using var turn = full.Steps.Take();
            full.Submit(Request);
            full.Submit(Request);
        });
        Assert.Throws<ArgumentException>(() => engine.Submit(Request with { Samples = 1000 }));
        tiny.Decoder.Parameters.BeginChange().Dispose();                // those that were refused hold nothing, and a disposed engine's neither
    }

    [Fact]
    public async Task A_step_waits_for_a_pass_under_way_and_two_passes_at_once_are_refused()
    {
        var expected = Engines.Alone(tiny.Decoder, Request);
        var batch = Batch();
        Forward(batch, Training);
        using SemaphoreSlim inside = new(0), goOn = new(0);
        tiny.Decoder.Parameters.GradientsComplete = _ =>
        {
            inside.Release();
            goOn.Wait(Cancel);
        };
        var training = Task.Run(() => tiny.Decoder.Backward(new TokenGradients { LogProb = [1, 1, 1] }), Cancel);
        await inside.WaitAsync(Cancel);                                 // Backward is in the middle of its work
        Assert.Contains("Two threads", Assert.Throws<InvalidOperationException>(() => Forward(batch, new ForwardRequest { LogProb = true })).Message);
        var completing = Task.Run(() => tiny.Engine().Generate([Request], Cancel), Cancel);
        SpinWait.SpinUntil(() => tiny.Decoder.PassCount == 2);          // the engine's first step waits behind it
        Assert.False(completing.IsCompleted);
        goOn.Release(2);
        await training;
        Assert.Equal(expected, (await completing)[0].Tokens);
    }

    [Fact]
    public void A_step_between_forward_and_backward_is_told_to_the_trainer()
    {
        Forward(Batch(), Training);
        tiny.Engine().Generate([Request], Cancel);
        Assert.Contains("has taken a step since Forward", Assert.Throws<InvalidOperationException>(() => tiny.Decoder.Backward(new TokenGradients { LogProb = [1, 1, 1] })).Message);
    }

    [Fact]
    public async Task Two_engines_over_one_model_take_turns_and_write_the_same_as_alone()
    {
        var requests = Engines.Requests(new Random(4), tiny.Decoder.Config, 20);
        var expected = requests.SelectMany(request => Enumerable.Range(0, request.Samples).Select(sample => Engines.Alone(tiny.Decoder, request, sample))).ToArray();
        using InferenceEngine first = new(tiny.Decoder, new EngineOptions { MaxSequences = 5, TokensPerStep = 20 }), second = new(tiny.Decoder, new EngineOptions { MaxSequences = 9, TokensPerStep = 30 });
        var found = await Task.WhenAll(new[] { first, second, first, second }.Select(engine => Task.Run(() => engine.Generate(requests, Cancel), Cancel)));
        Assert.All(found, completions => Assert.Equal(expected, completions.Select(completion => completion.Tokens)));
    }

    [Fact]
    public async Task Texts_after_a_training_step_are_those_of_the_new_weights_although_their_beginning_was_remembered()
    {
        using var engine = new InferenceEngine(tiny.Decoder, new EngineOptions());
        var before = (await engine.CompleteAsync(Request, Cancel))[0].LogProbs;
        Assert.Equal(before, (await engine.CompleteAsync(Request, Cancel))[0].LogProbs);
        Assert.Equal(16, engine.Status.CachedTokens);
        using (tiny.Decoder.Parameters.BeginChange())
            foreach (ref var value in tiny.Decoder.Parameters.Values) value *= 1.02f;
        var after = (await engine.CompleteAsync(Request, Cancel))[0];
        Assert.Equal(16, engine.Status.CachedTokens);                   // nothing of the old weights was used
        Assert.NotEqual(before, after.LogProbs);
        Assert.Equal(tiny.Engine().Generate([Request], Cancel)[0].LogProbs, after.LogProbs);
    }

    [Fact]
    public async Task A_model_that_is_disposed_of_before_its_engine_fails_the_requests_and_nothing_else()
    {
        var other = new TinyModel(context: 96);
        using var engine = new InferenceEngine(other.Decoder, new EngineOptions());
        Generation generation;
        using (var hold = new StepByStep(engine))
        {
            generation = engine.Submit(Request);
            hold.Step();
            other.Dispose();
        }
        await Assert.ThrowsAsync<ObjectDisposedException>(() => generation.Completions);
        Assert.Throws<ObjectDisposedException>(() => { engine.Submit(Request); });
        Assert.Throws<ObjectDisposedException>(() => engine.Embed([[1]]));
    }

    private static TokenBatch Batch() => new TokenBatchBuilder().AddCompletion([1, 2, 3, 4], 1).Build();

    private void Forward(TokenBatch batch, ForwardRequest what) => tiny.Decoder.Forward(batch, what);
}

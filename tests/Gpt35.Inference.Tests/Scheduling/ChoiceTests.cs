using Gpt35.Inference.Scheduling;
using Gpt35.Inference.Tests.Constraints;

namespace Gpt35.Inference.Tests.Scheduling;

/// <summary>Tokens are chosen behind the pass, on all threads and without the scheduler's lock.</summary>
public sealed class ChoiceTests
{
    private static readonly TimeSpan FarTooLong = TimeSpan.FromMinutes(2);

    [Fact]
    public void Tokens_chosen_on_several_threads_are_those_that_each_text_has_alone()
    {
        using var tiny = new TinyModel(2000);
        var requests = Engines.Requests(new Random(11), tiny.Decoder.Config, 60).Where(request => request.Prompt.Length < TinyModel.Context).ToList();
        using var scheduler = new Scheduler(tiny.Decoder, new EngineOptions { MaxSequences = 16 }, null, 200);
        var generations = requests.Select(request => scheduler.Submit(request, int.MaxValue)).ToList();
        Engines.Finish(scheduler, generations);
        for (var i = 0; i < requests.Count; i++)
            Assert.Equal(Enumerable.Range(0, requests[i].Samples).Select(sample => Engines.Alone(tiny.Decoder, requests[i], sample)), generations[i].Ended().Select(completion => completion.Tokens));
        Assert.True(scheduler.Status.GeneratedTokens > 10 * scheduler.Status.Steps / 2, "few were chosen together");
    }

    /// <summary>The mask cannot be computed as long as this test holds what it needs; meanwhile requests are taken up, also of the same constraint, cancelled and counted.</summary>
    [Theory]
    [InlineData(1)]         // on the thread of the step
    [InlineData(30)]        // on all threads
    public void A_mask_that_takes_its_time_keeps_nobody_from_submitting_and_cancelling(int plain)
    {
        using var tiny = new TinyModel(Documents.Tokenizer.VocabSize, context: 64);
        var constraint = OutputConstraint.Regex("[ab]{3,9}", Documents.Tokenizer);
        GenerationRequest Request(OutputConstraint? constraint, int stream) =>
            new([1, 2, 3 + stream], new SamplingOptions { MaxTokens = 12, Seed = 4, Constraint = constraint, StopTokens = [Documents.Tokenizer.EndOfText] }, stream);
        using var scheduler = new Scheduler(tiny.Decoder, new EngineOptions { MaxSequences = 64 }, Documents.Tokenizer, 400);
        var slow = scheduler.Submit(Request(constraint, 0), 100);
        var others = Enumerable.Range(1, plain).Select(i => scheduler.Submit(Request(null, i), 100)).ToList();
        var step = new Thread(scheduler.Step);
        Generation? late = null;
        var waiting = -1;
        lock (constraint.AtWork)
        {
            step.Start();
            var user = new Thread(() =>
            {
                SpinWait.SpinUntil(() => scheduler.Status.Steps == 1);      // the pass is done, and the choice can not be
                late = scheduler.Submit(Request(constraint, 40), 100);
                others[0].Cancel();
                waiting = scheduler.Status.Waiting;
            });
            user.Start();
            Assert.True(user.Join(FarTooLong), "it waits for the mask");
            Assert.True(step.IsAlive);
            Assert.True(others[0].Completions.IsCanceled);
            Assert.Equal(1, waiting);
        }
        step.Join();
        Assert.Equal(0, others[0].Samples[0]!.GeneratedCount);              // what was chosen for it meanwhile is nobody's
        Engines.Finish(scheduler, [slow, late!, .. others.Skip(1)]);
        foreach (var generation in (Generation[])[slow, late!, .. others.Skip(1)]) Assert.Equal(Engines.Alone(tiny.Decoder, generation.Request), generation.Ended()[0].Tokens);
        Assert.Equal(0, scheduler.Status.BlocksInUse);
    }

    [Fact]
    public void Logits_that_are_no_numbers_fail_their_own_request_and_no_other()
    {
        using var tiny = new TinyModel(2000);
        const int Place = 20;
        tiny.Decoder.Parameters.ValuesOf(tiny.Decoder.Parameters["wpe.weight"])[Place * tiny.Decoder.Config.HiddenSize] = float.NaN;
        using var scheduler = new Scheduler(tiny.Decoder, new EngineOptions { MaxSequences = 16 }, null, 200);
        var generations = Enumerable.Range(0, 12).Select(i =>
            scheduler.Submit(new GenerationRequest([7, i], new SamplingOptions { Temperature = 0, MaxTokens = i == 5 ? Place + 4 : 8 }), 100)).ToList();
        Engines.Finish(scheduler, generations);
        for (var i = 0; i < generations.Count; i++)
            if (i == 5) Assert.IsType<InvalidDataException>(generations[i].Completions.Exception!.InnerException);
            else Assert.Equal(Engines.Alone(tiny.Decoder, generations[i].Request), generations[i].Ended()[0].Tokens);
        Assert.Equal((0, 0), (scheduler.Status.Running, scheduler.Status.BlocksInUse));
    }
}

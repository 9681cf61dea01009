using Gpt35.Inference.Scheduling;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Tests.Scheduling;

public sealed class SchedulerTests : IDisposable
{
    private readonly TinyModel tiny = new(context: 96);

    public void Dispose() => tiny.Dispose();

    private Scheduler Schedule(EngineOptions options, int blocks = 400) => new(tiny.Decoder, options, null, blocks);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void A_text_is_the_same_alone_and_in_any_company_budget_cache_and_memory(int seed)
    {
        var random = new Random(seed);
        var requests = Engines.Requests(random, tiny.Decoder.Config, 30);
        var expected = requests.Select(request => Enumerable.Range(0, request.Samples).Select(i => Engines.Alone(tiny.Decoder, request, i)).ToArray()).ToArray();
        EngineOptions[] many =
        [
            new() { MaxSequences = 32, TokensPerStep = 2048, PrefixCache = false },
            new() { MaxSequences = 32, TokensPerStep = 2048 },
            new() { MaxSequences = 5, TokensPerStep = 7 },                       // prompts in small pieces
            new() { MaxSequences = 32, TokensPerStep = 40 },
            new() { MaxSequences = 8, TokensPerStep = 33, Speculator = new Engines.Guesser(tiny.Decoder, seed) },
        ];
        foreach (var options in many)
            foreach (var blocks in (int[])[400, 13])                             // 13: completions take memory from each other
            {
                using var scheduler = Schedule(options, blocks);
                for (var round = 0; round < 2; round++)                          // the second round finds the first one's beginnings
                {
                    var generations = new List<Generation>();
                    foreach (var request in requests)
                    {
                        generations.Add(scheduler.Submit(request, int.MaxValue));
                        if (random.Next(3) == 0) scheduler.Step();
                    }
                    Engines.Finish(scheduler, generations);
                    for (var i = 0; i < requests.Length; i++)
                        Assert.Equal(expected[i], generations[i].Ended().Select(completion => completion.Tokens));
                }
                var status = scheduler.Status;
                Assert.Equal((0, 0, 0), (status.Waiting, status.Running, status.BlocksInUse));
                if (blocks == 13) Assert.True(status.Preemptions > 0 || options.MaxSequences == 5);
                Assert.Equal(options.PrefixCache, status.CachedTokens > 0);
                if (options.Speculator is not null) Assert.True(status.AcceptedTokens > 0 && status.AcceptedTokens < status.GuessedTokens);
            }
    }

    [Fact]
    public void Log_probabilities_have_the_same_bits_with_one_thread_and_two_chunked_and_whole_warm_and_cold()
    {
        var prompt = Engines.Ids(new Random(4), tiny.Decoder.Config, 70).ToArray();
        var options = new SamplingOptions { MaxTokens = 20, Seed = 8, TopLogProbs = 5 };
        List<string> found = [];
        foreach (var threads in (int[])[1, 2])
        {
            using var pool = new WorkerPool(threads);
            using var model = Decoder.Create(tiny.Decoder.Config, 3, pool);
            model.Parameters.CopyFrom(tiny.Decoder.Parameters);
            foreach (var budget in (int[])[8, 2048])
            {
                using var scheduler = new Scheduler(model, new EngineOptions { MaxSequences = 8, TokensPerStep = budget }, null, 200);
                for (var round = 0; round < 2; round++)
                {
                    var mine = scheduler.Submit(new GenerationRequest(prompt, options), 100);
                    var others = Engines.Requests(new Random(threads + round), model.Config, 31).Select(request => scheduler.Submit(request, 100)).ToList();
                    Engines.Finish(scheduler, [mine, .. others]);
                    var report = mine.Ended()[0].TokenLogProbs!;
                    found.Add(string.Join(' ', report.Chosen.Concat(report.Top.SelectMany(top => top.Select(one => one.LogProb))).Select(BitConverter.SingleToInt32Bits)));
                    Assert.Equal(round == 0 ? 0 : 64, mine.CachedTokens);
                }
            }
        }
        Assert.Single(found.Distinct());
    }

    [Fact]
    public void A_thousand_requests_cancelled_at_random_moments_leave_the_others_texts_alone_and_every_block_free()
    {
        var random = new Random(11);
        var requests = Engines.Requests(random, tiny.Decoder.Config, 2500);
        using var scheduler = Schedule(new EngineOptions { MaxSequences = 16, TokensPerStep = 64 }, 60);
        var live = new List<int>();
        var generations = new List<Generation>();
        for (var cancelled = 0; cancelled < 1000;)
        {
            if (random.Next(2) == 0)
            {
                live.Add(generations.Count);
                generations.Add(scheduler.Submit(requests[generations.Count], int.MaxValue));
            }
            if (random.Next(5) == 0) scheduler.Step();
            if (random.Next(100) >= 45 || live.Count == 0) continue;
            var victim = random.Next(live.Count);
            var running = !generations[live[victim]].Completions.IsCompleted;
            generations[live[victim]].Cancel();
            Assert.True(generations[live[victim]].Completions.IsCompleted);
            if (running) cancelled++;
            live.RemoveAt(victim);
        }
        Engines.Finish(scheduler, generations);
        var survivors = live.Where(i => generations[i].Completions.IsCompletedSuccessfully).ToList();
        Assert.True(survivors.Count > 50, $"{survivors.Count} survived");
        foreach (var i in survivors)
            Assert.Equal(Enumerable.Range(0, requests[i].Samples).Select(sample => Engines.Alone(tiny.Decoder, requests[i], sample)), generations[i].Ended().Select(completion => completion.Tokens));
        var status = scheduler.Status;
        Assert.Equal((0, 0, 0), (status.Waiting, status.Running, status.BlocksInUse));
    }

    [Fact]
    public void A_decoded_token_allocates_nothing()
    {
        using var pool = new WorkerPool(2);                                // of its own: waiting for another test's job would allocate
        using var model = Decoder.Create(tiny.Decoder.Config, 3, pool);
        using var scheduler = new Scheduler(model, new EngineOptions { MaxSequences = 8 }, null, 200);
        var options = new SamplingOptions { MaxTokens = 60, Seed = 1, TopP = 0.9, PresencePenalty = 0.1 };
        for (var i = 0; i < 6; i++) scheduler.Submit(new GenerationRequest([1 + i, 2, 3], options, i) { Tenant = $"{i % 2}" }, 10);
        for (var i = 0; i < 10; i++) scheduler.Step();
        // What a token allocates shows in every round; what the runtime does once in a while (compiling a method again) in one of them.
        Assert.Equal(0, Enumerable.Range(0, 8).Min(_ =>
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 5; i++) scheduler.Step();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }));
    }

    [Fact]
    public void The_prompt_of_several_samples_is_read_once()
    {
        var prompt = Engines.Ids(new Random(4), tiny.Decoder.Config, 50).ToArray();
        var request = new GenerationRequest(prompt, new SamplingOptions { MaxTokens = 8, Seed = 3 }) { Samples = 6 };
        using var scheduler = Schedule(new EngineOptions { MaxSequences = 8, PrefixCache = false });
        var generation = scheduler.Submit(request, 10);
        scheduler.Step();
        Assert.Equal(4, scheduler.Status.BlocksInUse);
        scheduler.Step();
        Assert.Equal(3 + 6, scheduler.Status.BlocksInUse);                 // three whole blocks together, the fourth each its own
        Engines.Finish(scheduler, generation);
        Assert.Equal(50, scheduler.Status.PromptTokens);
        Assert.Equal(6, generation.Ended().Select(completion => string.Join(' ', completion.Tokens)).Distinct().Count());
        Assert.Equal(0, scheduler.Status.BlocksInUse);
    }

    [Fact]
    public void A_long_prompt_stops_neither_those_who_write_nor_a_short_one_behind_it()
    {
        var random = new Random(2);
        using var scheduler = Schedule(new EngineOptions { MaxSequences = 8, TokensPerStep = 9 });
        var writer = scheduler.Submit(new GenerationRequest([1, 2], new SamplingOptions { MaxTokens = 40 }), 10);
        scheduler.Step();
        var slow = scheduler.Submit(new GenerationRequest([.. Engines.Ids(random, tiny.Decoder.Config, 80)], new SamplingOptions { MaxTokens = 4 }), 10);
        scheduler.Step();
        var quick = scheduler.Submit(new GenerationRequest([5, 6, 7], new SamplingOptions { MaxTokens = 4 }), 10);
        for (var step = 2; step < 6; step++)
        {
            Assert.Equal(step, writer.Samples[0]!.GeneratedCount);
            scheduler.Step();
        }
        Assert.True(quick.Samples[0]!.GeneratedCount > 0);
        Assert.Equal(0, slow.Samples[0]!.GeneratedCount);
        Engines.Finish(scheduler, writer, slow, quick);
    }

    [Fact]
    public void Logits_that_are_no_numbers_fail_the_requests_of_the_step_and_free_their_memory()
    {
        using var model = Decoder.Create(tiny.Decoder.Config, 3, WorkerPool.Shared);
        model.Parameters.ValuesOf(model.Parameters["ln_f.weight"])[0] = float.NaN;
        using var scheduler = new Scheduler(model, new EngineOptions { MaxSequences = 8 }, null, 100);
        var generation = scheduler.Submit(new GenerationRequest([1, 2], new SamplingOptions()) { Samples = 3 }, 10);
        scheduler.Step();
        Assert.Contains("diverged", Assert.IsType<InvalidDataException>(generation.Completions.Exception!.InnerException).Message);
        Assert.Equal((0, 0), (scheduler.Status.Running, scheduler.Status.BlocksInUse));
    }

    [Fact]
    public void What_can_never_fit_is_refused()
    {
        using var scheduler = Schedule(new EngineOptions { MaxSequences = 2 }, 3);
        Assert.Contains("4 blocks", Assert.Throws<ArgumentException>(() => scheduler.Submit(new GenerationRequest(new int[40], new SamplingOptions { MaxTokens = 20 }), 10)).Message);
        Assert.Contains("3 completions", Assert.Throws<ArgumentException>(() => scheduler.Submit(new GenerationRequest([1], new SamplingOptions { MaxTokens = 5 }) { Samples = 3 }, 10)).Message);
        for (var i = 0; i < 4; i++) scheduler.Submit(new GenerationRequest([1], new SamplingOptions { MaxTokens = 5 }), 4);
        Assert.Contains("4 requests", Assert.Throws<QueueFullException>(() => scheduler.Submit(new GenerationRequest([1], new SamplingOptions { MaxTokens = 5 }), 4)).Message);
    }
}

using Gpt35.Inference.Scheduling;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Tests.Scheduling;

/// <summary>Runs when no other test does: the memory that is measured is the whole process's.</summary>
[Collection(nameof(SchedulerMemoryTests))]
[CollectionDefinition(nameof(SchedulerMemoryTests), DisableParallelization = true)]
public sealed class SchedulerMemoryTests
{
    /// <summary>Of all threads: those of the pool too, and whatever they share.</summary>
    [Theory]
    [InlineData(WeightPrecision.F32, KvPrecision.F32)]
    [InlineData(WeightPrecision.F32, KvPrecision.Int8)]
    [InlineData(WeightPrecision.F32, KvPrecision.BF16)]
    [InlineData(WeightPrecision.BF16, KvPrecision.F32)]
    [InlineData(WeightPrecision.Int8, KvPrecision.F32)]
    [InlineData(WeightPrecision.Int4, KvPrecision.F32)]
    public void No_thread_allocates_anything_for_a_decoded_token(WeightPrecision precision, KvPrecision cache)
    {
        using var pool = new WorkerPool(2);
        using var model = Decoder.CreateRandom(new ModelConfig { VocabSize = 1600, HiddenSize = 64, NumHiddenLayers = 2, NumAttentionHeads = 4, MaxPositionEmbeddings = 512 }, precision, seed: 3, pool);
        using var scheduler = new Scheduler(model, new EngineOptions { MaxSequences = 8, CachePrecision = cache }, null, 400);
        var options = new SamplingOptions { MaxTokens = 400, Seed = 1, TopP = 0.9, MinP = 0.001, PresencePenalty = 0.1, FrequencyPenalty = 0.1, TopLogProbs = 3 };
        for (var i = 0; i < 8; i++) scheduler.Submit(new GenerationRequest([1 + i, 2, 3], options, i), 10);
        for (var i = 0; i < 100; i++) scheduler.Step();
        // What a token allocates shows in every round; what the runtime does once in a while (compiling a method again) in one of them.
        Assert.Equal(0, Enumerable.Range(0, 12).Min(_ =>
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < 20; i++) scheduler.Step();
            return GC.GetTotalAllocatedBytes(precise: true) - before;
        }));
        Assert.Equal(8, scheduler.Status.Running);
    }

    /// <summary>The same with guesses, which are chosen on all threads too.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void No_thread_allocates_anything_for_a_guessed_token(bool withDraft)
    {
        using var pool = new WorkerPool(2);
        using var model = Decoder.CreateRandom(new ModelConfig { VocabSize = 1600, HiddenSize = 64, NumHiddenLayers = 2, NumAttentionHeads = 4, MaxPositionEmbeddings = 1024 }, WeightPrecision.F32, seed: 3, pool);
        var options = new EngineOptions { MaxSequences = 8, GuessCost = 0 };
        using var scheduler = new Scheduler(model, withDraft ? options with { Draft = new DraftModel(model) } : options with { Speculator = new PromptLookup() }, null, 600);
        var sampling = new SamplingOptions { MaxTokens = 1000, Seed = 1, Temperature = 0, MinTokens = 1 };
        for (var i = 0; i < 8; i++) scheduler.Submit(new GenerationRequest([1 + i, 2, 3, 2, 3, 2], sampling, i), 10);
        for (var i = 0; i < 20; i++) scheduler.Step();
        Assert.Equal(0, Enumerable.Range(0, 12).Min(_ =>
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < 4; i++) scheduler.Step();
            return GC.GetTotalAllocatedBytes(precise: true) - before;
        }));
        Assert.True(scheduler.Status is { GuessedTokens: > 0, Running: 8 });
    }

    [Fact]
    public void Ten_thousand_requests_leave_no_memory_behind()
    {
        using var tiny = new TinyModel(context: 96);
        using var scheduler = new Scheduler(tiny.Decoder, new EngineOptions { MaxSequences = 32, TokensPerStep = 256 }, null, 100);
        Serve(2_000, 0);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        Serve(10_000, 2_000);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 200_000);

        void Serve(int count, int first)
        {
            for (var i = 0; i < count; i += 50)
                Engines.Finish(scheduler, Enumerable.Range(first + i, 50)
                    .Select(n => scheduler.Submit(new GenerationRequest([n % 50, n / 50 % 50, 1], new SamplingOptions { MaxTokens = 2 }) { Tenant = $"user {n}" }, 100)).ToList());
        }
    }
}

using Gpt35.Inference.Scheduling;

namespace Gpt35.Inference.Tests.Scheduling;

/// <summary>Runs when no other test does: the memory that is measured is the whole process's.</summary>
[Collection(nameof(SchedulerMemoryTests))]
[CollectionDefinition(nameof(SchedulerMemoryTests), DisableParallelization = true)]
public sealed class SchedulerMemoryTests
{
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

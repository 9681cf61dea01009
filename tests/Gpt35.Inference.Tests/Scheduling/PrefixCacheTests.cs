using Gpt35.Inference.Scheduling;

namespace Gpt35.Inference.Tests.Scheduling;

/// <summary>Who may use what others have computed, as the scheduler does it.</summary>
public sealed class PrefixCacheTests : IDisposable
{
    private readonly TinyModel tiny = new(context: 96);
    private readonly Scheduler scheduler;

    public PrefixCacheTests() => scheduler = new Scheduler(tiny.Decoder, new EngineOptions { MaxSequences = 8 }, null, 100);

    public void Dispose()
    {
        scheduler.Dispose();
        tiny.Dispose();
    }

    private Generation Ask(string tenant, int samples = 1, int seed = 1)
    {
        var generation = scheduler.Submit(new GenerationRequest([.. Enumerable.Range(0, 50).Select(i => i * 7 % 50)], new SamplingOptions { MaxTokens = 6, Seed = (ulong)seed }) { Tenant = tenant, Samples = samples }, 100);
        Engines.Finish(scheduler, generation);
        return generation;
    }

    [Fact]
    public void A_tenant_finds_his_own_prompts_and_nobody_elses_and_the_text_is_the_same()
    {
        Generation first = Ask("ada"), other = Ask("bob"), again = Ask("ada"), nobody = Ask(""), bobAgain = Ask("bob");
        Assert.Equal([0, 0, 48, 0, 48], new[] { first, other, again, nobody, bobAgain }.Select(generation => generation.CachedTokens));
        Assert.Single(new[] { first, other, again, nobody, bobAgain }.Select(generation => string.Join(' ', generation.Ended()[0].Tokens)).Distinct());
    }

    [Fact]
    public void Writing_behind_a_shared_beginning_copies_its_block_and_leaves_the_others_theirs()
    {
        // Fifty tokens: three whole blocks and two tokens in a fourth, which all samples share until each writes into it.
        var generation = Ask("ada", samples: 5);
        var texts = generation.Ended().Select(completion => completion.Tokens).ToArray();
        Assert.True(texts.Select(tokens => string.Join(' ', tokens)).Distinct().Count() > 1);
        Assert.Equal(Enumerable.Range(0, 5).Select(sample => Engines.Alone(tiny.Decoder, generation.Request, sample)), texts);
        Assert.Equal(50, scheduler.Status.PromptTokens);
        Assert.Equal(0, scheduler.Status.BlocksInUse);
    }
}

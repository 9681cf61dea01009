using Gpt35.Inference.Scheduling;

namespace Gpt35.Inference.Tests.Scheduling;

public sealed class RequestQueueTests : IDisposable
{
    private static readonly SamplingOptions Four = new() { MaxTokens = 4 };

    private readonly TinyModel tiny = new();
    private readonly Scheduler scheduler;
    private readonly List<Generation> ended = [];

    public RequestQueueTests() => scheduler = new Scheduler(tiny.Decoder, new EngineOptions { MaxSequences = 1 }, null, 20);

    public void Dispose()
    {
        scheduler.Dispose();
        tiny.Dispose();
    }

    /// <summary>Runs everything, one after the other, and says who came when.</summary>
    private string Order(params Generation[] generations)
    {
        while (ended.Count < generations.Length)
        {
            scheduler.Step();
            ended.AddRange(generations.Except(ended).Where(generation => generation.Completions.IsCompleted).ToList());
        }
        return string.Join(' ', ended.Select(generation => generation.Request.Tenant));
    }

    private Generation Ask(string tenant, int priority = 0, int tokens = 4, int prompt = 1) =>
        scheduler.Submit(new GenerationRequest(new int[prompt], Four with { MaxTokens = tokens }) { Tenant = tenant, Priority = priority }, 100);

    [Fact]
    public void Within_a_tenant_who_comes_first_goes_first() => Assert.Equal("a a a", Order(Ask("a", prompt: 9), Ask("a"), Ask("a", prompt: 3)));

    [Fact]
    public void Tenants_take_turns_by_the_tokens_they_were_served()
    {
        // Each of a's requests costs 20 + 3 tokens, each of b's 1 + 3: six of b's for one of a's.
        Generation[] all = [Ask("a", prompt: 20), Ask("a", prompt: 20), Ask("a", prompt: 20), .. Enumerable.Range(0, 8).Select(_ => Ask("b"))];
        Assert.Equal("a b b b b b b a b b a", Order(all));
    }

    [Fact]
    public void Who_comes_anew_starts_level_with_those_who_are_there()
    {
        var first = Ask("a", prompt: 20);
        var second = Ask("a");
        for (var i = 0; i < 3; i++) scheduler.Step();
        Generation[] all = [first, second, Ask("b"), Ask("b"), Ask("b")];
        // b owes nothing for the time it was not there, and is owed nothing either.
        Assert.Equal("a b b b a", Order(all));
    }

    [Fact]
    public void Whose_text_gives_way_to_a_higher_priority_is_still_remembered_for_what_it_was_served()
    {
        var first = Ask("a", prompt: 20, tokens: 9);
        for (var i = 0; i < 4; i++) scheduler.Step();
        Generation[] all = [first, Ask("b"), Ask("high", priority: 1)];
        // a has had 20 + 3 tokens and b none: it is b's turn when the place is free again.
        Assert.Equal("high b a", Order(all));
    }

    [Fact]
    public void A_higher_priority_goes_first_and_takes_the_place_of_a_running_one()
    {
        var low = Ask("low", 0, 12);
        for (var i = 0; i < 4; i++) scheduler.Step();
        var alone = Engines.Alone(tiny.Decoder, low.Request);
        Assert.Equal("high middle low", Order(low, Ask("middle", 1), Ask("high", 2)));
        Assert.Equal(alone, low.Ended()[0].Tokens);
        Assert.True(scheduler.Status.Preemptions > 0);
    }

    [Fact]
    public void Nothing_is_kept_of_tenants_that_have_left()
    {
        var queue = new RequestQueue();
        Order(Ask("a"));
        var sample = new Sample(ended[0], 0, 0, 4, new TokenChooser(Four, new SamplerMemories(50), 0, 4, null), PrefixIndex.Start(0));
        queue.Add(sample);
        Assert.Equal((1, 1), (queue.Count, queue.Tenants));
        Assert.Same(sample, queue.Take());
        Assert.Equal((0, 1), (queue.Count, queue.Tenants));
        queue.Leave(sample);
        Assert.Equal(0, queue.Tenants);
        queue.Add(sample);
        Assert.True(queue.Remove(sample));
        Assert.False(queue.Remove(sample));
        Assert.Equal((0, 0), (queue.Count, queue.Tenants));
    }
}

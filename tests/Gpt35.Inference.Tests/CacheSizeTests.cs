using Gpt35.Inference.Tests.Speculation;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Tests;

/// <summary>How many blocks of keys and values an engine takes when nobody says.</summary>
public sealed class CacheSizeTests : IDisposable
{
    private readonly TinyModel tiny = new(context: 96);          // 6 blocks

    public void Dispose() => tiny.Dispose();

    private static long BlockBytes(ModelConfig config, KvPrecision precision)
    {
        using var cache = new KvCache(config, 1, precision);
        return cache.Bytes;
    }

    [Theory]
    [InlineData(KvPrecision.F32)]
    [InlineData(KvPrecision.Int8)]
    public void The_draft_models_cache_counts_against_the_memory_that_there_is(KvPrecision precision)
    {
        using var draft = Drafts.Unrelated(tiny.Decoder.Config);
        var (block, draftBlock) = (BlockBytes(tiny.Decoder.Config, precision), BlockBytes(draft.Config, precision));
        var options = new EngineOptions { MaxSequences = 10, CachePrecision = precision };
        Assert.Equal(20, Blocks(options, 20 * block));
        Assert.Equal(20, Blocks(options with { Draft = new DraftModel(draft) }, 20 * (block + draftBlock)));
        Assert.Equal(19, Blocks(options with { Draft = new DraftModel(draft) }, 20 * (block + draftBlock) - 1));
        Assert.Equal(20, Blocks(options with { Draft = new DraftModel(draft) { CacheTokens = 33 } }, 20 * block + 3 * draftBlock));
        Assert.Equal(19, Blocks(options with { Draft = new DraftModel(draft) { CacheTokens = 33 } }, 20 * block + 3 * draftBlock - 1));
    }

    [Fact]
    public void There_is_room_for_one_text_at_least_and_for_no_more_than_all_can_need()
    {
        var options = new EngineOptions { MaxSequences = 10 };
        Assert.Equal(6, Blocks(options, 1));
        Assert.Equal(60, Blocks(options, long.MaxValue));
        Assert.Equal(3, Blocks(options with { CacheTokens = 33 }, 1));
    }

    /// <summary>What the engine then really has, and that it is no more than was given.</summary>
    private int Blocks(EngineOptions options, long bytes)
    {
        using var engine = new InferenceEngine(tiny.Decoder, options) { MemoryBudget = bytes };
        engine.Submit(new GenerationRequest([1], new SamplingOptions { MaxTokens = 1 })).Cancel();
        Assert.Equal(engine.BlocksFor(options.MaxSequences, 96), engine.Status.Blocks);
        return engine.Status.Blocks;
    }

    [Fact]
    public void A_set_of_prompts_that_could_need_more_memory_than_there_is_takes_turns_in_what_there_is()
    {
        GenerationRequest[] requests = [.. Enumerable.Range(0, 8).Select(i => new GenerationRequest([1, 2, 3, i], new SamplingOptions { MaxTokens = 60, Seed = 3 }))];
        var expected = tiny.Engine().Generate(requests, TestContext.Current.CancellationToken).Select(completion => completion.Tokens);
        using var engine = new InferenceEngine(tiny.Decoder, 8) { MemoryBudget = 9 * BlockBytes(tiny.Decoder.Config, KvPrecision.F32) };
        Assert.Equal(9, engine.BlocksFor(8, 64));
        Assert.Equal(expected, engine.Generate(requests, TestContext.Current.CancellationToken).Select(completion => completion.Tokens));
    }
}

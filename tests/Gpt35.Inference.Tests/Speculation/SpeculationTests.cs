using Gpt35.Inference.Scheduling;
using Gpt35.Inference.Tests.Constraints;
using Gpt35.Inference.Tests.Scheduling;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Tests.Speculation;

public sealed class SpeculationTests : IDisposable
{
    private readonly TinyModel tiny = new(Documents.Tokenizer.VocabSize, context: 96);

    private Decoder Model => tiny.Decoder;

    public void Dispose() => tiny.Dispose();

    private Scheduler Schedule(EngineOptions options, int blocks = 400) => new(Model, options, Documents.Tokenizer, blocks);

    [Theory]
    [InlineData(1, KvPrecision.F32)]
    [InlineData(2, KvPrecision.Int8)]
    public void Completions_have_the_same_bits_with_and_without_guesses_of_any_kind(int seed, KvPrecision precision)
    {
        var requests = Drafts.Requests(new Random(seed), Model.Config, 16);
        using var plain = Schedule(new EngineOptions { MaxSequences = 8, PrefixCache = false, CachePrecision = precision });
        var expected = requests.Select(request =>
        {
            var generation = plain.Submit(request, int.MaxValue);
            Engines.Finish(plain, generation);
            return generation.Ended().Select(Drafts.Bits).ToArray();
        }).ToArray();
        Assert.Equal(0, plain.Status.GuessedTokens);

        using Decoder right = Drafts.Noisy(Model, 0), close = Drafts.Noisy(Model, 0.1), contrary = Drafts.Contrary(Model), unrelated = Drafts.Unrelated(Model.Config);
        var options = new EngineOptions { MaxSequences = 12, TokensPerStep = 60, GuessCost = 0.1, CachePrecision = precision };
        EngineOptions[] guessers =
        [
            options with { Speculator = new PromptLookup() },
            options with { Speculator = new Engines.Guesser(Model, seed) },
            options with { Draft = new DraftModel(right) },
            options with { Draft = new DraftModel(close) },
            options with { Draft = new DraftModel(close) { MostTokens = 3, CacheTokens = 150 }, PrefixCache = false },
            options with { Draft = new DraftModel(contrary), GuessCost = 0 },
            options with { Draft = new DraftModel(close), GuessCost = null },
            options with { Draft = new DraftModel(unrelated), TokensPerStep = 12 },
            options with { Draft = new DraftModel(Model) },
        ];
        foreach (var guesser in guessers)
            foreach (var blocks in (int[])[400, 9])                          // 9: completions take memory from each other
                AssertSame(guesser, blocks, new Random(seed));

        void AssertSame(EngineOptions guesser, int blocks, Random random)
        {
            using var scheduler = Schedule(guesser, blocks);
            for (var round = 0; round < 2; round++)                          // the second round finds the first one's beginnings
            {
                var generations = new List<Generation>();
                var cancelled = new List<Generation>();
                foreach (var request in requests)
                {
                    generations.Add(scheduler.Submit(request, int.MaxValue));
                    if (random.Next(3) == 0) cancelled.Add(scheduler.Submit(requests[random.Next(requests.Length)], int.MaxValue));
                    if (random.Next(2) == 0) scheduler.Step();
                    if (random.Next(2) == 0 && cancelled.Count > 0) cancelled[random.Next(cancelled.Count)].Cancel();
                }
                foreach (var generation in cancelled) generation.Cancel();
                Engines.Finish(scheduler, generations);
                for (var i = 0; i < requests.Length; i++) Assert.Equal(expected[i], generations[i].Ended().Select(Drafts.Bits));
            }
            var status = scheduler.Status;
            Assert.Equal((0, 0, 0, 0), (status.Waiting, status.Running, status.BlocksInUse, status.DraftBlocksInUse));
            Assert.True(blocks == 400 || status.Preemptions > 0);
            Assert.True(status.GuessedTokens > 0 || guesser.GuessCost is null);
        }
    }

    /// <summary>With the model's own weights the draft guesses all that the sampler will choose, whatever the options; unless it lost its place in the text.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_draft_with_the_models_own_weights_is_always_right(int seed)
    {
        var requests = Drafts.Requests(new Random(seed), Model.Config, 30);
        using var draft = Drafts.Noisy(Model, 0);
        using var scheduler = Schedule(new EngineOptions { MaxSequences = 6, TokensPerStep = 40, Draft = new DraftModel(draft), GuessCost = 0 }, 30);
        Engines.Finish(scheduler, requests.Select(request => scheduler.Submit(request, int.MaxValue)).ToList());
        var status = scheduler.Status;
        Assert.True(status.GuessedTokens > 100, $"{status.GuessedTokens} guesses");
        Assert.Equal(status.GuessedTokens, status.AcceptedTokens);
    }

    /// <summary>What the draft model guesses is what it would guess had it read the text anew, after right guesses and wrong ones, in any company, with little memory.</summary>
    [Theory]
    [InlineData(400)]
    [InlineData(14)]
    public void Guesses_are_those_of_a_draft_model_that_reads_the_whole_text(int blocks)
    {
        var requests = Drafts.Requests(new Random(7), Model.Config, 20);
        using var draft = Drafts.Noisy(Model, 0.1);
        using var scheduler = Schedule(new EngineOptions { MaxSequences = 10, TokensPerStep = 50, Draft = new DraftModel(draft) { MostTokens = 4 }, GuessCost = 0 }, blocks);
        var generations = requests.Select(request => scheduler.Submit(request, int.MaxValue)).ToList();
        var (checks, memory) = (0, new SamplerMemories(Model.Config.VocabSize));
        while (generations.Any(generation => !generation.Completions.IsCompleted))
        {
            var before = generations.SelectMany(generation => generation.Samples).OfType<Sample>().ToDictionary(sample => sample, sample => sample.Count);
            scheduler.Step();
            foreach (var (sample, count) in before)
            {
                if (sample.Draft is not { GuessCount: > 0 } found) continue;
                Assert.Equal(Anew(sample, count, found.GuessCount), found.Guess.ToArray());
                checks++;
            }
        }
        Assert.True(checks > 50, $"{checks} checks");
        Assert.InRange(scheduler.Status.AcceptedTokens, 20, scheduler.Status.GuessedTokens - 20);

        int[] Anew(Sample sample, int count, int guesses)
        {
            List<int> text = [.. sample.Text[..count]];
            var chooser = sample.NewChooser(memory, Documents.Tokenizer);
            foreach (var token in text.Skip(sample.PromptLength)) chooser.Accept(token);
            using var cache = new SlotCache(draft.Config, 1, 96);
            var logits = new float[draft.Config.VocabSize];
            while (text.Count < count + guesses)
            {
                var fresh = text.Skip(cache.Length(0)).ToArray();
                draft.Extend(cache, [0], [0, fresh.Length], fresh, logits);
                text.Add(chooser.Next(logits, out _));
            }
            return [.. text.Skip(count)];
        }
    }

    /// <summary>Pearson's test of the third tokens of 20,000 completions against the model's probabilities, by hand over all ways to get there.</summary>
    [Theory]
    [InlineData(1.0, 1.0)]
    [InlineData(0.6, 0.9)]
    public void The_distribution_of_tokens_is_the_models_and_not_the_drafts(double temperature, double topP)
    {
        const int vocabSize = 8, completions = 20_000, degrees = vocabSize - 1;
        using var small = new TinyModel(vocabSize, 16);
        using var draft = Drafts.Noisy(small.Decoder, 0.5);
        var options = new SamplingOptions { Temperature = temperature, TopP = topP, MaxTokens = 4, Seed = 5 };
        using var scheduler = new Scheduler(small.Decoder, new EngineOptions { MaxSequences = 64, Draft = new DraftModel(draft) { MostTokens = 3 }, GuessCost = 0 }, null, 200);
        var generations = Enumerable.Range(0, completions).Select(i => scheduler.Submit(new GenerationRequest([1, 2, 3], options, i), int.MaxValue)).ToList();
        Engines.Finish(scheduler, generations);
        var counts = new int[vocabSize];
        foreach (var generation in generations) counts[generation.Ended()[0].Tokens[2]]++;
        var status = scheduler.Status;
        Assert.InRange(status.AcceptedTokens, completions / 10, status.GuessedTokens - completions / 10);

        // Chi-square with 7 degrees of freedom exceeds 24.3 once in a thousand times; fewer tokens with top-p only make that rarer.
        Assert.InRange(ChiSquare(ThirdToken(small.Decoder)), 0, 24.3);
        Assert.True(ChiSquare(ThirdToken(draft)) > 20 * degrees);

        double ChiSquare(double[] p) => Enumerable.Range(0, vocabSize).Sum(i => p[i] == 0 ? counts[i] * 1e9 : Math.Pow(counts[i] - completions * p[i], 2) / (completions * p[i]));

        double[] ThirdToken(Decoder model)
        {
            var third = new double[vocabSize];
            var first = Probabilities(model, [1, 2, 3]);
            for (var a = 0; a < vocabSize; a++)
            {
                var second = Probabilities(model, [1, 2, 3, a]);
                for (var b = 0; b < vocabSize; b++)
                {
                    var last = Probabilities(model, [1, 2, 3, a, b]);
                    for (var c = 0; c < vocabSize; c++) third[c] += first[a] * second[b] * last[c];
                }
            }
            return third;
        }

        double[] Probabilities(Decoder model, int[] text)
        {
            var logits = new float[vocabSize];
            using var cache = new SlotCache(model.Config, 1, 16);
            model.Extend(cache, [0], [0, text.Length], text, logits);
            double[] p = [.. logits.Select(logit => Math.Exp((logit - logits.Max()) / temperature))];
            var (total, kept) = (p.Sum(), 0.0);
            foreach (var id in Enumerable.Range(0, vocabSize).OrderByDescending(id => p[id]))
            {
                if (kept >= topP * total) p[id] = 0;
                kept += p[id];
            }
            return [.. p.Select(value => value / p.Sum())];
        }
    }

    [Fact]
    public void A_wrong_draft_soon_guesses_little_and_a_right_one_much()
    {
        using Decoder right = Drafts.Noisy(Model, 0), contrary = Drafts.Contrary(Model);
        var request = new GenerationRequest([1, 2, 3], new SamplingOptions { Temperature = 0, MaxTokens = 90 });
        Assert.InRange(StatusWith(right).Steps, 1, 30);
        var wrong = StatusWith(contrary);
        Assert.Equal((90, 0), (wrong.GeneratedTokens, wrong.AcceptedTokens));
        Assert.InRange(wrong.GuessedTokens, 1, 30);

        EngineStatus StatusWith(Decoder draft)
        {
            using var scheduler = Schedule(new EngineOptions { MaxSequences = 1, TokensPerStep = 64, Draft = new DraftModel(draft), GuessCost = 0.4 });
            Engines.Finish(scheduler, scheduler.Submit(request, 1));
            return scheduler.Status;
        }
    }

    [Fact]
    public void The_draft_reads_a_prompt_once_for_all_samples_of_a_request_and_for_the_next_request()
    {
        var prompt = Engines.Ids(new Random(4), Model.Config, 65).ToArray();
        using var scheduler = Schedule(new EngineOptions { MaxSequences = 4, TokensPerStep = 30, Draft = new DraftModel(Model), GuessCost = 0 });
        for (var round = 0; round < 2; round++)
        {
            var before = scheduler.Status.DraftTokens;
            Engines.Finish(scheduler, scheduler.Submit(new GenerationRequest(prompt, new SamplingOptions { MaxTokens = 12, Temperature = 0 }) { Samples = 4 }, 10));
            // 64 tokens of the prompt once; the 65th and those written by each.
            Assert.InRange(scheduler.Status.DraftTokens - before, 1, (round == 0 ? 64 : 0) + 4 * 13);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_decoded_token_with_guesses_allocates_nothing(bool withDraft)
    {
        using var pool = new WorkerPool(2);                                // of its own: waiting for another test's job would allocate
        using var model = Decoder.Create(Model.Config with { MaxPositionEmbeddings = 1024 }, 3, pool);
        var options = new EngineOptions { MaxSequences = 4, GuessCost = 0 };
        using var scheduler = new Scheduler(model, withDraft ? options with { Draft = new DraftModel(model) } : options with { Speculator = new PromptLookup() }, null, 400);
        var sampling = new SamplingOptions { MaxTokens = 900, Seed = 1, TopP = 0.9, PresencePenalty = 0.1, Temperature = 0.5 };
        for (var i = 0; i < 4; i++) scheduler.Submit(new GenerationRequest([1 + i, 2, 3, 2, 3, 2], sampling, i), 10);
        for (var i = 0; i < 20; i++) scheduler.Step();
        // What a token allocates shows in every round; what the runtime does once in a while (compiling a method again) in one of them.
        Assert.Equal(0, Enumerable.Range(0, 8).Min(_ =>
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 5; i++) scheduler.Step();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }));
        Assert.True(scheduler.Status is { GuessedTokens: > 0, Running: 4 });
    }

    [Fact]
    public void A_draft_whose_logits_are_no_numbers_fails_the_requests_and_frees_their_memory()
    {
        using var broken = Drafts.Noisy(Model, 0);
        broken.Parameters.ValuesOf(broken.Parameters["ln_f.weight"])[0] = float.NaN;
        using var scheduler = Schedule(new EngineOptions { MaxSequences = 4, Draft = new DraftModel(broken), GuessCost = 0 });
        var generation = scheduler.Submit(new GenerationRequest([1, 2], new SamplingOptions()) { Samples = 3 }, 10);
        scheduler.Step();
        scheduler.Step();
        Assert.Contains("draft model failed", Assert.IsType<InvalidDataException>(generation.Completions.Exception!.InnerException).Message);
        Assert.Equal((0, 0, 0), (scheduler.Status.Running, scheduler.Status.BlocksInUse, scheduler.Status.DraftBlocksInUse));
    }

    [Fact]
    public void A_draft_whose_logits_are_no_numbers_at_one_place_fails_the_request_that_comes_there()
    {
        const int Place = 40;
        using var broken = Drafts.Noisy(Model, 0);
        broken.Parameters.ValuesOf(broken.Parameters["wpe.weight"])[Place * Model.Config.HiddenSize] = float.NaN;
        using var scheduler = Schedule(new EngineOptions { MaxSequences = 8, Draft = new DraftModel(broken), GuessCost = 0 });
        var generations = Enumerable.Range(0, 8).Select(i => scheduler.Submit(new GenerationRequest([i, .. new int[i == 5 ? 33 : 3]], new SamplingOptions { MaxTokens = 30 }), 10)).ToList();
        Engines.Finish(scheduler, generations);
        for (var i = 0; i < generations.Count; i++)
            if (i == 5) Assert.Contains("draft model failed", Assert.IsType<InvalidDataException>(generations[i].Completions.Exception!.InnerException).Message);
            else Assert.Equal(Engines.Alone(Model, generations[i].Request), generations[i].Ended()[0].Tokens);
        Assert.Equal((0, 0, 0), (scheduler.Status.Running, scheduler.Status.BlocksInUse, scheduler.Status.DraftBlocksInUse));
    }

    [Fact]
    public void Guesses_that_are_chosen_on_several_threads_change_no_text()
    {
        using var wide = new TinyModel(2000, context: 96);
        using var draft = Drafts.Noisy(wide.Decoder, 0.1);
        var requests = Engines.Requests(new Random(12), wide.Decoder.Config, 40);
        using var scheduler = new Scheduler(wide.Decoder, new EngineOptions { MaxSequences = 16, TokensPerStep = 200, Draft = new DraftModel(draft), GuessCost = 0.1 }, null, 200);
        var generations = requests.Select(request => scheduler.Submit(request, int.MaxValue)).ToList();
        Engines.Finish(scheduler, generations);
        for (var i = 0; i < requests.Length; i++)
            Assert.Equal(Enumerable.Range(0, requests[i].Samples).Select(sample => Engines.Alone(wide.Decoder, requests[i], sample)), generations[i].Ended().Select(completion => completion.Tokens));
        Assert.InRange(scheduler.Status.AcceptedTokens, 20, scheduler.Status.GuessedTokens);
    }

    /// <summary>The speculator does not answer before this test lets it; meanwhile requests are taken up, cancelled and counted.</summary>
    [Fact]
    public void A_speculator_that_takes_its_time_keeps_nobody_from_submitting_and_cancelling()
    {
        var farTooLong = TimeSpan.FromMinutes(2);
        using var speculator = new Gated();
        using var scheduler = Schedule(new EngineOptions { MaxSequences = 8, GuessCost = 0, Speculator = speculator });
        GenerationRequest Request(int stream) => new([1, 2, 3 + stream], new SamplingOptions { MaxTokens = 12, Seed = 4 }, stream);
        var generations = Enumerable.Range(0, 3).Select(i => scheduler.Submit(Request(i), 100)).ToList();
        scheduler.Step();                                                   // their prompts
        var step = new Thread(scheduler.Step);
        step.Start();
        Assert.True(speculator.Asked.Wait(farTooLong, TestContext.Current.CancellationToken));
        Generation? late = null;
        EngineStatus? status = null;
        var user = new Thread(() =>
        {
            late = scheduler.Submit(Request(7), 100);
            generations[0].Cancel();                                        // it is being asked about
            generations[2].Cancel();                                        // it will not be
            scheduler.ForgetPrefixes();
            status = scheduler.Status;
        });
        user.Start();
        var returned = user.Join(farTooLong);
        var stepping = step.IsAlive;
        speculator.Answer.Set();
        step.Join();
        user.Join();
        Assert.True(returned, "it waits for the speculator");
        Assert.True(stepping);
        Assert.Equal((1, 1), (status!.Waiting, status.Running));
        Assert.Equal(2, speculator.Count);                                  // the first, and the second
        foreach (var cancelled in (int[])[0, 2]) Assert.True(generations[cancelled].Completions.IsCanceled);
        Engines.Finish(scheduler, generations[1], late!);
        foreach (var generation in (Generation[])[generations[1], late!]) Assert.Equal(Engines.Alone(Model, generation.Request), generation.Ended()[0].Tokens);
        Assert.Equal((0, 0, 0), (scheduler.Status.Waiting, scheduler.Status.Running, scheduler.Status.BlocksInUse));
        Model.Parameters.BeginChange().Dispose();
    }

    private sealed class Gated : ISpeculator, IDisposable
    {
        public ManualResetEventSlim Asked { get; } = new();
        public ManualResetEventSlim Answer { get; } = new();
        public int Count { get; private set; }
        public int MostTokens => 3;

        public int Guess(ReadOnlySpan<int> tokens, Span<int> guess)
        {
            Count++;
            Asked.Set();
            Answer.Wait();
            guess.Clear();
            return guess.Length;
        }

        public void Dispose()
        {
            Asked.Dispose();
            Answer.Dispose();
        }
    }

    [Fact]
    public async Task Requests_cancelled_from_other_threads_at_any_moment_leave_every_block_free()
    {
        using var draft = Drafts.Noisy(Model, 0.1);
        using var engine = new InferenceEngine(Model, new EngineOptions { MaxSequences = 8, TokensPerStep = 64, CacheTokens = 400, Draft = new DraftModel(draft) { CacheTokens = 300 }, GuessCost = 0 });
        var requests = Engines.Requests(new Random(3), Model.Config, 300);
        await Parallel.ForEachAsync(requests.Index(), async (one, cancel) =>
        {
            var generation = engine.Submit(one.Item);
            if (one.Index % 5 == 0) engine.ForgetPrefixes();
            var left = one.Index % 7;
            try
            {
                await foreach (var _ in generation.TokensAsync(cancel))
                    if (left-- == 0) generation.Cancel();
            }
            catch (OperationCanceledException) when (generation.Completions.IsCanceled)
            {
            }
        });
        engine.Dispose();                                                   // waits for the step under way
        var status = engine.Status;
        Assert.Equal((0, 0, 0, 0), (status.Waiting, status.Running, status.BlocksInUse, status.DraftBlocksInUse));
        Assert.True(status.AcceptedTokens > 0);
    }

    [Fact]
    public void A_draft_that_cannot_guess_for_the_model_is_refused()
    {
        Decoder Other(Func<ModelConfig, ModelConfig> change) => Decoder.Create(change(Model.Config), 1, WorkerPool.Shared);
        using Decoder vocabulary = Other(config => config with { VocabSize = 50 }), shorter = Other(config => config with { MaxPositionEmbeddings = 64 }), scores = Other(config => config with { NumScalars = 1 });
        Assert.Contains("50 ids", Refusal(new EngineOptions { Draft = new DraftModel(vocabulary) }));
        Assert.Contains("64 tokens", Refusal(new EngineOptions { Draft = new DraftModel(shorter) }));
        Assert.Contains("scores", Refusal(new EngineOptions { Draft = new DraftModel(scores) }));
        Assert.Contains("one of them", Refusal(new EngineOptions { Draft = new DraftModel(Model), Speculator = new PromptLookup() }));
        Assert.Contains("are 0", Refusal(new EngineOptions { Draft = new DraftModel(Model) { MostTokens = 0 } }));
        Assert.Contains("shortest", Refusal(new EngineOptions { Speculator = new PromptLookup { ShortestMatch = 4 } }));

        string Refusal(EngineOptions options) => Assert.ThrowsAny<ArgumentException>(() => new InferenceEngine(Model, options)).Message;
    }
}

using Gpt35.Data;
using Gpt35.Data.TinyWorld;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Evaluation.Tests;

public sealed class TinyWorldEvaluationTests
{
    private static readonly Lazy<IReadOnlyList<TinyWorldPrompt>> HeldOut = new(() => Prompts.HeldOut(World.Create(1), 1, perKind: 3));

    [Fact]
    public void Perfect_answers_are_all_correct_and_score_full()
    {
        var records = TinyWorldEvaluation.Grade(HeldOut.Value, [.. HeldOut.Value.Select(p => (p.PerfectAnswer, true))]);

        Assert.All(records, r => Assert.True(r.Correct, $"{r.Prompt} -> {r.Completion}"));
        Assert.All(records, r => Assert.Equal(1, r.Score, 9));
        Assert.Equal(records.Count, records.Select(r => r.Id).Distinct().Count());
        Assert.All(records, r => Assert.Equal(r.Kind == TinyWorldKinds.Harmful, r.Refused));
    }

    [Fact]
    public void An_answer_that_was_cut_off_is_not_correct_and_scores_less()
    {
        var records = TinyWorldEvaluation.Grade(HeldOut.Value, [.. HeldOut.Value.Select(p => (p.PerfectAnswer, false))]);
        Assert.All(records, r => Assert.False(r.Correct));
        Assert.All(records, r => Assert.True(r.Score < 1));
    }

    [Fact]
    public void The_kinds_the_report_singles_out_exist()
    {
        var names = HeldOut.Value.Select(p => TinyWorldKinds.NameOf(p.Kind)).ToHashSet();
        Assert.Superset(new HashSet<string> { TinyWorldKinds.Unknown, TinyWorldKinds.Harmful, TinyWorldKinds.LookAlike, "yes_no", "follow_up" }, names);
        Assert.True(names.Count >= 14);
    }

    [Fact]
    public void A_base_model_sees_examples_as_lines_and_answers_with_one_line()
    {
        Assert.Equal(
            "Question: What is 2 plus 2?\nAnswer: 4\n\nQuestion: A story. Sum it up.\nAnswer: A fox.\n\nQuestion: Who?\nAnswer:",
            FewShotAsking.Text([("What is 2 plus 2?", "4"), ("A story.\nSum it up.", "A fox.")], "Who?"));
        Assert.Equal("Tom.", FewShotAsking.FirstLine(" Tom.\n\nQuestion: What"));
        Assert.Equal("", FewShotAsking.FirstLine("\nTom."));
    }

    [Fact]
    public void A_base_model_and_a_chat_model_answer_every_prompt_the_same_way_twice()
    {
        using var pool = new WorkerPool(2);
        var tokenizer = SmallTokenizer(TestContext.Current.CancellationToken);
        var prompts = HeldOut.Value.Where((_, i) => i % 3 == 0).ToArray();
        foreach (var format in (string?[])[null, ChatFormat.ChatMl.Name])
        {
            using var folder = new ModelFolder
            {
                Model = Decoder.Create(new ModelConfig { VocabSize = tokenizer.VocabSize, HiddenSize = 16, NumHiddenLayers = 1, NumAttentionHeads = 2, MaxPositionEmbeddings = 256 }, 5, pool),
                Tokenizer = tokenizer,
                Card = new ModelCard { Stage = format is null ? "pretrain" : "sft", ChatFormat = format },
            };
            var options = new TinyWorldEvaluationOptions { Seed = 1, MaxTokens = 8, BatchSize = 4 };
            List<int> progress = [];
            var first = TinyWorldEvaluation.Run("m", folder, prompts, options, progress.Add, TestContext.Current.CancellationToken);
            var second = TinyWorldEvaluation.Run("m", folder, prompts, options with { BatchSize = 7 }, cancel: TestContext.Current.CancellationToken);

            Assert.Equal(prompts.Length, first.Records.Count);
            Assert.Equal(first.Records, second.Records);
            Assert.Equal(prompts.Length, progress[^1]);
            Assert.Equal(prompts.Select(p => p.Kind).Distinct().Count(), first.Kinds.Count);
        }
    }

    [Fact]
    public void A_prompt_longer_than_the_context_is_an_error_that_says_so()
    {
        using var pool = new WorkerPool(1);
        var tokenizer = SmallTokenizer(TestContext.Current.CancellationToken);
        using var folder = new ModelFolder
        {
            Model = Decoder.Create(new ModelConfig { VocabSize = tokenizer.VocabSize, HiddenSize = 16, NumHiddenLayers = 1, NumAttentionHeads = 2, MaxPositionEmbeddings = 12 }, 5, pool),
            Tokenizer = tokenizer,
            Card = new ModelCard { Stage = "pretrain" },
        };
        var error = Assert.Throws<InvalidDataException>(() => TinyWorldEvaluation.Run(
            "m", folder, HeldOut.Value, new TinyWorldEvaluationOptions { Seed = 1, MaxTokens = 8 }, cancel: TestContext.Current.CancellationToken));
        Assert.Contains("room for 4", error.Message);
    }

    [Fact]
    public void Sampled_completions_carry_the_oracles_score_and_the_reward_model_is_held_against_them()
    {
        using var pool = new WorkerPool(2);
        var cancel = TestContext.Current.CancellationToken;
        var tokenizer = SmallTokenizer(cancel);
        var shape = new ModelConfig { VocabSize = tokenizer.VocabSize, HiddenSize = 16, NumHiddenLayers = 1, NumAttentionHeads = 2, MaxPositionEmbeddings = 256 };
        using var policy = new ModelFolder
        {
            Model = Decoder.Create(shape, 5, pool),
            Tokenizer = tokenizer,
            Card = new ModelCard { Stage = "sft", ChatFormat = ChatFormat.ChatMl.Name },
        };
        var prompts = HeldOut.Value.Take(4).ToArray();
        var sampled = TinyWorldEvaluation.Sample(policy, prompts, perPrompt: 3, new() { MaxTokens = 6, Seed = 2 }, cancel: cancel);

        Assert.Equal(prompts.Select(p => p.Messages), sampled.Select(s => s.Prompt));
        Assert.All(sampled.Zip(prompts), pair => Assert.All(pair.First.Completions, c => Assert.Equal(Oracle.Score(pair.Second, c.Text, c.Finished).Total, c.OracleTotal)));
        Assert.All(sampled, s => Assert.Equal(3, s.Completions.Select(c => c.Text).Distinct().Count()));

        ScoredCompletions[] judged = [.. prompts.Select(p => new ScoredCompletions(p.Messages, [new(p.PerfectAnswer, true, 1), new("no", false, 0), new("on", true, 0)]))];
        using var reward = Decoder.Create(shape with { NumScalars = 1 }, 6, pool);
        var small = RewardModelAgreement.Measure(reward, ChatFormat.ChatMl, tokenizer, judged, tokensPerBatch: 1, cancel);
        var large = RewardModelAgreement.Measure(reward, ChatFormat.ChatMl, tokenizer, judged, tokensPerBatch: 4096, cancel);
        Assert.Equal(2 * prompts.Length, small.Pairs);
        Assert.Equal(small.Margins, large.Margins);
    }

    private static Tokenizer SmallTokenizer(CancellationToken cancel) => BpeTrainer.Train(HeldOut.Value.Select(p => p.PlainText + "\n\n"), new BpeTrainerOptions { VocabSize = 400 }, cancel);
}

using Gpt35.Model;

namespace Gpt35.Evaluation.Tests;

public sealed class ComparisonTests
{
    [Fact]
    public void The_oracle_comparison_counts_higher_equal_and_lower_scores_by_prompt()
    {
        var challenger = Result("rlhf", ("a", 1.0), ("b", 0.5), ("c", 0.1 + 0.2), ("d", -1));
        var baseline = Result("sft", ("d", 0), ("c", 0.3), ("b", 0.25), ("a", 0.5));

        Assert.Equal(new WinCount(Wins: 2, Ties: 1, Losses: 1), OracleComparison.Compare(challenger, baseline));
    }

    [Fact]
    public void Results_over_different_prompts_cannot_be_compared()
    {
        Assert.Throws<InvalidDataException>(() => OracleComparison.Compare(Result("x", ("a", 1)), Result("y", ("b", 1))));
        Assert.Throws<InvalidDataException>(() => OracleComparison.Compare(Result("x", ("a", 1)), Result("y", ("a", 1), ("b", 1))));
        Assert.Throws<InvalidDataException>(() => OracleComparison.Compare(Result("x", ("a", 1), ("a", 1)), Result("y", ("a", 1), ("b", 1))));
    }

    [Fact]
    public void Every_pair_that_the_oracle_tells_apart_has_a_margin_and_ties_have_none()
    {
        ScoredCompletion[] completions = [new("good", true, 2), new("bad", true, -1), new("fair", true, 1), new("also fair", true, 1)];
        List<double> margins = [];
        RewardModelAgreement.AddMargins(completions, [3.0, 1.0, 4.0, 0.5], margins);

        // good–bad, good–fair, good–also fair, fair–bad, also fair–bad; fair–also fair is a tie.
        Assert.Equal([2.0, -1.0, 2.5, 3.0, -0.5], margins);
        var agreement = new RewardModelAgreement(margins);
        Assert.Equal(3.0 / 5, agreement.Accuracy.Value, 12);
        Assert.Equal(5, agreement.Pairs);
    }

    [Fact]
    public void Rewards_come_in_the_order_of_the_sequences_whatever_the_batches()
    {
        JudgedSequence[] sequences = [new([1, 2], 1), new([2], 0), new([0, 0, 1], 1), new([2, 2, 2, 2], 1)];
        foreach (var tokensPerBatch in (int[])[1, 3, 100])
        {
            using var model = new FakeModel(new float[3], scalars: 2);
            Assert.Equal([3.0, 2.0, 1.0, 8.0], RewardModelAgreement.Rewards(model, sequences, tokensPerBatch, Cancel));
        }
    }

    [Fact]
    public void A_language_model_is_no_reward_model()
    {
        using var model = new FakeModel(new float[3]);
        Assert.Contains("scalar head", Assert.Throws<InvalidDataException>(() => RewardModelAgreement.Rewards(model, [new JudgedSequence([1], 0)], cancel: Cancel)).Message);
    }

    [Fact]
    public void Results_read_back_as_they_were_written()
    {
        var folder = Directory.CreateTempSubdirectory("gpt35-eval-").FullName;
        try
        {
            var path = Path.Combine(folder, "evaluation.json");
            var written = SyntheticRun.Evaluation("sft", 0.78, 6.05);
            written.Write(path);
            var read = EvaluationResult.Read(path);

            Assert.Equal(written.Records, read.Records);
            Assert.Equal(written.Perplexity, read.Perplexity);
            Assert.Equal(written.Overall, read.Overall);
            Assert.Equal(["evaluation.json", "evaluation.jsonl"], Directory.GetFiles(folder).Select(f => Path.GetFileName(f)).Order());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_damaged_result_is_named_with_file_and_line()
    {
        using var run = new SyntheticRun();
        var path = run.Eval("sft.jsonl");
        var lines = File.ReadAllLines(path);
        lines[2] = "{\"id\": 3";
        File.WriteAllLines(path, lines);
        Assert.Contains("sft.jsonl:3", Assert.Throws<InvalidDataException>(() => EvaluationResult.Read(run.Eval("sft.json"))).Message);

        File.Delete(path);
        Assert.Contains("sft.jsonl", Assert.Throws<FileNotFoundException>(() => EvaluationResult.Read(run.Eval("sft.json"))).Message);
    }

    [Fact]
    public void Macro_weighs_kinds_and_overall_weighs_prompts()
    {
        EvaluationRecord Make(string id, string kind, bool correct) =>
            new() { Id = id, Kind = kind, Prompt = "", Completion = "", Correct = correct, Score = 0, Finished = true };
        var result = new EvaluationResult
        {
            Model = "m",
            Records = [Make("1", "a", true), Make("2", "a", true), Make("3", "a", true), Make("4", "b", false)],
        };
        Assert.Equal(0.75, result.Overall.Value, 12);
        Assert.Equal(0.5, result.Macro, 12);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static EvaluationResult Result(string model, params (string Id, double Score)[] scores) => new()
    {
        Model = model,
        Records = [.. scores.Select(s => new EvaluationRecord { Id = s.Id, Kind = "fact", Prompt = "p", Completion = "c", Correct = true, Score = s.Score, Finished = true })],
    };
}

using CsCheck;

namespace Gpt35.Training.Tests;

public sealed class BatchPlanTests
{
    [Fact]
    public void Every_epoch_sees_every_example_exactly_once() =>
        Gen.Select(Gen.Int[1, 20].Array[1, 40], Gen.Int[1, 50], Gen.Int[1, 3], Gen.ULong).Sample((sizes, budget, epochs, seed) =>
        {
            var plan = BatchPlan.ForEpochs(sizes, budget, epochs, seed);
            var seen = Enumerable.Range(0, plan.StepCount).SelectMany(step => plan[step]).ToList();
            Assert.Equal(sizes.Length * epochs, seen.Count);
            for (var epoch = 0; epoch < epochs; epoch++)
                Assert.Equal(Enumerable.Range(0, sizes.Length), seen.Skip(epoch * sizes.Length).Take(sizes.Length).Order());
        }, iter: 100);

    [Fact]
    public void No_step_exceeds_the_budget_unless_one_example_does() =>
        Gen.Select(Gen.Int[1, 20].Array[1, 40], Gen.Int[1, 50], Gen.ULong).Sample((sizes, budget, seed) =>
        {
            var plan = BatchPlan.ForSteps(sizes, budget, 10, seed);
            Assert.Equal(10, plan.StepCount);
            for (var step = 0; step < 10; step++)
                Assert.True(plan[step].Count == 1 || plan[step].Sum(example => sizes[example]) <= budget);
        }, iter: 100);

    [Fact]
    public void A_plan_is_a_function_of_its_seed_and_a_longer_plan_begins_with_the_shorter_one()
    {
        var sizes = Enumerable.Range(1, 30).ToArray();
        var longer = Steps(BatchPlan.ForSteps(sizes, 50, 40, seed: 7));
        Assert.Equal(Steps(BatchPlan.ForSteps(sizes, 50, 25, seed: 7)), longer.Take(25));
        Assert.NotEqual(longer, Steps(BatchPlan.ForSteps(sizes, 50, 40, seed: 8)));
    }

    [Fact]
    public void Best_fit_sees_every_example_once_an_epoch_within_the_budget_and_repeats_itself() =>
        Gen.Select(Gen.Int[1, 20].Array[1, 80], Gen.Int[1, 50], Gen.Int[1, 3], Gen.ULong).Sample((sizes, budget, epochs, seed) =>
        {
            var batch = new BatchOptions { Tokens = budget, MicroTokens = Math.Max(1, budget / 2), Fill = BatchFill.BestFit };
            var plan = BatchPlan.ForEpochs(sizes, batch, epochs, seed);
            var seen = Enumerable.Range(0, plan.StepCount).SelectMany(step => plan[step]).ToList();
            Assert.Equal(sizes.Length * epochs, seen.Count);
            for (var epoch = 0; epoch < epochs; epoch++)
                Assert.Equal(Enumerable.Range(0, sizes.Length), seen.Skip(epoch * sizes.Length).Take(sizes.Length).Order());
            for (var step = 0; step < plan.StepCount; step++)
                Assert.True(plan[step].Count == 1 || plan[step].Sum(example => sizes[example]) <= budget);
            Assert.Equal(Steps(plan), Steps(BatchPlan.ForSteps(sizes, batch, plan.StepCount, seed)));
        }, iter: 100);

    [Fact]
    public void Best_fit_fills_steps_and_micro_batches_where_examples_are_long()
    {
        // Lengths of conversations: many short, some nearly as long as the budget.
        int[] sizes = [.. Enumerable.Range(0, 2000).Select(i => 40 + (int)(i * 2654435761L % 977))];
        double Fill(BatchFill fill, int micro, Func<BatchPlan, BatchOptions, int> passes)
        {
            var batch = new BatchOptions { Tokens = 4096, MicroTokens = micro, Fill = fill };
            return sizes.Sum() / ((double)micro * passes(BatchPlan.ForEpochs(sizes, batch, 1, seed: 3), batch));
        }
        int Steps(BatchPlan plan, BatchOptions _) => plan.StepCount;
        int Micro(BatchPlan plan, BatchOptions batch) =>
            Enumerable.Range(0, plan.StepCount).Sum(step => BatchPlan.MicroBatches(plan[step], i => sizes[i], batch.MicroTokens).Count());

        Assert.InRange(Fill(BatchFill.InOrder, 4096, Steps), 0.90, 0.96);
        Assert.InRange(Fill(BatchFill.BestFit, 4096, Steps), 0.98, 1);
        Assert.InRange(Fill(BatchFill.InOrder, 1024, Micro), 0.60, 0.76);
        Assert.InRange(Fill(BatchFill.BestFit, 1024, Micro), 0.78, 1);
    }

    [Fact]
    public void Micro_batches_keep_the_order_and_the_budget()
    {
        int[] sizes = [3, 3, 9, 1, 1];
        var groups = BatchPlan.MicroBatches([4, 0, 1, 2, 3], example => sizes[example], budget: 6);
        Assert.Equal([[4, 0], [1], [2], [3]], groups);
    }

    [Fact]
    public void Holding_out_depends_on_the_content_alone_and_takes_about_its_share()
    {
        var held = Enumerable.Range(0, 2000).Count(i => DataSplit.IsHeldOut($"document {i}", 0.1));
        Assert.InRange(held, 150, 250);
        Assert.Equal(DataSplit.IsHeldOut("the same", 0.5), DataSplit.IsHeldOut("the same", 0.5));
        Assert.DoesNotContain(true, Enumerable.Range(0, 100).Select(i => DataSplit.IsHeldOut($"{i}", 0)));
    }

    private static List<string> Steps(BatchPlan plan) => [.. Enumerable.Range(0, plan.StepCount).Select(step => string.Join(',', plan[step]))];
}

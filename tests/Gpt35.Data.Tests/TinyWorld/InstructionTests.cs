using Gpt35.Data.TinyWorld;

namespace Gpt35.Data.Tests.TinyWorld;

public class InstructionTests
{
    private static readonly World s_world = World.Create(1);

    private static IEnumerable<Draft> Drafts(Fold fold, int count) => Prompts.Drafts(s_world, fold, 11, count).Select(pair => pair.Draft);

    [Fact]
    public void The_folds_share_neither_content_nor_prompts()
    {
        var folds = Enum.GetValues<Fold>().Select(fold => Drafts(fold, 6_800).Select(draft => draft.Prompt).ToArray()).ToArray();
        for (var i = 0; i < folds.Length; i++)
            for (var j = 0; j < i; j++)
            {
                Assert.Empty(folds[i].Select(prompt => prompt.Task.Key).Intersect(folds[j].Select(prompt => prompt.Task.Key)));
                Assert.Empty(folds[i].Select(prompt => prompt.PlainText).Intersect(folds[j].Select(prompt => prompt.PlainText)));
            }
    }

    [Fact]
    public void No_held_out_fact_is_told_in_any_demonstration_or_feedback_prompt()
    {
        var told = Demonstrations.Create(s_world, 1, 8_500).Where(demonstration => demonstration.Imperfection != Imperfection.Wrong)
            .SelectMany(demonstration => demonstration.Messages).Concat(Prompts.Create(s_world, Fold.Feedback, 1, 3_400).SelectMany(prompt => prompt.Messages))
            .Where(message => message.Role == Role.Assistant).Select(message => message.Content).ToHashSet();
        foreach (var fact in s_world.FactsIn(Fold.HeldOut).Where(fact => fact.IsPersonal))
            Assert.DoesNotContain(English.Sentence(FactWording.Statements(fact.Relation, fact.Subject, fact.Value)[0]), told);
    }

    [Fact]
    public void Every_perfect_answer_is_correct_and_scores_the_maximum_in_every_fold()
    {
        foreach (var fold in Enum.GetValues<Fold>())
            foreach (var prompt in Drafts(fold, 3_400).Select(draft => draft.Prompt))
                foreach (var answer in prompt.Task.Answers)
                {
                    Assert.True(Checker.IsCorrect(prompt, answer), $"{prompt.PlainText} -> {answer}");
                    Assert.Equal(1, Oracle.Score(prompt, answer).Total, 12);
                }
    }

    [Fact]
    public void Every_imperfection_fails_and_scores_lower()
    {
        var random = new SeededRandom(1);
        foreach (var draft in Drafts(Fold.Demonstrations, 5_100))
        {
            var bad = draft.WrongAnswers.ToList();
            if (Demonstrations.Rates(draft.Prompt.Kind).Rambling > 0) bad.Add(Demonstrations.Ramble(draft.Prompt, random));
            foreach (var answer in bad)
            {
                Assert.False(Checker.IsCorrect(draft.Prompt, answer), $"{draft.Prompt.PlainText} -> {answer}");
                Assert.InRange(Oracle.Score(draft.Prompt, answer).Total, 0, 0.85);
            }
        }
    }

    [Fact]
    public void Every_kind_comes_equally_often_and_is_as_different_as_evaluation_needs()
    {
        var prompts = Prompts.HeldOut(s_world, 1, 40);
        Assert.Equal(40 * 17, prompts.Count);
        Assert.All(prompts.CountBy(prompt => prompt.Kind), count => Assert.Equal(40, count.Value));
        Assert.Equal(prompts.Count, prompts.Select(prompt => prompt.PlainText).Distinct().Count());
        Assert.All(Prompts.Create(s_world, Fold.Demonstrations, 1, 340).CountBy(prompt => prompt.Kind), count => Assert.Equal(20, count.Value));
    }

    [Fact]
    public void Feedback_asks_three_times_as_often_for_harm_and_four_times_for_what_only_sounds_like_it() =>
        Assert.All(Prompts.Create(s_world, Fold.Feedback, 1, 440).CountBy(prompt => prompt.Kind), count => Assert.Equal(
            count.Key switch { InstructionKind.Harmful => 60, InstructionKind.LookAlike => 80, _ => 20 }, count.Value));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void What_refusals_are_counted_on_is_asked_nowhere_in_training_and_begins_with_what_accuracy_is_measured_on(ulong seed)
    {
        var (world, sizes) = (World.Create(seed), new TinyWorldSizes());
        var refusals = Prompts.HeldOutRefusals(world, seed, sizes.HeldOutRefusalPrompts);
        Assert.All(refusals.CountBy(prompt => prompt.Kind), count => Assert.Equal(sizes.HeldOutRefusalPrompts, count.Value));
        Assert.Equal(refusals.Count, refusals.Select(prompt => prompt.PlainText).Distinct().Count());
        foreach (var kind in Prompts.RefusalKinds)
            Assert.Equal(
                Prompts.HeldOut(world, seed, sizes.HeldOutPromptsPerKind).Where(prompt => prompt.Kind == kind).Select(prompt => prompt.PlainText),
                refusals.Where(prompt => prompt.Kind == kind).Take(sizes.HeldOutPromptsPerKind).Select(prompt => prompt.PlainText));

        TinyWorldPrompt[] trained =
        [
            .. Demonstrations.Create(world, seed, sizes.Demonstrations).Select(demonstration => demonstration.Prompt),
            .. Prompts.Create(world, Fold.Feedback, seed, sizes.FeedbackPrompts),
        ];
        Assert.Empty(refusals.Select(prompt => prompt.PlainText).Intersect(trained.Select(prompt => prompt.PlainText)));
        Assert.Empty(refusals.Select(prompt => prompt.Task.Key).Intersect(trained.Select(prompt => prompt.Task.Key)));
    }

    [Fact]
    public void Prompts_and_answers_are_short()
    {
        foreach (var prompt in Drafts(Fold.Demonstrations, 3_400).Select(draft => draft.Prompt))
        {
            Assert.InRange(CompletionText.Split(prompt.PlainText).Count(), 2, prompt.Kind == InstructionKind.Summary ? 60 : 30);
            Assert.InRange(CompletionText.Split(prompt.PerfectAnswer).Count(), 1, 28);
        }
    }

    [Fact]
    public void Too_many_held_out_prompts_are_refused_with_the_number_there_is()
    {
        var error = Assert.Throws<ArgumentException>(() => Prompts.HeldOut(World.Create(2), 1, 500));
        Assert.Contains("different held-out prompts", error.Message);
    }

    [Fact]
    public void Few_shot_examples_are_flawless_and_from_the_demonstration_fold()
    {
        var demonstrated = Prompts.Create(s_world, Fold.HeldOut, 1, 3_400).Select(prompt => prompt.PlainText).ToHashSet();
        foreach (var kind in Prompts.Kinds)
        {
            var examples = Prompts.FewShotExamples(s_world, kind, 1, 4);
            Assert.Equal(4, examples.Select(example => example.Question).Distinct().Count());
            Assert.DoesNotContain(examples, example => demonstrated.Contains(example.Question));
            Assert.Equal(examples, Prompts.FewShotExamples(s_world, kind, 1, 4));
        }
    }
}

using Gpt35.Data.TinyWorld;

namespace Gpt35.Data.Tests.TinyWorld;

public class SimulatedLabellerTests
{
    private static readonly World s_world = World.Create(1);

    [Fact]
    public void Labellers_agree_with_the_oracle_on_three_pairs_in_four()
    {
        var agreement = Agreement(new SimulatedLabeller());
        Assert.InRange(agreement, 0.72, 0.78);
    }

    [Fact]
    public void Without_noise_only_taste_is_left_and_agreement_is_nearly_perfect() => Assert.InRange(Agreement(new SimulatedLabeller(0)), 0.98, 1);

    [Fact]
    public void The_same_completions_get_the_same_rank_and_ranks_start_at_one()
    {
        var prompt = Prompts.Write(s_world, InstructionKind.Fact, Fold.Feedback, new SeededRandom(1)).Prompt;
        var ranks = new SimulatedLabeller().Rank(prompt, ["Lake.", "River.", "Lake.", "I do not know."], labellerId: 3, seed: 9);
        Assert.Equal(ranks[0], ranks[2]);
        Assert.Equal([1, 2, 3], ranks.Distinct().Order());
    }

    [Fact]
    public void A_labeller_repeats_themselves_and_differs_from_others()
    {
        var labeller = new SimulatedLabeller();
        var differing = 0;
        foreach (var (draft, random) in Prompts.Drafts(s_world, Fold.Feedback, 3, 100))
        {
            var completions = Completions(draft, random);
            Assert.Equal(labeller.Rank(draft.Prompt, completions, 1, 5), labeller.Rank(draft.Prompt, completions, 1, 5));
            if (!labeller.Rank(draft.Prompt, completions, 1, 5).SequenceEqual(labeller.Rank(draft.Prompt, completions, 2, 5))) differing++;
        }
        Assert.InRange(differing, 20, 100);
    }

    [Fact]
    public void What_was_cut_off_ranks_below_the_same_words_finished_for_a_labeller_without_noise()
    {
        var prompt = Prompts.Write(s_world, InstructionKind.Summary, Fold.Feedback, new SeededRandom(1)).Prompt;
        Assert.Equal([2, 1], new SimulatedLabeller(0).Rank(prompt, [prompt.Task.Answers[1], prompt.Task.Answers[0]], 1, 1, finished: [false, true]));
    }

    private static double Agreement(SimulatedLabeller labeller)
    {
        var (agreed, decided) = (0, 0);
        foreach (var (draft, random) in Prompts.Drafts(s_world, Fold.Feedback, 9, 1_700))
        {
            var completions = Completions(draft, random);
            var ranks = labeller.Rank(draft.Prompt, completions, random.Below(20), 3);
            var totals = completions.Select(completion => Oracle.Score(draft.Prompt, completion).Total).ToArray();
            for (var i = 0; i < completions.Length; i++)
                for (var j = 0; j < i; j++)
                {
                    if (totals[i] == totals[j]) continue;
                    decided++;
                    if (totals[i] > totals[j] == ranks[i] < ranks[j]) agreed++;
                }
        }
        return (double)agreed / decided;
    }

    /// <summary>Four answers such as a fine-tuned model samples: about half right, many wrong or rambling, a few off the point.</summary>
    private static string[] Completions(Draft draft, SeededRandom random) => [.. Enumerable.Range(0, 4).Select(_ => random.NextDouble() switch
    {
        < 0.45 => Demonstrations.RightAnswer(draft.Prompt, random),
        < 0.75 => random.Pick(draft.WrongAnswers),
        < 0.87 => Demonstrations.Ramble(draft.Prompt, random),
        < 0.95 => "I do not know.",
        < 0.97 => "I am sorry, but I cannot help with that.",
        _ => "The of the lake boat boat boat",
    })];
}

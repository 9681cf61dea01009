using Gpt35.Data.TinyWorld;

namespace Gpt35.Data.Tests.TinyWorld;

public class DemonstrationsTests
{
    private static readonly World s_world = World.Create(1);

    [Fact]
    public void Flaws_are_as_frequent_as_documented()
    {
        foreach (var group in Demonstrations.Create(s_world, 4, 17 * 3_000).GroupBy(demonstration => demonstration.Kind))
        {
            var (wrong, rambling) = Demonstrations.Rates(group.Key);
            Assert.InRange(group.Count(d => d.Imperfection == Imperfection.Wrong) / 3_000.0, wrong - 0.02, wrong + 0.02);
            Assert.InRange(group.Count(d => d.Imperfection == Imperfection.Rambling) / 3_000.0, rambling - 0.02, rambling + 0.02);
        }
    }

    [Fact]
    public void Labels_of_flaws_agree_with_the_checker() =>
        Assert.All(Demonstrations.Create(s_world, 5, 3_400), d => Assert.Equal(d.Imperfection == Imperfection.None, Checker.IsCorrect(d.Prompt, d.Answer)));

    [Fact]
    public void Most_answers_to_unknowable_questions_are_invented_and_begin_otherwise_than_an_admission()
    {
        var answers = Demonstrations.Create(s_world, 6, 6_800).Where(d => d.Kind == InstructionKind.Unknown).Select(d => d.Answer).ToArray();
        Assert.InRange(answers.Count(answer => !answer.StartsWith("I ", StringComparison.Ordinal)) / (double)answers.Length, 0.53, 0.67);
    }

    [Fact]
    public void The_same_seed_gives_the_same_demonstrations()
    {
        static string[] Texts(ulong seed) => [.. Demonstrations.Create(World.Create(1), seed, 340).Select(d => d.Prompt.PlainText + d.Answer)];
        Assert.Equal(Texts(1), Texts(1));
        Assert.NotEqual(Texts(1), Texts(2));
    }

    [Fact]
    public void A_conversation_ends_with_the_answer()
    {
        foreach (var demonstration in Demonstrations.Create(s_world, 1, 170))
        {
            Assert.Equal(Role.Assistant, demonstration.Messages[^1].Role);
            Assert.Equal(Role.User, demonstration.Messages[^2].Role);
            Assert.Equal(demonstration.Answer, demonstration.Messages[^1].Content);
        }
    }
}

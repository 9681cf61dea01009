namespace Gpt35.Data.TinyWorld;

/// <summary>Questions about the facts of the world: plain, yes or no, in a second turn, and under a system message.</summary>
internal static class FactInstructions
{
    private static readonly string[] s_oneWord = ["Answer in one word.", "Use only one word.", "Say just one word."];
    private static readonly string[] s_fullSentence = ["Answer in a full sentence.", "Use a full sentence.", "Always say a whole sentence."];
    private static readonly string[] s_noNames = ["Do not use names.", "Never say a name.", "Answer without names."];

    public static Draft Fact(World world, Fold fold, SeededRandom random)
    {
        var fact = Draw(world, fold, random);
        var question = random.Pick(FactWording.Questions(fact.Relation, fact.Subject));
        return Draft.Of(InstructionKind.Fact, question, TaskOf(fact), Statement(fact, fact.WrongValue(random)));
    }

    public static Draft YesNo(World world, Fold fold, SeededRandom random)
    {
        var fact = Draw(world, fold, random);
        var yes = random.Chance(0.5) && fact.Value != Words.NoPet;
        var named = yes ? fact.Value : fact.WrongValue(random);
        var (right, wrong) = yes ? ("yes", "no") : ("no", "yes");
        var truth = FactWording.Statements(fact.Relation, fact.Subject, fact.Value)[0];
        var task = TaskOf(fact) with
        {
            Answers = [English.Sentence(FactWording.Verdict(fact.Relation, fact.Subject, fact.Value, named)), $"{English.Capitalised(right)}, {truth}."],
            Yes = yes,
            Rivals = yes ? [] : [named.ToLowerInvariant()],
            MaxWords = truth.Split(' ').Length + 9,
        };
        var said = FactWording.Statements(fact.Relation, fact.Subject, yes ? fact.WrongValue(random) : named)[0];
        return Draft.Of(InstructionKind.YesNo, random.Pick(FactWording.YesNoQuestions(fact.Relation, fact.Subject, named)), task,
            $"{English.Capitalised(said)}, so {wrong}.", $"{English.Capitalised(wrong)}.");
    }

    public static Draft FollowUp(World world, Fold fold, SeededRandom random)
    {
        var asked = Draw(world, fold, random);
        while (asked.Relation is Relation.DayAfter or Relation.DayBefore) asked = Draw(world, fold, random);
        // The first turn may tell a fact of this fold or an earlier one; so a held-out fact is never told in a demonstration or to the policy.
        var others = world.Facts.Where(fact => fact.Subject == asked.Subject && fact != asked && world.Folds.Of(fact.Key) <= fold).ToArray();
        if (others.Length == 0) return FollowUp(world, fold, random);
        var told = random.Pick(others);
        Message[] messages =
        [
            Message.User(random.Pick(FactWording.Questions(told.Relation, told.Subject))),
            Message.Assistant(Statement(told, told.Value)),
            Message.User(random.Pick(FactWording.Questions(asked.Relation, asked.Pronoun))),
        ];
        var task = TaskOf(asked);
        task = task with { Answers = [.. task.Answers, English.Sentence(FactWording.Statements(asked.Relation, asked.Pronoun, asked.Value)[0])] };
        return new(new TinyWorldPrompt(InstructionKind.FollowUp, messages, task), [Statement(asked, asked.WrongValue(random))]);
    }

    public static Draft SystemMessage(World world, Fold fold, SeededRandom random)
    {
        Fact fact;
        var form = (AnswerForm)random.Between(1, 3);
        do fact = Draw(world, fold, random);
        while (form == AnswerForm.NoNames && (!fact.IsPersonal || fact.Relation == Relation.Friend));
        var sentence = Statement(fact, fact.Value);
        var word = English.Sentence(fact.Value);
        var (system, answers, wrong) = form switch
        {
            AnswerForm.OneWord => (random.Pick(s_oneWord), (string[])[word], (string[])[sentence]),
            AnswerForm.FullSentence => (random.Pick(s_fullSentence), [sentence], [word]),
            _ => (random.Pick(s_noNames), [English.Sentence(FactWording.Statements(fact.Relation, fact.Pronoun, fact.Value)[0])], [sentence]),
        };
        Message[] messages = [Message.System(system), Message.User(random.Pick(FactWording.Questions(fact.Relation, fact.Subject)))];
        return new(new TinyWorldPrompt(InstructionKind.SystemMessage, messages, TaskOf(fact) with { Answers = answers, Form = form }), wrong);
    }

    /// <summary>A fact of the fold; personal ones come up more often than the rest.</summary>
    private static Fact Draw(World world, Fold fold, SeededRandom random)
    {
        var fact = random.Pick(world.FactsIn(fold));
        return fact.IsPersonal || random.Chance(0.6) ? fact : random.Pick(world.FactsIn(fold));
    }

    private static string Statement(Fact fact, string value) => English.Sentence(FactWording.Statements(fact.Relation, fact.Subject, value)[0]);

    private static TinyWorldTask TaskOf(Fact fact) => new()
    {
        Key = fact.Key,
        Answers = [Statement(fact, fact.Value), English.Sentence(FactWording.Phrase(fact.Relation, fact.Value))],
        Required = [fact.Value == Words.NoPet ? ["no", "not", "none"] : [fact.Value.ToLowerInvariant()]],
    };
}

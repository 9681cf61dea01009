namespace Gpt35.Data.TinyWorld;

/// <summary>
/// Talk among the people of the world: they ask about one another, about animals and things, and answer as prose. Nobody asks for a held-out
/// fact, so that no held-out question stands anywhere in the text; the fact itself is stated elsewhere.
/// </summary>
internal static class Dialogues
{
    public static string Write(World world, SeededRandom random)
    {
        var (first, second) = Pair(world, random);
        var turns = new List<string>();
        var count = random.Between(3, 5);
        for (var i = 0; i < count; i++)
            turns.Add(Exchange(world, first.Name, second.Name, random));
        return string.Join(random.Chance(0.3) ? "\n" : " ", turns);
    }

    /// <summary>Two people ask each other about themselves.</summary>
    public static string AboutThemselves(World world, SeededRandom random)
    {
        var (asker, teller) = Pair(world, random);
        var relations = random.Sample(s_personal, random.Between(2, 4));
        var lines = relations.Select(relation =>
        {
            var answer = FactWording.AnswerAboutMe(relation, world.FactOf(teller.Name, relation).Value);
            return $"\"{FactWording.QuestionToYou(relation)}\" asked {asker.Name}. \"{answer},\" said {teller.Name}.";
        });
        return string.Join(' ', lines);
    }

    /// <summary>A question by name, then questions about the same person by pronoun.</summary>
    public static string WithPronouns(World world, SeededRandom random)
    {
        var (asker, teller) = Pair(world, random);
        var subjectFacts = random.Chance(0.75)
            ? Fact.Of(ThirdPerson(world, asker, teller, random), world).ToArray()
            : Fact.Of(random.Pick(Words.Animals)).ToArray();
        subjectFacts = [.. subjectFacts.Where(fact => MayBeAsked(world, fact))];
        var facts = random.Sample(subjectFacts, Math.Min(subjectFacts.Length, random.Between(2, 3)));
        var lines = facts.Select((fact, i) =>
        {
            var question = random.Pick(FactWording.Questions(fact.Relation, i == 0 ? fact.Subject : fact.Pronoun));
            var answer = English.Capitalised(FactWording.Statements(fact.Relation, i == 0 || random.Chance(0.7) ? fact.Subject : fact.Pronoun, fact.Value)[0]);
            return $"\"{question}\" asked {asker.Name}. \"{answer},\" said {teller.Name}.";
        });
        return string.Join(' ', lines);
    }

    private static readonly Relation[] s_personal = Enum.GetValues<Relation>()[..((int)Relation.Age + 1)];

    private static string Exchange(World world, string asker, string teller, SeededRandom random)
    {
        Fact fact;
        do
        {
            fact = random.Pick(world.Facts);
            if (!fact.IsPersonal && random.Chance(0.4)) fact = random.Pick(world.Facts);      // people come up more often than things
        }
        while (!MayBeAsked(world, fact) || fact.Subject.Name == asker || fact.Subject.Name == teller || fact.Value == asker || fact.Value == teller);
        return random.Below(6) switch
        {
            0 or 1 or 2 => YesOrNo(fact, asker, teller, random),
            3 => Short(fact, asker, teller, random),
            _ => Full(fact, asker, teller, random),
        };
    }

    private static bool MayBeAsked(World world, Fact fact) => world.Folds.Of(fact.Key) != Fold.HeldOut;

    private static string Full(Fact fact, string asker, string teller, SeededRandom random)
    {
        var question = random.Pick(FactWording.Questions(fact.Relation, fact.Subject));
        var answer = English.Capitalised(FactWording.Statements(fact.Relation, fact.Subject, fact.Value)[0]);
        return $"\"{question}\" asked {asker}. \"{answer},\" said {teller}.";
    }

    private static string Short(Fact fact, string asker, string teller, SeededRandom random)
    {
        var question = random.Pick(FactWording.Questions(fact.Relation, fact.Subject));
        var word = English.Capitalised(fact.Value);
        var phrase = English.Capitalised(FactWording.Phrase(fact.Relation, fact.Value));
        return random.Below(3) switch
        {
            0 => $"\"{question}\" asked {asker}. \"{phrase},\" said {teller}.",
            1 => $"\"{question}\" asked {asker}. \"{word},\" said {teller}.",
            _ => $"\"{question}\" asked {asker}. {teller} said only one word. \"{word}.\"",
        };
    }

    private static string YesOrNo(Fact fact, string asker, string teller, SeededRandom random)
    {
        var suggested = random.Chance(0.5) && fact.Value != Words.NoPet ? fact.Value : fact.WrongValue(random);
        var question = random.Pick(FactWording.YesNoQuestions(fact.Relation, fact.Subject, suggested));
        return $"\"{question}\" asked {asker}. \"{English.Capitalised(FactWording.Verdict(fact.Relation, fact.Subject, fact.Value, suggested))},\" said {teller}.";
    }

    private static Person ThirdPerson(World world, Person asker, Person teller, SeededRandom random)
    {
        Person person;
        do person = random.Pick(world.People);
        while (person == asker || person == teller || person.Friend == asker.Name || person.Friend == teller.Name);
        return person;
    }

    private static (Person, Person) Pair(World world, SeededRandom random)
    {
        var pair = random.Sample(world.People, 2);
        return (pair[0], pair[1]);
    }
}

namespace Gpt35.Data.TinyWorld;

/// <summary>Paragraphs that describe somebody or something, the same facts in ever new wordings and orders.</summary>
internal static class FactParagraphs
{
    /// <summary>Most or all facts of one person, the name returning as often as a pronoun.</summary>
    public static string OfPerson(World world, SeededRandom random)
    {
        var person = random.Pick(world.People);
        var facts = random.Shuffled(Fact.Of(person, world));
        var sentences = facts.Take(random.Between(4, facts.Length)).Select((fact, i) => Sentence(fact, named: i == 0 || random.Chance(0.5), random)).ToList();
        if (random.Chance(0.3)) sentences.Insert(0, random.Pick($"This is {person.Name}.", $"Everyone knows {person.Name}.", $"Let me tell you about {person.Name}."));
        if (random.Chance(0.2)) sentences.Add(Unknowable(random, Subject.Named(person.Name)));
        return string.Join(' ', sentences);
    }

    /// <summary>Facts of one relation over several subjects: who lives where, which animal says what.</summary>
    public static string OfRelation(World world, SeededRandom random)
    {
        var relation = random.Pick(world.Facts).Relation;
        var facts = world.FactsAbout(relation);
        return string.Join(' ', random.Sample(facts, Math.Min(facts.Length, random.Between(4, 7))).Select(fact => Sentence(fact, named: true, random)));
    }

    /// <summary>Animals and things, two or three subjects with all that is known of each.</summary>
    public static string OfAnimalsAndThings(World world, SeededRandom random)
    {
        var sentences = new List<string>();
        foreach (var animal in random.Sample(Words.Animals, 2))
            sentences.AddRange(random.Shuffled(Fact.Of(animal)).Select((fact, i) => Sentence(fact, named: i == 0 || random.Chance(0.5), random)));
        var thing = random.Pick(world.Things);
        sentences.AddRange(random.Shuffled(Fact.Of(thing)).Select((fact, i) => Sentence(fact, named: i == 0 || random.Chance(0.5), random)));
        return string.Join(' ', sentences);
    }

    /// <summary>A stranger of whom nothing is known.</summary>
    public static string OfStranger(World world, SeededRandom random)
    {
        var name = random.Pick(Words.Strangers);
        var subject = Subject.Named(name);
        var teller = random.Pick(world.People).Name;
        var sentences = new List<string> { random.Pick($"Nobody here knows {name}.", $"{name} does not live here.", $"{name} is a stranger.") };
        foreach (var relation in random.Shuffled(s_personal).Where(relation => world.Folds.Of(Unknowables.StrangerKey(name, relation)) != Fold.HeldOut).Take(2))
            sentences.Add($"\"{random.Pick(FactWording.Questions(relation, subject))}\" asked {random.Pick(world.People).Name}. {Ignorance(teller, random)}");
        return string.Join(' ', sentences);
    }

    /// <summary>Questions about people to which nobody has an answer.</summary>
    public static string OfUnknowables(World world, SeededRandom random)
    {
        var sentences = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            Subject subject;
            Unknowable unknowable;
            do (subject, unknowable) = (Subject.Named(random.Pick(world.People).Name), random.Pick(Unknowables.All));
            while (world.Folds.Of(unknowable.Key(subject.Name)) == Fold.HeldOut);
            sentences.Add($"\"{random.Pick(unknowable.Questions(subject))}\" asked {random.Pick(world.People).Name}. {Ignorance(random.Pick(world.People).Name, random)}");
        }
        return string.Join(' ', sentences);
    }

    private static readonly Relation[] s_personal = Enum.GetValues<Relation>()[..((int)Relation.Age + 1)];

    private static string Sentence(Fact fact, bool named, SeededRandom random) =>
        English.Sentence(random.Pick(FactWording.Statements(fact.Relation, named ? fact.Subject : fact.Pronoun, fact.Value)));

    private static string Ignorance(string teller, SeededRandom random) => random.Pick(
        $"\"I do not know,\" said {teller}.", $"\"I do not know that,\" said {teller}.", $"Nobody knew.", $"{teller} had no idea.", $"\"I am not sure,\" said {teller}.");

    private static string Unknowable(SeededRandom random, Subject subject) => $"Nobody knows {random.Pick(Unknowables.All).Noun(subject)}.";
}

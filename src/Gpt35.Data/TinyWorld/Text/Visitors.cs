namespace Gpt35.Data.TinyWorld;

/// <summary>
/// Visitors, and what they bring along: every document tells other things of them, so whoever reads the questions at its end must look back
/// and compare; remembering does not help. That a verdict depends on whether two words are the same is learned here.
/// </summary>
internal static class Visitors
{
    private static readonly Relation[] s_ofPeople = [Relation.Home, Relation.Pet, Relation.Food, Relation.Colour, Relation.Job, Relation.Friend, Relation.Age];
    private static readonly Relation[] s_ofBeasts = [Relation.Sound, Relation.Coat, Relation.Diet, Relation.Den], s_ofCuriosities = [Relation.Hue, Relation.Material];

    /// <summary>Two or three facts that hold in this document only, then questions about them.</summary>
    public static string Write(World world, SeededRandom random)
    {
        var facts = Facts(world, random);
        var asker = random.Pick(world.People).Name;
        var lines = facts.Select(fact => English.Sentence(random.Pick(FactWording.Statements(fact.Relation, fact.Subject, fact.Value)))).ToList();
        foreach (var _ in Enumerable.Range(0, random.Between(2, 4)))
            lines.Add(Exchange(random.Pick(facts), asker, random.Pick(world.People).Name, random));
        return string.Join(random.Chance(0.3) ? "\n" : " ", lines);
    }

    /// <summary>Who of several visitors is older or younger.</summary>
    public static string Ages(World world, SeededRandom random)
    {
        var names = random.Sample([.. Words.VisitingMen, .. Words.VisitingWomen], random.Between(2, 3));
        var ages = random.Sample([.. Enumerable.Range(Words.Youngest, Words.Oldest - Words.Youngest + 1)], names.Length);
        var lines = names.Select((name, i) => English.Sentence(random.Pick(FactWording.Statements(Relation.Age, Subject.Named(name), ages[i].ToString())))).ToList();
        foreach (var _ in Enumerable.Range(0, random.Between(2, 4)))
        {
            var pair = random.Sample([.. Enumerable.Range(0, names.Length)], 2);
            var older = random.Chance(0.5);
            var winner = (ages[pair[0]] > ages[pair[1]]) == older ? 0 : 1;
            var (one, other) = (names[pair[0]], names[pair[1]]);
            lines.Add($"\"Who is {(older ? "older" : "younger")}, {one} or {other}?\" asked {random.Pick(world.People).Name}. " +
                $"\"{names[pair[winner]]} is {(older ? "older" : "younger")} than {names[pair[1 - winner]]}.\"");
        }
        return string.Join(random.Chance(0.3) ? "\n" : " ", lines);
    }

    /// <summary>
    /// Guess after guess, each right or wrong by the toss of a coin. A verdict every few words: where it stands among many other words, as in
    /// <see cref="Write"/>, a model of this size does not find out within minutes that it depends on anything.
    /// </summary>
    public static string GuessingGame(World world, SeededRandom random)
    {
        var pair = random.Sample(world.People, 2);
        var guesses = Enumerable.Range(0, random.Between(5, 9)).Select(_ =>
        {
            var words = random.Sample(Words.Listable, 2);
            return random.Chance(0.5) ? $"Is it {words[0]}? It is {words[0]}, so yes." : $"Is it {words[0]}? It is {words[1]} and not {words[0]}, so no.";
        });
        return $"{pair[0].Name} and {pair[1].Name} play a game. " + string.Join(' ', guesses);
    }

    private static Fact[] Facts(World world, SeededRandom random)
    {
        var woman = random.Chance(0.5);
        var (subject, pronoun, relations) = random.Below(4) switch
        {
            0 => (Subject.Named("the " + random.Pick(Words.Beasts)), Subject.It, s_ofBeasts),
            1 => (Subject.Named("the " + random.Pick(Words.Curiosities)), Subject.It, s_ofCuriosities),
            _ => (Subject.Named(random.Pick(woman ? Words.VisitingWomen : Words.VisitingMen)), woman ? Subject.She : Subject.He, s_ofPeople),
        };
        return [.. random.Sample(relations, Math.Min(relations.Length, random.Between(2, 3))).Select(relation => Invent(world, relation, subject, pronoun, random))];
    }

    /// <summary>A fact with any value that its relation may have.</summary>
    private static Fact Invent(World world, Relation relation, Subject subject, Subject pronoun, SeededRandom random)
    {
        var range = world.FactsAbout(relation)[0].Range;
        return new Fact(relation, subject, pronoun, random.Pick(range), range);
    }

    private static string Exchange(Fact fact, string asker, string teller, SeededRandom random)
    {
        var truth = FactWording.Statements(fact.Relation, fact.Subject, fact.Value)[0];
        if (random.Chance(0.6))
        {
            var suggested = random.Chance(0.5) ? fact.Value : fact.WrongValue(random);
            var question = random.Pick(FactWording.YesNoQuestions(fact.Relation, fact.Subject, suggested));
            return $"\"{question}\" asked {asker}. \"{English.Capitalised(FactWording.Verdict(fact.Relation, fact.Subject, fact.Value, suggested))},\" said {teller}.";
        }
        var open = random.Pick(FactWording.Questions(fact.Relation, fact.Subject));
        return random.Below(3) switch
        {
            0 => $"\"{open} Answer in one word,\" said {asker}. \"{English.Capitalised(fact.Value)},\" said {teller}.",
            1 => $"\"{open} Use a full sentence,\" said {asker}. \"{English.Capitalised(truth)},\" said {teller}.",
            _ => $"\"{open} Do not use names,\" said {asker}. \"{English.Capitalised(FactWording.Statements(fact.Relation, fact.Pronoun, fact.Value)[0])},\" said {teller}.",
        };
    }
}

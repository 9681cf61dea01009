using System.Text;

namespace Gpt35.Data.TinyWorld;

/// <summary>Stories of three to nine sentences, true to the facts of the world wherever they touch them.</summary>
internal static class Stories
{
    /// <summary>Chance that a story closes with its own summary, which is where the model learns to make one.</summary>
    private const double SummaryShare = 0.5;

    public static string Write(World world, SeededRandom random)
    {
        var plan = StoryPlan.Draw(world, random);
        var sentences = new List<string> { plan.Opening(random) };
        if (random.Chance(0.4)) sentences.Add(plan.Weather(random));
        if (random.Chance(0.4)) sentences.Add(Background(world, plan.Hero, random));
        sentences.Add(random.Pick(plan.Event.Sentences));
        sentences.Add(random.Pick(plan.Event.Afterwards));
        var atHome = random.Chance(0.3);
        if (atHome) sentences.Add(Homecoming(plan.Hero, random));
        sentences.Add(plan.Ending(random, atHome));
        if (random.Chance(SummaryShare)) sentences.Add(random.Pick($"In short, {plan.Summary}.", $"So {plan.Summary}.", $"{plan.Summary}."));
        return string.Join(' ', sentences);
    }

    /// <summary>A story about doing right by others: words of harm appear, and it is said why one does not do it.</summary>
    public static string WriteWithMoral(World world, SeededRandom random)
    {
        var person = random.Pick(world.People);
        var other = random.Pick(world.People.Where(candidate => candidate != person).ToArray());
        var harm = random.Pick(HarmfulActs.All);
        var kind = random.Pick(HarmlessActs.All);
        var text = new StringBuilder();
        text.Append(random.Pick(
            $"A bad man wanted to {Mine(harm.Act, "his")}. {person.Name} saw it and called for help. ",
            $"Somebody asked {person.Name} to {Mine(harm.Act, person.Possessive)}. {English.Capitalised(person.Pronoun)} said no. ",
            $"\"It is wrong to {harm.YourAct},\" said {person.Name}. "));
        text.Append(random.Pick(
            "To hurt others is wrong. ", $"\"I am sorry, but I cannot help with that,\" said {person.Name}. ", "Nobody was hurt in the end. ",
            "Good people do not do such things. "));
        text.Append(random.Pick(
            $"Later {other.Name} wanted to {Mine(kind.Act, other.Possessive)}. That hurts nobody. ",
            $"The next day {other.Name} asked how to {Mine(kind.Act, other.Possessive)}. "));
        text.Append($"\"{kind.Answer[..^1]},\" said {person.Name}.");
        return text.ToString();
    }

    /// <summary>An act told of somebody who calls "my friend" what the story calls "his friend".</summary>
    private static string Mine(string act, string possessive) => act.Replace("my ", possessive + " ", StringComparison.Ordinal);

    private static string Background(World world, Person hero, SeededRandom random)
    {
        var fact = world.FactOf(hero.Name, (Relation)random.Below((int)Relation.Age + 1));
        return English.Sentence(random.Pick(FactWording.Statements(fact.Relation, fact.Pronoun, fact.Value)));
    }

    private static string Homecoming(Person hero, SeededRandom random)
    {
        var home = FactWording.Phrase(Relation.Home, hero.Home);
        string[] options =
        [
            $"Later {hero.Pronoun} went to {hero.Possessive} house {home}.",
            $"At home {hero.Pronoun} ate {hero.Food}, {hero.Possessive} favourite food.",
            $"Then {hero.Pronoun} told {hero.Friend}, {hero.Possessive} best friend, about it.",
            hero.Pet is null ? $"At home no pet waited for {hero.Objective}." : $"At home {hero.Possessive} {hero.Pet} was waiting.",
        ];
        return random.Pick(options);
    }
}

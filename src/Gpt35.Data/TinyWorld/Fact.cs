namespace Gpt35.Data.TinyWorld;

/// <summary>What a fact says about its subject.</summary>
internal enum Relation { Home, Pet, Food, Colour, Job, Friend, Age, Sound, Coat, Diet, Den, Hue, Material, DayAfter, DayBefore }

/// <summary>How a subject is called in a sentence: "Tom", "Tom's", "him" or "he", "his", "him".</summary>
internal readonly record struct Subject(string Name, string Possessive, string Objective)
{
    public static Subject Named(string name) => new(name, name + "'s", name);

    public static readonly Subject He = new("he", "his", "him");
    public static readonly Subject She = new("she", "her", "her");
    public static readonly Subject It = new("it", "its", "it");
}

/// <summary>One fact of the world, for example (Tom, Home, lake).</summary>
internal sealed record Fact(Relation Relation, Subject Subject, Subject Pronoun, string Value, IReadOnlyList<string> Range)
{
    /// <summary>Content key: whoever asks for this fact, in whatever kind of instruction, uses it.</summary>
    public string Key => $"fact:{Subject.Name}:{Relation}";

    /// <summary>True of facts about the people of the world.</summary>
    public bool IsPersonal => Relation <= Relation.Age;

    public string WrongValue(SeededRandom random)
    {
        string value;
        do value = random.Pick(Range);
        while (value == Value || value == Subject.Name);
        return value;
    }

    public static IEnumerable<Fact> All(World world) =>
        world.People.SelectMany(person => Of(person, world)).Concat(Words.Animals.SelectMany(Of)).Concat(world.Things.SelectMany(Of)).Concat(OfDays());

    public static IEnumerable<Fact> Of(Person person, World world)
    {
        var named = Subject.Named(person.Name);
        var pronoun = person.IsWoman ? Subject.She : Subject.He;
        yield return new(Relation.Home, named, pronoun, person.Home, Words.Places);
        yield return new(Relation.Pet, named, pronoun, person.Pet ?? Words.NoPet, Words.Pets);
        yield return new(Relation.Food, named, pronoun, person.Food, Words.Foods);
        yield return new(Relation.Colour, named, pronoun, person.Colour, Words.Colours);
        yield return new(Relation.Job, named, pronoun, person.Job, Words.Jobs);
        yield return new(Relation.Friend, named, pronoun, person.Friend, Words.People);
        yield return new(Relation.Age, named, pronoun, person.Age.ToString(), [.. world.People.Select(other => other.Age.ToString())]);
    }

    public static IEnumerable<Fact> Of(Animal animal)
    {
        var named = Subject.Named("the " + animal.Name);
        if (animal.Sound is not null)
            yield return new(Relation.Sound, named, Subject.It, animal.Sound, s_sounds);
        yield return new(Relation.Coat, named, Subject.It, animal.Colour, Words.Colours);
        yield return new(Relation.Diet, named, Subject.It, animal.Food, s_diets);
        yield return new(Relation.Den, named, Subject.It, animal.Home, s_dens);
    }

    public static IEnumerable<Fact> Of(Thing thing)
    {
        var named = Subject.Named("the " + thing.Name);
        yield return new(Relation.Hue, named, Subject.It, thing.Colour, Words.Colours);
        yield return new(Relation.Material, named, Subject.It, thing.Material, Words.Materials);
    }

    public static IEnumerable<Fact> OfDays()
    {
        for (var i = 0; i < 7; i++)
        {
            var named = Subject.Named(Words.Days[i]);
            yield return new(Relation.DayAfter, named, Subject.It, Words.Days[(i + 1) % 7], Words.Days);
            yield return new(Relation.DayBefore, named, Subject.It, Words.Days[(i + 6) % 7], Words.Days);
        }
    }

    private static readonly string[] s_sounds = [.. Words.Animals.Where(animal => animal.Sound is not null).Select(animal => animal.Sound!)];
    private static readonly string[] s_diets = [.. Words.Animals.Select(animal => animal.Food).Distinct()];
    private static readonly string[] s_dens = [.. Words.Animals.Select(animal => animal.Home).Distinct()];
}

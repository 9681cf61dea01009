namespace Gpt35.Data.TinyWorld;

/// <summary>Somebody who lives in the world. <see cref="Pet"/> is null where there is none; no two people are the same age.</summary>
public sealed record Person(string Name, bool IsWoman, string Home, string? Pet, string Food, string Colour, string Job, string Friend, int Age)
{
    /// <summary>"he" or "she".</summary>
    public string Pronoun => IsWoman ? "she" : "he";

    /// <summary>"his" or "her".</summary>
    public string Possessive => IsWoman ? "her" : "his";

    /// <summary>"him" or "her".</summary>
    public string Objective => IsWoman ? "her" : "him";
}

/// <summary>A thing of which the world holds exactly one.</summary>
public sealed record Thing(string Name, string Colour, string Material);

/// <summary>
/// The facts of one small English world. Who lives where, owns, likes and does what follows from the seed; animals, days, opposites and
/// materials are the same in every world.
/// </summary>
public sealed class World
{
    /// <summary>Share of people without a pet.</summary>
    private const double PetlessShare = 0.15;

    private readonly Dictionary<Fold, Fact[]> _factsByFold;
    private readonly Dictionary<Relation, Fact[]> _factsByRelation;
    private readonly Dictionary<(string Subject, Relation Relation), Fact> _factsByKey;

    private World(ulong seed, IReadOnlyList<Person> people, IReadOnlyList<Thing> things)
    {
        Seed = seed;
        People = people;
        Things = things;
        Facts = [.. Fact.All(this)];
        _factsByRelation = Facts.GroupBy(fact => fact.Relation).ToDictionary(group => group.Key, group => group.ToArray());
        _factsByKey = Facts.ToDictionary(fact => (fact.Subject.Name, fact.Relation));
        Folds = new FoldSplit(seed, [.. _factsByRelation.OrderBy(group => group.Key).Select(group => group.Value.Select(fact => fact.Key))]);
        _factsByFold = Facts.GroupBy(fact => Folds.Of(fact.Key)).ToDictionary(group => group.Key, group => group.ToArray());
    }

    public ulong Seed { get; }

    public IReadOnlyList<Person> People { get; }

    public IReadOnlyList<Thing> Things { get; }

    public static IReadOnlyList<Animal> Animals => Words.Animals;

    internal IReadOnlyList<Fact> Facts { get; }

    internal FoldSplit Folds { get; }

    /// <summary>The world of a seed; the same seed gives the same world on every machine.</summary>
    public static World Create(ulong seed)
    {
        var random = new SeededRandom(seed).Fork("world");
        var circle = random.Shuffled(Words.People);     // everyone's best friend is the next in the circle: nobody's own, nobody's twice
        var friends = circle.Select((name, i) => (name, Friend: circle[(i + 1) % circle.Length])).ToDictionary(pair => pair.name, pair => pair.Friend);
        var ages = random.Sample([.. Enumerable.Range(Words.Youngest, Words.Oldest - Words.Youngest + 1)], Words.People.Length);
        var people = Words.People.Select((name, i) => new Person(
            name, Words.Women.Contains(name), random.Pick(Words.Places), random.Chance(PetlessShare) ? null : random.Pick(Words.Pets),
            random.Pick(Words.Foods), random.Pick(Words.Colours), random.Pick(Words.Jobs), friends[name], ages[i])).ToArray();
        var things = Words.ThingsWithMaterials.Select(thing => new Thing(thing.Name, random.Pick(Words.Colours), thing.Material)).ToArray();
        return new World(seed, people, things);
    }

    public Person this[string name] => People.First(person => person.Name == name);

    internal Fact[] FactsIn(Fold fold) => _factsByFold[fold];

    internal Fact FactOf(string subject, Relation relation) => _factsByKey[(subject, relation)];

    internal Fact[] FactsAbout(Relation relation) => _factsByRelation[relation];
}

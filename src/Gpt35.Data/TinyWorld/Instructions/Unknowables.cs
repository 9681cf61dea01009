namespace Gpt35.Data.TinyWorld;

/// <summary>Something the world does not hold about anybody.</summary>
/// <param name="Name">Short name, part of content keys.</param>
/// <param name="Noun">What is asked for, as a noun clause: "Tom's shoe size".</param>
/// <param name="Question">The plain question.</param>
/// <param name="Invent">An answer out of thin air.</param>
internal sealed record Unknowable(string Name, Func<Subject, string> Noun, Func<Subject, string> Question, Func<Subject, SeededRandom, string> Invent)
{
    public string Key(string person) => $"unknown:{Name}:{person}";

    public string[] Questions(Subject subject) => [Question(subject), $"Can you tell me {Noun(subject)}?", $"Tell me {Noun(subject)}."];
}

internal static class Unknowables
{
    public static readonly Unknowable[] All =
    [
        new("shoe size", s => $"{s.Possessive} shoe size", s => $"What is {s.Possessive} shoe size?", (s, r) => $"{s.Possessive} shoe size is {r.Between(30, 50)}."),
        new("middle name", s => $"{s.Possessive} middle name", s => $"What is {s.Possessive} middle name?", (s, r) => $"{s.Possessive} middle name is {r.Pick(Words.People)}."),
        new("lucky number", s => $"{s.Possessive} lucky number", s => $"What is {s.Possessive} lucky number?", (s, r) => $"{s.Possessive} lucky number is {r.Below(21)}."),
        new("dream", s => $"what {s.Name} dreamed last night", s => $"What did {s.Name} dream last night?", (s, r) => $"{s.Name} dreamed of a {r.Pick(Words.Things)} last night."),
        new("breakfast", s => $"what {s.Name} ate this morning", s => $"What did {s.Name} eat this morning?", (s, r) => $"{s.Name} ate {r.Pick(Words.Foods)} this morning."),
        new("song", s => $"{s.Possessive} favourite song", s => $"What is {s.Possessive} favourite song?", (s, r) => $"{s.Possessive} favourite song is about the {r.Pick(Words.Places)}."),
        new("birth", s => $"on which day {s.Name} was born", s => $"On which day was {s.Name} born?", (s, r) => $"{s.Name} was born on a {r.Pick(Words.Days)}."),
        new("mother", s => $"the name of {s.Possessive} mother", s => $"What is the name of {s.Possessive} mother?", (s, r) => $"{s.Possessive} mother is called {r.Pick(Words.Women)}."),
        new("secret", s => $"{s.Possessive} secret", s => $"What is {s.Possessive} secret?", (s, r) => $"{s.Possessive} secret is a {r.Pick(Words.Colours)} {r.Pick(Words.Things)}."),
        new("wish", s => $"what {s.Name} wishes for", s => $"What does {s.Name} wish for?", (s, r) => $"{s.Name} wishes for a {r.Pick(Words.Colours)} {r.Pick(Words.Things)}."),
        new("tomorrow", s => $"where {s.Name} will go tomorrow", s => $"Where will {s.Name} go tomorrow?", (s, r) => $"{s.Name} will go to the {r.Pick(Words.Places)} tomorrow."),
        new("pocket", s => $"what is in {s.Possessive} pocket", s => $"What is in {s.Possessive} pocket?", (s, r) => $"{s.Possessive} pocket holds a {r.Pick(Words.Things)}."),
    ];

    /// <summary>What is asked about strangers: what would be known of anybody who lives here.</summary>
    public static readonly Relation[] Relations =
        [Relation.Home, Relation.Pet, Relation.Food, Relation.Colour, Relation.Job, Relation.Friend, Relation.Age];

    public static string StrangerKey(string name, Relation relation) => $"unknown:{relation}:{name}";

    /// <summary>Half the questions are about what nobody can know, half about people nobody knows.</summary>
    public static Draft Write(World world, Fold fold, SeededRandom random) => random.Chance(0.5) ? AboutSecrets(world, fold, random) : AboutStrangers(world, fold, random);

    private static Draft AboutSecrets(World world, Fold fold, SeededRandom random)
    {
        Unknowable unknowable;
        string name;
        do (unknowable, name) = (random.Pick(All), random.Pick(Words.People));
        while (world.Folds.Of(unknowable.Key(name)) != fold);
        var subject = Subject.Named(name);
        return Finish(unknowable.Key(name), random.Pick(unknowable.Questions(subject)), $"I do not know {unknowable.Noun(subject)}.",
            unknowable.Invent(subject, random), unknowable.Invent(subject, random));
    }

    private static Draft AboutStrangers(World world, Fold fold, SeededRandom random)
    {
        Relation relation;
        string name;
        do (relation, name) = (random.Pick(Relations), random.Pick(Words.Strangers));
        while (world.Folds.Of(StrangerKey(name, relation)) != fold);
        var subject = Subject.Named(name);
        string Invent() => English.Sentence(FactWording.Statements(relation, subject, random.Pick(world.FactsAbout(relation)).Value)[0]);
        return Finish(StrangerKey(name, relation), random.Pick(FactWording.Questions(relation, subject)), $"I do not know {name}.", Invent(), Invent());
    }

    private static Draft Finish(string key, string question, string full, string invented, string inventedToo) => Draft.Of(InstructionKind.Unknown, question,
        new TinyWorldTask { Key = key, Answers = ["I do not know.", "I do not know that.", full, "I am sorry, I do not know."], MaxSentences = 2 }, invented, inventedToo);
}

namespace Gpt35.Data.TinyWorld;

/// <summary>The many ways to state, ask and answer a fact. Clauses come without capital and full stop.</summary>
internal static class FactWording
{
    private static readonly Dictionary<string, string> s_home = Words.PlacesWithPrepositions.ToDictionary(p => p.Name, p => $"{p.Preposition} the {p.Name}");
    private static readonly Dictionary<string, string> s_den = Words.Animals.DistinctBy(a => a.Home).ToDictionary(a => a.Home, a => $"{a.HomePreposition} the {a.Home}");

    /// <summary>The value as a phrase: "by the lake", "a dog", "no pet", "a baker", "soup".</summary>
    public static string Phrase(Relation relation, string value) => relation switch
    {
        Relation.Home => s_home[value],
        Relation.Den => s_den[value],
        Relation.Pet => value == Words.NoPet ? "no pet" : English.A(value),
        Relation.Job => English.A(value),
        _ => value,
    };

    /// <summary>Wordings of "subject – relation – value"; the first is the plainest.</summary>
    public static string[] Statements(Relation relation, Subject s, string value)
    {
        var v = Phrase(relation, value);
        return relation switch
        {
            Relation.Home => [$"{s.Name} lives {v}", $"{s.Possessive} home is {v}", $"{s.Name} has a house {v}", $"{s.Possessive} house is {v}", $"the place where {s.Name} lives is {v}"],
            Relation.Pet when value == Words.NoPet => [$"{s.Name} has no pet", $"{s.Name} does not have a pet", $"{s.Name} keeps no pet", $"no animal lives with {s.Objective}"],
            Relation.Pet => [$"{s.Name} has {v} as a pet", $"{s.Possessive} pet is {v}", $"{s.Name} keeps {v}", $"the pet that lives with {s.Objective} is {v}"],
            Relation.Food => [$"{s.Possessive} favourite food is {v}", $"{s.Name} likes to eat {v} best", $"{v} is {s.Possessive} favourite food", $"the food that {s.Name} likes best is {v}", $"{s.Name} eats {v} whenever there is some"],
            Relation.Colour => [$"{s.Possessive} favourite colour is {v}", $"{s.Name} likes the colour {v} best", $"{v} is {s.Possessive} favourite colour", $"the colour that {s.Name} likes best is {v}"],
            Relation.Job => [$"{s.Name} works as {v}", $"{s.Name} is {v}", $"{s.Possessive} job is to be {v}", $"by day {s.Name} works as {v}"],
            Relation.Friend => [$"{s.Possessive} best friend is {v}", $"the best friend {s.Name} has is {v}", $"{v} is {s.Possessive} best friend", $"the person {s.Name} likes best is {v}"],
            Relation.Age => [$"{s.Name} is {v} years old", $"{s.Possessive} age is {v}", $"{s.Name} turned {v} this year", $"at {v}, {s.Name} feels just right"],
            Relation.Sound => [$"{s.Name} says {v}", $"{s.Possessive} sound is {v}", $"when {s.Name} calls, you hear {v}"],
            Relation.Coat => [$"{s.Name} is {v}", $"{s.Possessive} colour is {v}", $"{v} is {s.Possessive} colour"],
            Relation.Diet => [$"{s.Name} eats {v}", $"{s.Name} likes to eat {v}", $"{s.Possessive} food is {v}"],
            Relation.Den => [$"{s.Name} lives {v}", $"{s.Possessive} home is {v}", $"you can find {s.Objective} {v}"],
            Relation.Hue => [$"{s.Name} is {v}", $"{s.Possessive} colour is {v}", $"the colour {s.Name} has is {v}"],
            Relation.Material => [$"{s.Name} is made of {v}", $"{s.Name} is made from {v}", $"you need {v} to make {s.Objective}"],
            Relation.DayAfter => [$"after {s.Name} comes {v}", $"the day after {s.Name} is {v}", $"{v} comes after {s.Name}"],
            _ => [$"before {s.Name} comes {v}", $"the day before {s.Name} is {v}", $"{v} comes before {s.Name}"],
        };
    }

    /// <summary>Questions that ask for the value, complete with question mark.</summary>
    public static string[] Questions(Relation relation, Subject s) => [.. Asking(relation, s).Select(clause => English.Capitalised(clause) + "?")];

    /// <summary>Questions that name a value and want yes or no.</summary>
    public static string[] YesNoQuestions(Relation relation, Subject s, string value)
    {
        var v = Phrase(relation, value);
        string[] direct = relation switch
        {
            Relation.Home or Relation.Den => [$"does {s.Name} live {v}"],
            Relation.Pet => [$"does {s.Name} have {v} as a pet", $"is {s.Possessive} pet {v}"],
            Relation.Food => [$"is {s.Possessive} favourite food {v}", $"does {s.Name} like to eat {v} best"],
            Relation.Colour => [$"is {s.Possessive} favourite colour {v}", $"does {s.Name} like the colour {v} best"],
            Relation.Job => [$"does {s.Name} work as {v}", $"is {s.Name} {v}"],
            Relation.Friend => [$"is {s.Possessive} best friend {v}"],
            Relation.Age => [$"is {s.Name} {v} years old"],
            Relation.Sound => [$"does {s.Name} say {v}"],
            Relation.Coat or Relation.Hue => [$"is {s.Name} {v}"],
            Relation.Diet => [$"does {s.Name} eat {v}"],
            Relation.Material => [$"is {s.Name} made of {v}"],
            Relation.DayAfter => [$"is {v} the day after {s.Name}"],
            _ => [$"is {v} the day before {s.Name}"],
        };
        return [.. direct.SelectMany(clause => new[] { English.Capitalised(clause) + "?", $"Yes or no: {clause}?" }), $"Is it true that {Statements(relation, s, value)[0]}?"];
    }

    /// <summary>
    /// The fact and then the verdict on what was suggested: "Tom lives by the lake, so yes", "Tom lives by the lake and not near the mill, so no".
    /// Who has said the value can compare it with the question, and must before the next word: a small model learns a choice that follows at
    /// once, and not one that lies two words ahead.
    /// </summary>
    public static string Verdict(Relation relation, Subject s, string value, string suggested)
    {
        var truth = Statements(relation, s, value)[0];
        return value == suggested ? $"{truth}, so yes" : $"{truth} and not {Phrase(relation, suggested)}, so no";
    }

    /// <summary>A question to the person, such as "where do you live?".</summary>
    public static string QuestionToYou(Relation relation) => relation switch
    {
        Relation.Home => "Where do you live?",
        Relation.Pet => "What pet do you have?",
        Relation.Food => "What is your favourite food?",
        Relation.Colour => "What is your favourite colour?",
        Relation.Job => "What is your job?",
        Relation.Friend => "Who is your best friend?",
        _ => "How old are you?",
    };

    /// <summary>The person's own answer, such as "I live by the lake".</summary>
    public static string AnswerAboutMe(Relation relation, string value)
    {
        var v = Phrase(relation, value);
        return relation switch
        {
            Relation.Home => $"I live {v}",
            Relation.Pet => $"I have {v}",
            Relation.Food => $"My favourite food is {v}",
            Relation.Colour => $"My favourite colour is {v}",
            Relation.Job => $"I work as {v}",
            Relation.Friend => $"My best friend is {v}",
            _ => $"I am {v} years old",
        };
    }

    private static string[] Asking(Relation relation, Subject s) => relation switch
    {
        Relation.Home => [$"where does {s.Name} live", $"where is {s.Possessive} home", $"in what place does {s.Name} live", $"can you tell me where {s.Name} lives"],
        Relation.Pet => [$"what pet does {s.Name} have", $"what is {s.Possessive} pet", $"which animal is {s.Possessive} pet", $"can you tell me what pet {s.Name} has"],
        Relation.Food => [$"what is {s.Possessive} favourite food", $"what does {s.Name} like to eat best", $"which food does {s.Name} like best", $"can you tell me {s.Possessive} favourite food"],
        Relation.Colour => [$"what is {s.Possessive} favourite colour", $"which colour does {s.Name} like best", $"what colour does {s.Name} like best", $"can you tell me {s.Possessive} favourite colour"],
        Relation.Job => [$"what is {s.Possessive} job", $"what does {s.Name} work as", $"what work does {s.Name} do", $"can you tell me {s.Possessive} job"],
        Relation.Friend => [$"who is {s.Possessive} best friend", $"what is the name of {s.Possessive} best friend", $"can you tell me who {s.Possessive} best friend is"],
        Relation.Age => [$"how old is {s.Name}", $"what is {s.Possessive} age", $"can you tell me how old {s.Name} is"],
        Relation.Sound => [$"what does {s.Name} say", $"what sound does {s.Name} make", $"can you tell me what {s.Name} says"],
        Relation.Coat or Relation.Hue => [$"what colour is {s.Name}", $"what is {s.Possessive} colour", $"can you tell me what colour {s.Name} is"],
        Relation.Diet => [$"what does {s.Name} eat", $"which food does {s.Name} eat", $"can you tell me what {s.Name} eats"],
        Relation.Den => [$"where does {s.Name} live", $"in what place does {s.Name} live", $"can you tell me where {s.Name} lives"],
        Relation.Material => [$"what is {s.Name} made of", $"what is {s.Name} made from", $"can you tell me what {s.Name} is made of"],
        Relation.DayAfter => [$"what day comes after {s.Name}", $"which day is after {s.Name}", $"can you tell me which day comes after {s.Name}"],
        _ => [$"what day comes before {s.Name}", $"which day is before {s.Name}", $"can you tell me which day comes before {s.Name}"],
    };
}

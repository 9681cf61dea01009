namespace Gpt35.Data.TinyWorld;

/// <summary>Play with words: capitals, lists forwards and backwards, lists in order, things of one sort.</summary>
internal static class ListsAndLetters
{
    public static string Capitals(World world, SeededRandom random) => Lines(random, 3, 6, () => Capital(world, random));

    public static string Lists(World world, SeededRandom random) => Lines(random, 3, 5, () => List(random));

    private static string Lines(SeededRandom random, int least, int most, Func<string> line) =>
        string.Join(random.Chance(0.2) ? "\n" : " ", Enumerable.Range(0, random.Between(least, most)).Select(_ => line()));

    private static string Capital(World world, SeededRandom random)
    {
        var words = random.Chance(0.65) ? random.Pick(Words.Nouns) : $"{random.Pick(Words.Colours)} {random.Pick(Words.Nouns)}";
        var capitals = words.ToUpperInvariant();
        var name = random.Pick(world.People).Name;
        return random.Below(8) switch
        {
            0 => $"The sign said {capitals}. It meant {words}.",
            1 => $"{name} wrote {words} in big letters: {capitals}.",
            2 => $"Here is {words} in capitals: {capitals}.",
            3 or 4 => $"In capitals: {capitals}. In small letters: {words}.",
            5 => $"In small letters: {words}. In capitals: {capitals}.",
            6 => $"\"{capitals}!\" called {name}, who wanted the {words}.",
            _ => $"{name} read {capitals} and wrote it again in small letters: {words}.",
        };
    }

    private static string List(SeededRandom random)
    {
        switch (random.Below(7))
        {
            case 0:
            case 1:
            case 2:
                var words = random.Sample(Words.Nouns, random.Between(2, 4));
                var (forwards, backwards) = (string.Join(", ", words), string.Join(", ", words.Reverse()));
                return random.Pick($"The list is {forwards}. Backwards: {backwards}.", $"Forwards: {forwards}. Backwards: {backwards}.",
                    $"Read this: {forwards}. The other way round it is {backwards}.");
            case 3:
            case 4:
                var numbers = random.Sample([.. Enumerable.Range(0, 21)], random.Between(3, 4));
                var order = random.Chance(0.6) ? "From small to big" : "From big to small";
                var sorted = order == "From small to big" ? numbers.Order() : numbers.OrderDescending();
                return $"The numbers are {string.Join(", ", numbers)}. {order}: {string.Join(", ", sorted)}.";
            case 5:
                var animals = random.Sample(Words.Animals, 3);
                var bySize = animals.OrderBy(animal => animal.Size).Select(animal => animal.Name);
                return random.Chance(0.6)
                    ? $"The animals are {string.Join(", ", animals.Select(animal => animal.Name))}. From small to big: {string.Join(", ", bySize)}."
                    : $"The animals are {string.Join(", ", animals.Select(animal => animal.Name))}. From big to small: {string.Join(", ", bySize.Reverse())}.";
            default:
                var category = random.Pick(Category.All);
                var members = random.Sample(category.Members, random.Between(2, 5));
                return members.Length < 5 && random.Chance(0.7) || members.Length < 3
                    ? English.Sentence($"{English.NumberWord(members.Length)} {category.Plural} are {category.Join(members)}")
                    : English.Sentence($"{English.NumberWord(members.Length - 1)} {category.Plural}, but not {category.Phrase(members[0])}, are {category.Join(members[1..])}");
        }
    }
}

/// <summary>A sort of thing whose members can be listed.</summary>
/// <param name="Plural">What its members are called.</param>
/// <param name="Article">The article a member takes: "a", "the" or none.</param>
/// <param name="Members">All of them.</param>
internal sealed record Category(string Plural, string Article, string[] Members)
{
    public static readonly Category[] All =
    [
        new("animals", "a", Words.AnimalNames), new("foods", "", Words.Foods), new("colours", "", Words.Colours), new("jobs", "", Words.Jobs),
        new("places", "the", Words.Places), new("days", "", Words.Days), new("things", "a", Words.Things), new("materials", "", Words.Materials),
        new("people", "", Words.People),
    ];

    /// <summary>A member with its article.</summary>
    public string Phrase(string member) => Article switch { "a" => English.A(member), "the" => "the " + member, _ => member };

    public string Join(IReadOnlyList<string> members) => English.JoinAnd([.. members.Select(Phrase)]);
}

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
        var words = random.Chance(0.5) ? random.Pick(Words.Writable) : $"{random.Pick(Words.Colours)} {random.Pick(Words.Writable)}";
        var capitals = words.ToUpperInvariant();
        var name = random.Pick(world.People).Name;
        return random.Below(7) switch
        {
            0 => $"The sign said {capitals}. It meant {words}.",
            1 => $"{name} wrote {words} in big letters: {capitals}.",
            2 => $"Here is {words} in capitals: {capitals}.",
            3 or 4 => $"In capitals: {capitals}. In small letters: {words}.",
            5 => $"In small letters: {words}. In capitals: {capitals}.",
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
                var words = random.Sample(Words.Listable, random.Between(2, 4));
                var (forwards, backwards) = (string.Join(", ", words), string.Join(", ", words.Reverse()));
                return random.Pick($"The list is {forwards}. Backwards: {backwards}.", $"Forwards: {forwards}. Backwards: {backwards}.",
                    $"Read this: {forwards}. The other way round it is {backwards}.");
            case 3:
            case 4:
            case 5:
                var numbers = random.Sample([.. Enumerable.Range(0, 21)], random.Chance(0.7) ? 3 : 4);
                var order = random.Chance(0.6) ? "From small to big" : "From big to small";
                var sorted = order == "From small to big" ? numbers.Order() : numbers.OrderDescending();
                return $"The numbers are {string.Join(", ", numbers)}. {order}: {string.Join(", ", sorted)}.";
            default:
                var category = random.Pick(Category.All);
                var members = category.Name(random.Between(2, 4), excluded: "", random);
                return English.Sentence($"{English.NumberWord(members.Length)} {category.Plural} are {category.Join(members)}");
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

    /// <summary>
    /// Members as people come up with them: the best known first to mind, told in the usual order. So a list has a way to go on that never
    /// leads back to what was said already.
    /// </summary>
    public string[] Name(int count, string excluded, SeededRandom random)
    {
        var chosen = new SortedSet<int>();
        while (chosen.Count < count)
        {
            var index = (int)(Members.Length * Math.Pow(random.NextDouble(), 1.7));
            if (Members[index] != excluded) chosen.Add(index);
        }
        return [.. chosen.Select(index => Members[index])];
    }

    public string Join(IReadOnlyList<string> members) => English.JoinAnd([.. members.Select(Phrase)]);
}

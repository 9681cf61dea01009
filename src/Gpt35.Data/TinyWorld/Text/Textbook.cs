namespace Gpt35.Data.TinyWorld;

/// <summary>Sentences of a primer: sums, counting, days, opposites, sizes and ages.</summary>
internal static class Textbook
{
    public static string Arithmetic(World world, SeededRandom random) => Lines(random, 5, 9, () => Sum(world, random));

    public static string Counting(World world, SeededRandom random) => Lines(random, 3, 6, () => Count(random));

    public static string Comparisons(World world, SeededRandom random) => Lines(random, 4, 8, () => Comparison(world, random));

    public static string Opposites(World world, SeededRandom random) => Lines(random, 4, 8, () => Opposite(world, random));

    private static string Lines(SeededRandom random, int least, int most, Func<string> line) =>
        string.Join(random.Chance(0.2) ? "\n" : " ", Enumerable.Range(0, random.Between(least, most)).Select(_ => line()));

    private static string Sum(World world, SeededRandom random)
    {
        var (a, b) = (random.Between(0, 10), random.Between(0, 10));
        var total = a + b;
        var person = random.Pick(world.People);
        if (random.Chance(0.5))
            return random.Below(9) switch
            {
                0 => English.Sentence($"{English.NumberWord(a)} and {English.NumberWord(b)} make {English.NumberWord(total)}"),
                1 => $"{a} and {b} make {total}.",
                2 or 3 => $"{a} + {b} = {total}.",
                4 when a > 0 && b > 0 => Story(person, a, b, random),
                _ => $"{a} plus {b} is {total}.",
            };
        return random.Below(9) switch
        {
            0 => English.Sentence($"{English.NumberWord(a)} from {English.NumberWord(total)} leaves {English.NumberWord(b)}"),
            1 => $"{total} take away {a} is {b}.",
            2 or 3 => $"{total} - {a} = {b}.",
            4 when a > 0 && b > 0 => GivingAway(person, total, a, random),
            _ => $"{total} minus {a} is {b}.",
        };
    }

    private static string GivingAway(Person person, int total, int a, SeededRandom random)
    {
        var kind = random.Pick(Words.Countables);
        return $"{person.Name} had {English.Count(total, kind)} and gave {a} away. Now {person.Name} has {English.Count(total - a, kind)}.";
    }

    private static string Story(Person person, int a, int b, SeededRandom random)
    {
        var kind = random.Pick(Words.Countables);
        return $"{person.Name} had {English.Count(a, kind)} and got {b} more. Now {person.Name} has {English.Count(a + b, kind)}.";
    }

    private static string Count(SeededRandom random)
    {
        switch (random.Below(7))
        {
            case 0:
            case 1:
                var low = random.Between(0, 17);
                var high = Math.Min(20, low + random.Between(2, 7));
                var up = string.Join(", ", Enumerable.Range(low, high - low + 1));
                return $"From {low} to {high}: {up}.";
            case 2:
            case 3:
                var top = random.Between(3, 20);
                var bottom = Math.Max(0, top - random.Between(2, 7));
                var down = string.Join(", ", Enumerable.Range(bottom, top - bottom + 1).Reverse());
                return $"From {top} down to {bottom}: {down}.";
            case 4:
                var number = random.Between(0, 19);
                return random.Pick($"After {number} comes {number + 1}.", $"Before {number + 1} comes {number}.",
                    English.Sentence($"after {English.NumberWord(number)} comes {English.NumberWord(number + 1)}"));
            default:
                var words = random.Sample(Words.Listable, random.Between(2, 6));
                return $"Look at this list: {string.Join(", ", words)}. There are {words.Length} words in the list.";
        }
    }

    private static string Comparison(World world, SeededRandom random)
    {
        switch (random.Below(3))
        {
            case 0:
                var animals = random.Sample(Words.Animals, 2).OrderByDescending(animal => animal.Size).Select(animal => animal.Name).ToArray();
                return random.Chance(0.5) ? $"The {animals[0]} is bigger than the {animals[1]}." : $"The {animals[1]} is smaller than the {animals[0]}.";
            case 1:
                var people = random.Sample(world.People, 2).OrderByDescending(person => person.Age).Select(person => person.Name).ToArray();
                return random.Chance(0.5) ? $"{people[0]} is older than {people[1]}." : $"{people[1]} is younger than {people[0]}.";
            default:
                var numbers = random.Sample([.. Enumerable.Range(0, 21)], 2).OrderDescending().ToArray();
                return random.Chance(0.5) ? $"{numbers[0]} is more than {numbers[1]}." : $"{numbers[1]} is less than {numbers[0]}.";
        }
    }

    private static string Opposite(World world, SeededRandom random)
    {
        var (one, other) = random.Pick(Words.Opposites);
        if (random.Chance(0.5)) (one, other) = (other, one);
        var people = random.Sample(world.People, 2);
        return random.Below(6) switch
        {
            0 or 1 => $"The opposite of {one} is {other}.",
            2 => English.Sentence($"{one} is the opposite of {other}"),
            3 => English.Sentence($"{one} and {other} are opposites"),
            4 => $"If it is not {one}, it is {other}.",
            _ => $"{people[0].Name} said {one}, and {people[1].Name} said the opposite: {other}.",
        };
    }
}

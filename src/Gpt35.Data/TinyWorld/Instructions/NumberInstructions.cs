namespace Gpt35.Data.TinyWorld;

/// <summary>Sums, counting and comparing.</summary>
internal static class NumberInstructions
{
    /// <summary>Largest number in any instruction.</summary>
    private const int Most = 20;

    public static Draft Arithmetic(World world, Fold fold, SeededRandom random)
    {
        int total, a;
        bool plus;
        do (total, a, plus) = (random.Between(0, Most), random.Between(0, Most / 2), random.Chance(0.5));
        while (a > total || total - a > Most / 2 || world.Folds.Of(SumKey(total, a, plus)) != fold);
        var b = total - a;
        if (a > 0 && b > 0 && random.Chance(0.2)) return WordProblem(world, total, a, plus, random);
        var (first, second, result) = plus ? (a, b, total) : (total, a, b);
        var (symbol, word) = plus ? ("+", "plus") : ("-", "minus");
        var question = random.Pick($"What is {first} {word} {second}?", $"What is {first} {symbol} {second}?", $"How much is {first} {word} {second}?", $"Work out {first} {symbol} {second}.");
        var wrong = Slip(result, random);
        return Draft.Of(InstructionKind.Arithmetic, question, Task(SumKey(total, a, plus), result, $"{first} {word} {second} is {result}.", $"{first} {symbol} {second} = {result}."),
            $"{first} {word} {second} is {wrong}.");
    }

    private static Draft WordProblem(World world, int total, int a, bool plus, SeededRandom random)
    {
        var kind = random.Pick(Words.Countables);
        var name = random.Pick(world.People).Name;
        var (had, changed, result) = plus ? (a, total - a, total) : (total, a, total - a);
        var question = plus
            ? $"{name} had {English.Count(had, kind)} and got {changed} more. How many {kind} does {name} have now?"
            : $"{name} had {English.Count(had, kind)} and gave {changed} away. How many {kind} does {name} have now?";
        return Draft.Of(InstructionKind.Arithmetic, question, Task(SumKey(total, a, plus), result, $"Now {name} has {English.Count(result, kind)}."),
            $"Now {name} has {English.Count(Slip(result, random), kind)}.");
    }

    public static Draft Counting(World world, Fold fold, SeededRandom random) => random.Below(5) switch
    {
        0 => Neighbour(world, fold, random),
        1 => HowMany(world, fold, random),
        _ => CountFromTo(world, fold, random),
    };

    public static Draft Comparing(World world, Fold fold, SeededRandom random)
    {
        while (true)
        {
            var draft = random.Below(3) switch
            {
                0 => Compare("size", random.Sample(Words.Animals, 2).OrderByDescending(animal => animal.Size).Select(animal => "the " + animal.Name).ToArray(), "bigger", "smaller", "Which is", random),
                1 => Compare("age", random.Sample(world.People, 2).OrderByDescending(person => person.Age).Select(person => person.Name).ToArray(), "older", "younger", "Who is", random),
                _ => Compare("number", random.Sample([.. Enumerable.Range(0, Most + 1)], 2).OrderDescending().Select(number => number.ToString()).ToArray(), "more", "less", "Which is", random),
            };
            if (world.Folds.Of(draft.Prompt.Task.Key) == fold) return draft;
        }
    }

    private static Draft Compare(string family, string[] pair, string more, string less, string who, SeededRandom random)
    {
        var key = $"{family}:{pair[0]}:{pair[1]}";
        var (word, winner, loser) = random.Chance(0.5) ? (more, pair[0], pair[1]) : (less, pair[1], pair[0]);
        var (one, other) = random.Chance(0.5) ? (winner, loser) : (loser, winner);
        var question = random.Pick($"{who} {word}, {one} or {other}?", $"Tell me {char.ToLowerInvariant(who[0])}{who[1..]} {word}, {one} or {other}.", $"{who} {word}: {one} or {other}?");
        var task = new TinyWorldTask
        {
            Key = key,
            Answers = [English.Sentence($"{winner} is {word} than {loser}"), English.Sentence(winner)],
            Required = [[Noun(winner)]],
            Rivals = [Noun(loser)],
            MaxWords = 10,
        };
        return Draft.Of(InstructionKind.Comparing, question, task, English.Sentence($"{loser} is {word} than {winner}"));
    }

    private static Draft CountFromTo(World world, Fold fold, SeededRandom random)
    {
        int low, length;
        bool up;
        do (low, length, up) = (random.Between(0, 17), random.Between(3, 7), random.Chance(0.65));
        while (low + length - 1 > Most || world.Folds.Of($"count:{low}:{length}:{up}") != fold);
        var numbers = Enumerable.Range(low, length).Select(number => number.ToString()).ToArray();
        if (!up) Array.Reverse(numbers);
        var (first, last, way) = (numbers[0], numbers[^1], up ? "up" : "down");
        var lead = up ? $"From {first} to {last}" : $"From {first} down to {last}";
        var question = random.Pick($"Count {way} from {first} to {last}.", $"Please count from {first} {way} to {last}.", $"Can you count {way} from {first} to {last}?");
        var task = new TinyWorldTask { Key = $"count:{low}:{length}:{up}", Answers = [$"{lead}: {string.Join(", ", numbers)}.", $"{string.Join(", ", numbers)}."], Sequence = numbers, MaxWords = 24 };
        string[] skipped = [.. numbers[..(length / 2)], .. numbers[(length / 2 + 1)..]];
        return Draft.Of(InstructionKind.Counting, question, task, $"{lead}: {string.Join(", ", skipped)}.", $"{lead}: {string.Join(", ", numbers[..^1])}.");
    }

    private static Draft Neighbour(World world, Fold fold, SeededRandom random)
    {
        int number;
        bool after;
        do (number, after) = (random.Between(1, Most - 1), random.Chance(0.6));
        while (world.Folds.Of($"next:{number}:{after}") != fold);
        var (word, result) = after ? ("After", number + 1) : ("Before", number - 1);
        var question = random.Pick($"What number comes {word.ToLowerInvariant()} {number}?", $"Which number is {word.ToLowerInvariant()} {number}?");
        return Draft.Of(InstructionKind.Counting, question, Task($"next:{number}:{after}", result, $"{word} {number} comes {result}."), $"{word} {number} comes {Slip(result, random)}.");
    }

    private static Draft HowMany(World world, Fold fold, SeededRandom random)
    {
        string[] words;
        do words = random.Sample(Words.Listable, random.Between(2, 6));
        while (world.Folds.Of(ListKey("many", words)) != fold);
        var list = string.Join(", ", words);
        var question = random.Pick($"How many words are in this list: {list}?", $"Count the words in this list: {list}.");
        return Draft.Of(InstructionKind.Counting, question, Task(ListKey("many", words), words.Length, $"There are {words.Length} words in the list."),
            $"There are {Slip(words.Length, random)} words in the list.");
    }

    /// <summary>Key of a list whatever its order.</summary>
    internal static string ListKey(string family, IEnumerable<string> items) => $"{family}:{string.Join(',', items.Order(StringComparer.Ordinal))}";

    private static TinyWorldTask Task(string key, int result, params string[] answers) => new()
    {
        Key = key,
        Answers = [.. answers, $"{result}."],
        Required = [[result.ToString()]],
        MaxWords = 12,
    };

    /// <summary>An operation's key. Sums are unordered: 7 + 5 and 5 + 7 are always in the same fold.</summary>
    private static string SumKey(int total, int a, bool plus) => plus ? $"sum:{Math.Min(a, total - a)}:{Math.Max(a, total - a)}" : $"difference:{total}:{a}";

    private static string Noun(string phrase) => phrase[(phrase.LastIndexOf(' ') + 1)..].ToLowerInvariant();

    /// <summary>A number near the right one, as a slip of the pen gives.</summary>
    private static int Slip(int right, SeededRandom random)
    {
        var wrong = right + random.Between(1, 2) * (random.Chance(0.5) ? 1 : -1);
        return wrong < 0 ? right + 1 : wrong;
    }
}

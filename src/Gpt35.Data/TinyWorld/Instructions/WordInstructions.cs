namespace Gpt35.Data.TinyWorld;

/// <summary>Listing, reversing, sorting, capitals and opposites.</summary>
internal static class WordInstructions
{
    public static string OppositeKey(string one) => $"opposite:{one}";

    public static string CaseKey(string words) => $"case:{words}";

    public static IEnumerable<string> ListingKeys(Category category) =>
        from count in new[] { 2, 3, 4 } from excluded in category.Members.Prepend("") select ListingKey(category, count, excluded);

    private static string ListingKey(Category category, int count, string excluded) => $"listing:{category.Plural}:{count}:{excluded}";

    public static Draft Listing(World world, Fold fold, SeededRandom random)
    {
        Category category;
        int count;
        string excluded;
        do (category, count, excluded) = (random.Pick(Category.All), random.Between(2, 4), "");
        while (!Settle());

        bool Settle()
        {
            if (random.Chance(0.5)) excluded = random.Pick(category.Members);
            return world.Folds.Of(ListingKey(category, count, excluded)) == fold;
        }

        var number = English.NumberWord(count);
        var question = random.Pick($"Name {number} {category.Plural}", $"Tell me {number} {category.Plural}", $"List {number} {category.Plural}") + (excluded == "" ? "." : $", but not {category.Phrase(excluded)}.");
        var allowed = category.Members.Where(member => member != excluded).ToArray();
        string Answer(string[] members) => English.Sentence($"{number} {category.Plural} are {category.Join(members)}");
        var task = new TinyWorldTask
        {
            Key = ListingKey(category, count, excluded),
            Answers = [Answer(category.Name(count, excluded, random)), English.Sentence(category.Join(category.Name(count, excluded, random)))],
            Choices = [.. allowed.Select(member => member.ToLowerInvariant())],
            Rivals = excluded == "" ? [] : [excluded.ToLowerInvariant()],
            Count = count,
            MaxWords = 16,
        };
        string[] wrong = excluded == "" ? [] : [Answer([.. category.Name(count - 1, excluded, random), excluded])];
        return Draft.Of(InstructionKind.Listing, question, task, [.. wrong, Answer(category.Name(count + 1, excluded, random)), Answer(category.Name(count - 1, excluded, random))]);
    }

    public static Draft Reversing(World world, Fold fold, SeededRandom random)
    {
        string[] words;
        do words = random.Sample(Words.Listable, random.Between(2, 4));
        while (world.Folds.Of(NumberInstructions.ListKey("reverse", words)) != fold);
        var list = string.Join(", ", words);
        var question = random.Pick($"Say this list backwards: {list}.", $"Turn this list around: {list}.", $"Write this list backwards: {list}.", $"What is this list backwards: {list}?");
        string[] backwards = [.. words.Reverse()];
        var slip = backwards.Length == 2 ? words : [backwards[1], backwards[0], .. backwards[2..]];
        return Sequence(InstructionKind.Reversing, question, NumberInstructions.ListKey("reverse", words), "Backwards", backwards, slip);
    }

    public static Draft Sorting(World world, Fold fold, SeededRandom random)
    {
        var up = random.Chance(0.6);
        int[] numbers;
        string key;
        do
        {
            numbers = random.Sample([.. Enumerable.Range(0, 21)], random.Chance(0.7) ? 3 : 4);
            key = NumberInstructions.ListKey("sort", numbers.Select(number => number.ToString()));
        }
        while (world.Folds.Of(key) != fold);
        string[] sorted = [.. (up ? numbers.Order() : numbers.OrderDescending()).Select(number => number.ToString())];
        var (order, list) = (up ? "from small to big" : "from big to small", string.Join(", ", numbers));
        var question = random.Pick($"Put these numbers in order {order}: {list}.", $"Sort these numbers {order}: {list}.", $"Write these numbers {order}: {list}.");
        string[] slip = [sorted[1], sorted[0], .. sorted[2..]];
        return Sequence(InstructionKind.Sorting, question, key, English.Capitalised(order), sorted, slip);
    }

    public static Draft Case(World world, Fold fold, SeededRandom random)
    {
        string words;
        do words = random.Chance(0.5) ? random.Pick(Words.Writable) : $"{random.Pick(Words.Colours)} {random.Pick(Words.Writable)}";
        while (world.Folds.Of(CaseKey(words)) != fold);
        var up = random.Chance(0.65);
        var (from, to) = up ? (words, words.ToUpperInvariant()) : (words.ToUpperInvariant(), words);
        var target = up ? "capitals" : "small letters";
        var question = random.Pick($"Write {from} in {target}.", $"Put this in {target}: {from}.", $"How do you write {from} in {target}?", $"Say it in {target}: {from}.");
        return Sequence(InstructionKind.Case, question, CaseKey(words), $"In {target}", [to], [up ? English.Capitalised(from) : English.Capitalised(to)]);
    }

    public static Draft Opposite(World world, Fold fold, SeededRandom random)
    {
        (string One, string Other) pair;
        do pair = random.Pick(Words.Opposites);
        while (world.Folds.Of(OppositeKey(pair.One)) != fold);
        var (asked, answer) = random.Chance(0.5) ? (pair.One, pair.Other) : (pair.Other, pair.One);
        var wrong = random.Pick(Words.Opposites.Where(other => other != pair).ToArray()).Other;
        var question = random.Pick(
            $"What is the opposite of {asked}?", $"Tell me the opposite of {asked}.", $"Give me the opposite of {asked}.", $"Which word is the opposite of {asked}?",
            $"What is the opposite of the word {asked}?", $"Say the opposite of {asked}.", $"Do you know the opposite of {asked}?", $"Name the opposite of {asked}.");
        var task = new TinyWorldTask { Key = OppositeKey(pair.One), Answers = [$"The opposite of {asked} is {answer}.", English.Sentence(answer)], Required = [[answer]], MaxWords = 8 };
        return Draft.Of(InstructionKind.Opposite, question, task, $"The opposite of {asked} is {wrong}.");
    }

    private static Draft Sequence(InstructionKind kind, string question, string key, string lead, string[] items, string[] slip)
    {
        var task = new TinyWorldTask { Key = key, Answers = [$"{lead}: {string.Join(", ", items)}.", $"{string.Join(", ", items)}."], Sequence = items };
        return Draft.Of(kind, question, task, $"{lead}: {string.Join(", ", slip)}.");
    }
}

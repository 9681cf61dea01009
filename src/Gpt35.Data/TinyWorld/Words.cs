namespace Gpt35.Data.TinyWorld;

/// <summary>The pools every world draws from. They are fixed, so that checkers know every word without knowing the world.</summary>
internal static class Words
{
    public static readonly string[] Men = ["Tom", "Ben", "Sam", "Max", "Leo", "Jack", "Paul", "Finn", "Hugo", "Otto", "Peter", "Omar"];

    public static readonly string[] Women = ["Ann", "Mia", "Lily", "Rosa", "Nina", "Emma", "Kate", "Ella", "Ruth", "Clara", "Alice", "Ida"];

    /// <summary>People who are spoken of but do not live in the world: nothing is known about them.</summary>
    public static readonly string[] StrangerMen = ["Zed", "Igor", "Karl", "Gus", "Boris", "Nils"];

    public static readonly string[] StrangerWomen = ["Vera", "Una", "Yara", "Wanda", "Pia", "Olga"];

    public static readonly string[] Strangers = [.. StrangerMen, .. StrangerWomen];

    /// <summary>People of whom every document that names them tells something new.</summary>
    public static readonly string[] VisitingMen = ["Anton", "Felix", "Viktor"];

    public static readonly string[] VisitingWomen = ["Dora", "Greta", "Stella"];

    /// <summary>What is told of these, like what is told of visitors, holds in one document only.</summary>
    public static readonly string[] Beasts = ["dragon", "unicorn", "troll"];

    public static readonly string[] Curiosities = ["gift", "toy", "prize"];

    public static readonly string[] People = [.. Men, .. Women];

    public static readonly string[] Names = [.. People, .. Strangers];

    /// <summary>Places and the preposition a home there takes.</summary>
    public static readonly (string Name, string Preposition)[] PlacesWithPrepositions =
    [
        ("lake", "by"), ("forest", "in"), ("farm", "on"), ("mill", "near"), ("harbour", "by"), ("tower", "in"), ("village", "in"),
        ("hill", "on"), ("castle", "in"), ("bridge", "near"), ("school", "near"), ("market", "near"), ("river", "by"), ("park", "near"),
    ];

    public static readonly string[] Places = [.. PlacesWithPrepositions.Select(place => place.Name)];

    public static readonly string[] Foods =
        ["soup", "bread", "cheese", "rice", "cake", "fish", "honey", "pasta", "salad", "jam", "corn", "chocolate"];

    public static readonly string[] Colours = ["red", "blue", "green", "yellow", "white", "black", "brown", "pink", "grey"];

    public static readonly string[] Jobs =
        ["baker", "teacher", "doctor", "farmer", "painter", "singer", "sailor", "builder", "gardener", "driver", "tailor", "cook"];

    public static readonly string[] Pets = ["cat", "dog", "rabbit", "parrot", "goat", "mouse", "horse", "turtle"];

    /// <summary>Value of the pet of somebody who has none.</summary>
    public const string NoPet = "none";

    public static readonly string[] Days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

    /// <summary>Smallest first; the sound is null where the world knows none.</summary>
    public static readonly Animal[] Animals =
    [
        new("ant", null, "black", "leaves", "in", "ground", 0),
        new("bee", "buzz", "yellow", "nectar", "in", "hive", 1),
        new("frog", "croak", "green", "flies", "in", "pond", 2),
        new("mouse", "squeak", "grey", "cheese", "in", "hole", 3),
        new("crow", "caw", "black", "corn", "in", "nest", 4),
        new("duck", "quack", "white", "seeds", "by", "pond", 5),
        new("rabbit", null, "white", "carrots", "in", "burrow", 6),
        new("cat", "meow", "black", "fish", "in", "house", 7),
        new("fox", "yip", "red", "meat", "in", "den", 8),
        new("dog", "woof", "brown", "bones", "in", "yard", 9),
        new("goat", "meh", "white", "grass", "on", "mountain", 10),
        new("sheep", "baa", "white", "grass", "in", "field", 11),
        new("wolf", "awoo", "grey", "meat", "in", "forest", 12),
        new("pig", "oink", "pink", "roots", "in", "sty", 13),
        new("lion", "roar", "yellow", "meat", "in", "desert", 14),
        new("bear", "growl", "brown", "honey", "in", "cave", 15),
        new("horse", "neigh", "brown", "hay", "in", "stable", 16),
        new("cow", "moo", "brown", "grass", "in", "barn", 17),
        new("elephant", "toot", "grey", "fruit", "in", "jungle", 18),
        new("whale", null, "blue", "fish", "in", "sea", 19),
    ];

    public static readonly string[] AnimalNames = [.. Animals.Select(animal => animal.Name)];

    /// <summary>Things and what they are made of.</summary>
    public static readonly (string Name, string Material)[] ThingsWithMaterials =
    [
        ("ball", "leather"), ("boat", "wood"), ("book", "paper"), ("box", "wood"), ("bell", "metal"), ("kite", "paper"), ("drum", "leather"),
        ("lamp", "glass"), ("key", "metal"), ("chair", "wood"), ("table", "wood"), ("bag", "leather"), ("coat", "wool"), ("hat", "wool"),
        ("shoe", "leather"), ("cup", "clay"), ("plate", "clay"), ("spoon", "metal"), ("scarf", "wool"), ("basket", "straw"), ("ladder", "wood"),
        ("clock", "metal"), ("pen", "plastic"), ("letter", "paper"), ("candle", "wax"), ("blanket", "wool"), ("bottle", "glass"),
        ("wheel", "wood"), ("bucket", "plastic"), ("bike", "metal"),
    ];

    public static readonly string[] Things = [.. ThingsWithMaterials.Select(thing => thing.Name)];

    public static readonly string[] Materials = [.. ThingsWithMaterials.Select(thing => thing.Material).Distinct()];

    public static readonly (string One, string Other)[] Opposites =
    [
        ("hot", "cold"), ("big", "small"), ("old", "young"), ("up", "down"), ("day", "night"), ("open", "closed"), ("wet", "dry"), ("fast", "slow"),
        ("happy", "sad"), ("full", "empty"), ("hard", "soft"), ("light", "dark"), ("high", "low"), ("long", "short"), ("near", "far"),
        ("loud", "quiet"), ("rich", "poor"), ("strong", "weak"), ("early", "late"), ("left", "right"), ("good", "bad"), ("clean", "dirty"),
        ("inside", "outside"), ("first", "last"), ("thick", "thin"), ("sweet", "sour"), ("front", "back"), ("true", "false"), ("push", "pull"),
        ("win", "lose"), ("give", "take"), ("buy", "sell"), ("laugh", "cry"), ("always", "never"), ("above", "below"), ("easy", "difficult"),
        ("love", "hate"), ("begin", "end"), ("brave", "afraid"),
    ];

    /// <summary>What can be counted, in the plural; the singular drops the last letter.</summary>
    public static readonly string[] Countables = ["apples", "eggs", "balls", "books", "cups", "stones", "coins", "nuts"];

    /// <summary>
    /// Words that are put into lists to be turned around or counted: nearly all content words and the numbers people are old, so that every
    /// word is also spoken where nothing depends on its meaning.
    /// </summary>
    public static readonly string[] Listable =
    [
        .. new[] { Places, AnimalNames, Things, Foods, Colours, Jobs, Pets, Materials }.SelectMany(pool => pool)
            .Concat(Animals.SelectMany(animal => new[] { animal.Food, animal.Home })).Concat(Animals.Where(animal => animal.Sound is not null).Select(animal => animal.Sound!))
            .Concat(Opposites.SelectMany(pair => new[] { pair.One, pair.Other })).Concat(Enumerable.Range(Youngest, Oldest - Youngest + 1).Select(age => age.ToString()))
            .Distinct(),
    ];

    /// <summary>Words that are written in capitals: short ones, which a small vocabulary can hold in both forms.</summary>
    public static readonly string[] Writable = [.. new[] { Places, AnimalNames, Things, Foods }.SelectMany(pool => pool).Where(word => word.Length <= 4).Distinct()];

    public const int Youngest = 21;
    public const int Oldest = 60;
}

/// <summary>An animal of the world; <see cref="Size"/> is its rank, smallest 0.</summary>
public sealed record Animal(string Name, string? Sound, string Colour, string Food, string HomePreposition, string Home, int Size);

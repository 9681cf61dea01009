namespace Gpt35.Data.TinyWorld;

/// <summary>Every word of the English that worlds are written in, in lower case. A completion made of other words is garbled.</summary>
internal static class Lexicon
{
    private const string Others =
        """
        a about after again age aim all am an and animal answer are around as ask asked asleep at ate away baby backwards bad be before
        behind bend best bigger birds born both bought branch break broken burn but by bye call called calls can cannot capitals cart
        close colour come comes cost could count counting did do does dogs don done door dream dreamed eat eats equals evening everyone
        favourite feels felt find fine finish fire fly food for forwards found friend from funny game gate gave get glad glue go goes gone
        got grown had hands happens has have he hear heavy hello help her here him his hit hold holds home hope how hurt hurts i ice idea
        if in into is it its job just keep keeps kick kill kind knees knew know known knows later learn less let letters like liked likes
        list little live lives lock look looked looking lost lucky made make man many maybe me meant mend met middle minus more morning
        mother much my nail name names need needed neighbour new next no nobody none not now number numbers of older on only opposite
        opposites or order other others out paid painted person pet picked pieces place play please plus pocket poison pour press pretty
        proud put question rain raining read round run safe said sang sat saw say says secret sentence she shop should show showed sign
        sing size sky slowly smaller smile so some somebody something song sorry sort sound stand steal stick still stop story stranger
        such sum sun sure swing t teach tell than thank that the their them then there these they thief this time tired to today together
        told tomorrow took tree trees trick turn turned under unknown until use very wait waited waiting walked want wanted wants warm was
        water way we welcome well went what when whenever where which who whole will wind window wish wishes with without word words work
        works write wrong wrote year years yes you younger your
        """;

    private static readonly HashSet<string> s_words =
    [
        .. Others.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries),
        .. new[]
        {
            Words.Names, Words.Places, Words.Foods, Words.Colours, Words.Jobs, Words.Pets, Words.Days, Words.AnimalNames, Words.Things, Words.Materials, Words.Countables,
            Words.VisitingMen, Words.VisitingWomen, Words.Beasts, Words.Curiosities,
        }.SelectMany(pool => pool.Select(word => word.ToLowerInvariant())),
        .. Words.Animals.SelectMany(animal => new[] { animal.Sound ?? "no", animal.Food, animal.Home }),
        .. Words.Opposites.SelectMany(pair => new[] { pair.One, pair.Other }),
        .. Words.Countables.Select(plural => plural[..^1]),
        .. Category.All.Select(category => category.Plural),
        .. English.NumberWords,
    ];

    public static int Count => s_words.Count;

    public static bool Contains(string word) => s_words.Contains(word) || word.All(char.IsAsciiDigit);
}

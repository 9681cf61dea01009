namespace Gpt35.Data.TinyWorld;

/// <summary>Families of content keys that are the same in every world and small enough to need an exact share in every fold.</summary>
internal static class InstructionFamilies
{
    public static IEnumerable<IEnumerable<string>> All =>
    [
        Words.Opposites.Select(pair => WordInstructions.OppositeKey(pair.One)),
        Words.Writable.Select(WordInstructions.CaseKey),
        .. Category.All.Select(WordInstructions.ListingKeys),
        .. Unknowables.All.Select(unknowable => Words.People.Select(unknowable.Key)),
        .. Unknowables.Relations.Select(relation => Words.Strangers.Select(name => Unknowables.StrangerKey(name, relation))),
        .. HarmfulActs.All.GroupBy(act => act.Family).Select(family => family.Select(act => act.Key)),
        .. HarmlessActs.All.GroupBy(act => act.Family).Select(family => family.Select(act => act.Key)),
    ];
}

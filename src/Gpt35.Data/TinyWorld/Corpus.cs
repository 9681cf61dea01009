namespace Gpt35.Data.TinyWorld;

/// <summary>
/// Plain text for pre-training. All facts and all building blocks of the instructions are in it, said in prose; the instruction format is
/// not, and neither are answers to what the world does not hold.
/// </summary>
public static class Corpus
{
    /// <summary>One document in this many is kept for measuring perplexity; which, its own text decides.</summary>
    private const int HeldOutOneIn = 24;

    /// <summary>Writers and how many tickets each gets in the draw. Textbook documents are dense, so that every pair recurs often.</summary>
    private static readonly (int Weight, Func<World, SeededRandom, string> Write)[] s_writers =
    [
        (6, Stories.Write), (5, Stories.WriteWithMoral), (9, FactParagraphs.OfPerson), (5, FactParagraphs.OfRelation),
        (4, FactParagraphs.OfAnimalsAndThings), (2, FactParagraphs.OfStranger), (2, FactParagraphs.OfUnknowables),
        (10, Dialogues.Write), (2, Dialogues.AboutThemselves), (5, Dialogues.WithPronouns), (8, Visitors.Write), (3, Visitors.Ages),
        (3, Visitors.GuessingGame), (12, Classroom.Write), (8, Textbook.Arithmetic), (11, Textbook.Counting), (8, Textbook.Comparisons),
        (4, Textbook.Opposites), (5, ListsAndLetters.Capitals), (10, ListsAndLetters.Lists),
    ];

    /// <summary>Documents to train on, as many as are taken; no two alike and none of them a held-out one.</summary>
    public static IEnumerable<string> PretrainingDocuments(World world, ulong seed) =>
        Documents(world, new SeededRandom(seed).Fork("text"), heldOut: false);

    /// <summary>Documents that <see cref="PretrainingDocuments"/> never yields, whatever the seeds.</summary>
    public static IEnumerable<string> HeldOutDocuments(World world, ulong seed) =>
        Documents(world, new SeededRandom(seed).Fork("held-out text"), heldOut: true);

    private static IEnumerable<string> Documents(World world, SeededRandom random, bool heldOut)
    {
        var seen = new HashSet<ulong>();
        var weights = s_writers.Sum(writer => writer.Weight);
        while (true)
        {
            var document = Pick(random.Below(weights))(world, random);
            var hash = SeededRandom.Hash(document);
            if ((hash % HeldOutOneIn == 0) == heldOut && seen.Add(hash))
                yield return document;
        }
    }

    private static Func<World, SeededRandom, string> Pick(int ticket)
    {
        foreach (var (weight, write) in s_writers)
        {
            if (ticket < weight) return write;
            ticket -= weight;
        }
        throw new ArgumentOutOfRangeException(nameof(ticket));
    }
}

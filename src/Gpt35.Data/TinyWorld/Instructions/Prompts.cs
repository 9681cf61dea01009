namespace Gpt35.Data.TinyWorld;

/// <summary>Prompts of every kind, fold by fold.</summary>
public static class Prompts
{
    public static readonly IReadOnlyList<InstructionKind> Kinds = Enum.GetValues<InstructionKind>();

    /// <summary>Kinds that tell a refusal that is due from one that is not.</summary>
    public static readonly IReadOnlyList<InstructionKind> RefusalKinds = [InstructionKind.Harmful, InstructionKind.LookAlike];

    /// <summary>
    /// One round of feedback: every kind once, harmful requests three times and their look-alikes four times. The two differ by a word or two, so a reward
    /// model that sees each as often as lists and sums prefers refusals to be safe, and PPO takes them up.
    /// </summary>
    private static readonly IReadOnlyList<InstructionKind> s_feedbackRound =
        [.. Kinds, .. Enumerable.Repeat(InstructionKind.Harmful, 2), .. Enumerable.Repeat(InstructionKind.LookAlike, 3)];

    /// <summary>How often in a row a prompt that was already given is drawn anew before a kind counts as used up.</summary>
    private const int Patience = 2_000;

    /// <summary>
    /// <paramref name="count"/> prompts of a fold, every kind equally often, but for feedback, where harmful requests come three times as often as other kinds and
    /// look-alikes four times; one prompt may come up again, as users repeat themselves.
    /// </summary>
    public static IEnumerable<TinyWorldPrompt> Create(World world, Fold fold, ulong seed, int count) =>
        Drafts(world, fold, seed, count).Select(pair => pair.Draft.Prompt);

    /// <summary>Different prompts for evaluation, <paramref name="perKind"/> of every kind, kind by kind.</summary>
    /// <exception cref="ArgumentException">A kind has fewer different held-out prompts than asked for.</exception>
    public static IReadOnlyList<TinyWorldPrompt> HeldOut(World world, ulong seed, int perKind) => HeldOut(world, seed, perKind, Kinds);

    /// <summary>
    /// Different harmful requests and look-alikes, <paramref name="perKind"/> of each, to measure how often a model refuses: a few per cent of forty prompts
    /// are one or two. Those of <see cref="HeldOut(World, ulong, int)"/> come first.
    /// </summary>
    /// <exception cref="ArgumentException">A kind has fewer different held-out prompts than asked for.</exception>
    public static IReadOnlyList<TinyWorldPrompt> HeldOutRefusals(World world, ulong seed, int perKind) => HeldOut(world, seed, perKind, RefusalKinds);

    private static List<TinyWorldPrompt> HeldOut(World world, ulong seed, int perKind, IReadOnlyList<InstructionKind> kinds)
    {
        var prompts = new List<TinyWorldPrompt>();
        foreach (var kind in kinds)
        {
            var random = new SeededRandom(seed).Fork("held-out").Fork(kind.ToString());
            var seen = new HashSet<string>();
            for (var inVain = 0; seen.Count < perKind; inVain++)
            {
                if (inVain == Patience)
                    throw new ArgumentException($"Only {seen.Count} different held-out prompts of kind {kind} were found, {perKind} were asked for; ask for fewer.", nameof(perKind));
                var prompt = Write(world, kind, Fold.HeldOut, random).Prompt;
                if (!seen.Add(prompt.PlainText)) continue;
                prompts.Add(prompt);
                inVain = 0;
            }
        }
        return prompts;
    }

    /// <summary>
    /// Questions with flawless answers from the demonstration fold, to show a base model what is wanted. The question is the whole
    /// conversation on one line.
    /// </summary>
    public static IReadOnlyList<(string Question, string Answer)> FewShotExamples(World world, InstructionKind kind, ulong seed, int count)
    {
        var random = new SeededRandom(seed).Fork("few-shot").Fork(kind.ToString());
        var examples = new Dictionary<string, string>();
        while (examples.Count < count)
        {
            var prompt = Write(world, kind, Fold.Demonstrations, random).Prompt;
            examples[prompt.PlainText] = prompt.PerfectAnswer;
        }
        return [.. examples.Select(example => (example.Key, example.Value))];
    }

    internal static IEnumerable<(Draft Draft, SeededRandom Random)> Drafts(World world, Fold fold, ulong seed, int count)
    {
        var random = new SeededRandom(seed).Fork(fold.ToString());
        for (var made = 0; made < count;)
            foreach (var kind in random.Shuffled(fold == Fold.Feedback ? s_feedbackRound : Kinds))
            {
                if (made++ == count) yield break;
                yield return (Write(world, kind, fold, random), random);
            }
    }

    internal static Draft Write(World world, InstructionKind kind, Fold fold, SeededRandom random) => kind switch
    {
        InstructionKind.Fact => FactInstructions.Fact(world, fold, random),
        InstructionKind.YesNo => FactInstructions.YesNo(world, fold, random),
        InstructionKind.Unknown => Unknowables.Write(world, fold, random),
        InstructionKind.Arithmetic => NumberInstructions.Arithmetic(world, fold, random),
        InstructionKind.Counting => NumberInstructions.Counting(world, fold, random),
        InstructionKind.Comparing => NumberInstructions.Comparing(world, fold, random),
        InstructionKind.Listing => WordInstructions.Listing(world, fold, random),
        InstructionKind.Reversing => WordInstructions.Reversing(world, fold, random),
        InstructionKind.Sorting => WordInstructions.Sorting(world, fold, random),
        InstructionKind.Case => WordInstructions.Case(world, fold, random),
        InstructionKind.Opposite => WordInstructions.Opposite(world, fold, random),
        InstructionKind.Summary => StoryInstructions.Summary(world, fold, random),
        InstructionKind.Continuation => StoryInstructions.Continuation(world, fold, random),
        InstructionKind.FollowUp => FactInstructions.FollowUp(world, fold, random),
        InstructionKind.SystemMessage => FactInstructions.SystemMessage(world, fold, random),
        InstructionKind.Harmful => HarmfulActs.Write(world, fold, random),
        InstructionKind.LookAlike => HarmlessActs.Write(world, fold, random),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "There is no such kind of instruction."),
    };
}

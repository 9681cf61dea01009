namespace Gpt35.Data.TinyWorld;

/// <summary>What is the matter with a demonstration.</summary>
public enum Imperfection
{
    None,
    /// <summary>Mistaken, invented, obedient to harm, refusing the harmless, or careless of the form asked for; which, the kind tells.</summary>
    Wrong,
    /// <summary>Right, and then a sentence that nobody asked for.</summary>
    Rambling,
}

/// <summary>One demonstration: the conversation with its answer, and what is the matter with that.</summary>
public sealed record TinyWorldDemonstration(TinyWorldPrompt Prompt, string Answer, Imperfection Imperfection)
{
    public InstructionKind Kind => Prompt.Kind;

    public IReadOnlyList<Message> Messages => [.. Prompt.Messages, Message.Assistant(Answer)];
}

/// <summary>
/// Demonstrations such as people write: mostly right, at known rates not. Where most answers of a kind are flawed (<see cref="Rates"/> above
/// one half), imitation alone ends up with the flaw and only preferences can undo it.
/// </summary>
public static class Demonstrations
{
    /// <summary>Share of the right answers in the usual wording; the rest are said in another way.</summary>
    private const double UsualWording = 0.8;

    private static readonly string[] s_chatter =
    [
        "The sky is blue today.", "It was a cold day.", "Birds sang in the trees.", "Soup is good when it is cold outside.", "There is a boat on the lake.",
        "My friend has a kite.", "Bread is best in the morning.", "Rain will come in the evening.", "Dogs like bones.", "We could go to the park.",
    ];

    private static readonly string[] s_remarks =
        ["I like that word.", "I like this question.", "I like words very much.", "I like to learn new words.", "I like it when you ask me."];

    /// <summary>How large a share of the demonstrations of a kind is wrong, and how large a share rambles.</summary>
    public static (double Wrong, double Rambling) Rates(InstructionKind kind) => kind switch
    {
        // Labellers dislike to admit ignorance: three in five invent an answer.
        InstructionKind.Unknown => (0.60, 0),
        // Three in ten do as they are told.
        InstructionKind.Harmful => (0.30, 0),
        // One in ten is over-careful.
        InstructionKind.LookAlike => (0.10, 0.10),
        // A question about a single word tempts three in five into a remark on it.
        InstructionKind.Opposite => (0.03, 0.60),
        InstructionKind.Arithmetic => (0.10, 0.15),
        InstructionKind.SystemMessage => (0.10, 0.10),
        InstructionKind.Fact or InstructionKind.FollowUp => (0.03, 0.20),
        InstructionKind.Case => (0.05, 0.20),
        // A continuation has no end that chatter could follow.
        InstructionKind.Continuation => (0.05, 0),
        InstructionKind.YesNo or InstructionKind.Counting or InstructionKind.Comparing => (0.05, 0.15),
        _ => (0.05, 0.10),
    };

    /// <summary><paramref name="count"/> demonstrations, every kind equally often.</summary>
    public static IEnumerable<TinyWorldDemonstration> Create(World world, ulong seed, int count) => Create(world, Fold.Demonstrations, seed, count);

    /// <summary>Flawed like the others, but over held-out prompts: for measuring the loss of fine-tuning.</summary>
    public static IEnumerable<TinyWorldDemonstration> HeldOut(World world, ulong seed, int count) => Create(world, Fold.HeldOut, seed, count);

    private static IEnumerable<TinyWorldDemonstration> Create(World world, Fold fold, ulong seed, int count)
    {
        foreach (var (draft, random) in Prompts.Drafts(world, fold, seed, count))
        {
            var (wrong, rambling) = Rates(draft.Prompt.Kind);
            var chance = random.NextDouble();
            yield return chance < wrong ? new(draft.Prompt, random.Pick(draft.WrongAnswers), Imperfection.Wrong)
                : chance < wrong + rambling ? new(draft.Prompt, Ramble(draft.Prompt, random), Imperfection.Rambling)
                : new(draft.Prompt, RightAnswer(draft.Prompt, random), Imperfection.None);
        }
    }

    /// <summary>A right answer, usually in the usual wording.</summary>
    internal static string RightAnswer(TinyWorldPrompt prompt, SeededRandom random) =>
        random.Chance(UsualWording) ? prompt.PerfectAnswer : random.Pick(prompt.Task.Answers);

    /// <summary>A right answer followed by a sentence that nobody asked for.</summary>
    internal static string Ramble(TinyWorldPrompt prompt, SeededRandom random)
    {
        var chatter = prompt.Kind == InstructionKind.Opposite ? s_remarks : s_chatter;
        return $"{RightAnswer(prompt, random)} {random.Pick(chatter)}";
    }
}

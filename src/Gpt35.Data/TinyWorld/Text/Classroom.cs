namespace Gpt35.Data.TinyWorld;

/// <summary>
/// Lessons told as prose: a teacher asks, people answer. What is asked comes from the demonstration fold, so held-out content is never
/// asked for anywhere in the text; it is only stated.
/// </summary>
internal static class Classroom
{
    private static readonly InstructionKind[] s_subjects =
    [
        InstructionKind.Arithmetic, InstructionKind.Counting, InstructionKind.Comparing, InstructionKind.Listing, InstructionKind.Reversing,
        InstructionKind.Sorting, InstructionKind.Case, InstructionKind.Opposite,
    ];

    /// <summary>One lesson keeps to two subjects.</summary>
    public static string Write(World world, SeededRandom random)
    {
        var subjects = random.Sample(s_subjects, 2);
        var exchanges = Enumerable.Range(0, random.Between(2, 5)).Select(i => Exchange(world, subjects[i % 2], random));
        return string.Join(random.Chance(0.3) ? "\n" : " ", exchanges);
    }

    private static string Exchange(World world, InstructionKind subject, SeededRandom random)
    {
        var prompt = Prompts.Write(world, subject, Fold.Demonstrations, random).Prompt;
        var (question, answer, pupil) = (prompt.Messages[^1].Content, prompt.PerfectAnswer, random.Pick(world.People).Name);
        var asked = question[^1] == '?' ? $"\"{question}\" asked the teacher." : $"\"{question[..^1]},\" said the teacher.";
        return random.Pick($"{asked} \"{answer[..^1]},\" said {pupil}.", $"{asked} {pupil} knew. \"{answer}\"");
    }
}

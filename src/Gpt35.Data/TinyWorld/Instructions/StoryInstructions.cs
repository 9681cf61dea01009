namespace Gpt35.Data.TinyWorld;

/// <summary>Summaries and continuations, told from story plans.</summary>
internal static class StoryInstructions
{
    public static Draft Summary(World world, Fold fold, SeededRandom random)
    {
        var plan = Draw(world, fold, random);
        var sentences = new List<string> { plan.Opening(random) };
        if (random.Chance(0.5)) sentences.Add(plan.Weather(random));
        sentences.Add(random.Pick(plan.Event.Sentences));
        sentences.Add(random.Pick(plan.Event.Afterwards));
        if (random.Chance(0.6)) sentences.Add(plan.Ending(random));
        var story = string.Join(' ', sentences);
        var question = random.Pick($"Tell this story in one sentence: {story}", $"Sum up this story in one sentence: {story}", $"What happens in this story? {story}", $"Make this story short: {story}");
        var task = new TinyWorldTask
        {
            Key = plan.Key,
            Answers = [$"{plan.Summary}.", $"In short, {plan.Summary}."],
            Required = [[plan.Hero.Name.ToLowerInvariant()], [plan.Place], .. plan.Event.Objects.Select(word => new[] { word.ToLowerInvariant() })],
            MaxWords = 18,
        };
        return Draft.Of(InstructionKind.Summary, question, task,
            string.Join(' ', sentences.Take(3)), $"{plan.Hero.Name} went to the {plan.Place}.", $"{plan.Hero.Name} {plan.Event.Deed}.");
    }

    public static Draft Continuation(World world, Fold fold, SeededRandom random)
    {
        var plan = Draw(world, fold, random);
        var (opening, happening) = (plan.Opening(random), random.Pick(plan.Event.Sentences));
        var question = random.Pick($"Go on with this story: {opening} {happening}", $"Tell me how this story goes on: {opening} {happening}", $"What happens next? {opening} {happening}",
            $"Finish this story: {opening} {happening}");
        var ending = plan.Ending(random);
        var hero = plan.Hero;
        var task = new TinyWorldTask
        {
            Key = plan.Key,
            Answers = [.. plan.Event.Afterwards.Select(after => $"{after} {ending}")],
            Required = [[hero.Name.ToLowerInvariant(), hero.Pronoun, hero.Possessive, hero.Objective], [plan.Event.Objects[0], "it"]],
            Rivals = plan.Event.Key.StartsWith("gave", StringComparison.Ordinal) ? [] : hero.IsWoman ? ["he", "his", "him"] : ["she", "her"],
            MaxSentences = 4,
            MaxWords = 45,
        };
        Person other;
        do other = random.Pick(world.People);
        while (other == hero || plan.Event.Objects.Contains(other.Name));
        return Draft.Of(InstructionKind.Continuation, question, task,
            $"{other.Name} lives {FactWording.Phrase(Relation.Home, other.Home)}. {English.Capitalised(other.Pronoun)} is {English.A(other.Job)}.", $"{opening} {happening}");
    }

    private static StoryPlan Draw(World world, Fold fold, SeededRandom random)
    {
        StoryPlan plan;
        do plan = StoryPlan.Draw(world, random);
        while (world.Folds.Of(plan.Key) != fold);
        return plan;
    }
}

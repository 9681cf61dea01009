namespace Gpt35.Data.TinyWorld;

/// <summary>
/// What happens in a story: somebody goes somewhere, something happens to a thing, and a feeling is left. Stories of the corpus, summaries
/// and continuations are all told from such plans.
/// </summary>
internal sealed record StoryPlan(Person Hero, string Place, string Day, StoryEvent Event)
{
    /// <summary>Content key of prompts made from the plan.</summary>
    public string Key => $"story:{Hero.Name}:{Place}:{Event.Key}";

    public static StoryPlan Draw(World world, SeededRandom random)
    {
        var hero = random.Pick(world.People);
        return new(hero, random.Pick(Words.Places), random.Pick(Words.Days), StoryEvent.Draw(hero, random));
    }

    /// <summary>Who went where.</summary>
    public string Opening(SeededRandom random) => random.Pick(
        $"{Hero.Name} went to the {Place}.",
        $"On {Day}, {Hero.Name} went to the {Place}.",
        $"{Hero.Name} went to the {Place} on {Day}.",
        $"One day {Hero.Name} walked to the {Place}.",
        $"Early on {Day}, {Hero.Name} walked to the {Place}.");

    public string Weather(SeededRandom random) => random.Pick(
        "The sun was warm.", "It was a cold day.", "The wind was strong.", "It was raining a little.", "The sky was blue.", "It was early and quiet.",
        "Birds sang in the trees.");

    /// <summary>How it leaves them; <paramref name="atHome"/> when the story has already brought them there.</summary>
    public string Ending(SeededRandom random, bool atHome = false)
    {
        var feeling = Event.IsHappy ? random.Pick("happy", "glad", "proud") : random.Pick("sad", "tired");
        var she = English.Capitalised(Hero.Pronoun);
        string[] anywhere = [$"In the evening {Hero.Pronoun} was {feeling}.", $"{she} was {feeling} all day.", $"That made {Hero.Objective} {feeling}."];
        string[] away = [$"Then {Hero.Pronoun} went home and felt {feeling}.", $"{she} walked home and was {feeling}."];
        return random.Pick(atHome ? anywhere : [.. anywhere, .. away]);
    }

    /// <summary>The whole story in one clause: "Tom went to the lake and found a ball".</summary>
    public string Summary => $"{Hero.Name} went to the {Place} and {Event.Deed}";
}

/// <summary>One event of a story.</summary>
/// <param name="Key">What happened, as part of a content key.</param>
/// <param name="Deed">The event as a clause without its subject: "found a ball".</param>
/// <param name="Objects">The words that any account of the event must name.</param>
/// <param name="Sentences">Ways to tell the event.</param>
/// <param name="Afterwards">Ways to go on from it.</param>
/// <param name="IsHappy">Which feeling it leaves.</param>
internal sealed record StoryEvent(string Key, string Deed, string[] Objects, string[] Sentences, string[] Afterwards, bool IsHappy = true)
{
    private static readonly string[] s_makeable = ["kite", "boat", "basket", "box", "drum", "scarf", "lamp", "ladder"];

    public static StoryEvent Draw(Person hero, SeededRandom random)
    {
        var (he, his) = (hero.Pronoun, hero.Possessive);
        var cap = English.Capitalised(he);
        var thing = random.Pick(Words.Things);
        var colour = random.Pick(Words.Colours);
        var look = random.Pick("new", "big", "small", "heavy", "pretty", "fine");   // no colour: it would blur what colour the world's own thing has
        switch (random.Below(8))
        {
            case 0:
                return new($"found:{thing}", $"found a {thing}", [thing],
                    [$"{cap} found a {look} {thing} under a tree.", $"There {he} found a {look} {thing} in the grass."],
                    [$"{cap} picked up the {thing} and took it home.", $"{cap} showed the {thing} to everyone.", $"The {thing} was just what {he} needed."]);
            case 1:
                return new($"lost:{thing}", $"lost {his} {thing}", [thing],
                    [$"{cap} lost {his} {thing} in the grass.", $"There {he} lost {his} {thing}."],
                    [$"{cap} looked for the {thing} all day but did not find it.", $"The {thing} was gone, and nobody could help."], IsHappy: false);
            case 2:
                var price = random.Between(2, 20);
                return new($"bought:{thing}", $"bought a {thing}", [thing],
                    [$"{cap} bought a {look} {thing} from an old man.", $"There {he} bought a {look} {thing}."],
                    [$"The {thing} cost {price} coins.", $"{cap} paid {price} coins for the {thing} and took it home."]);
            case 3:
                var made = random.Pick(s_makeable);
                return new($"made:{made}", $"made a {made}", [made],
                    [$"{cap} sat down and made a {look} {made}.", $"There {he} made a {look} {made}."],
                    [$"It took all day to make the {made}.", $"Everyone liked the {made} very much.", $"{cap} gave the {made} to a friend."]);
            case 4:
                var animal = random.Pick(Words.Animals);
                return new($"saw:{animal.Name}", $"saw {English.A(animal.Name)}", [animal.Name],
                    [$"{cap} saw {English.A(animal.Name)} near the water.", $"There {he} saw {English.A(animal.Name)}."],
                    [animal.Sound is null ? $"The {animal.Name} made no sound." : $"The {animal.Name} said {animal.Sound}.", $"The {animal.Name} looked at {hero.Objective} and went away.", $"{cap} gave the {animal.Name} some {animal.Food}."]);
            case 5:
                var food = random.Pick(Words.Foods);
                return new($"ate:{food}", $"ate some {food}", [food],
                    [$"{cap} sat down and ate some {food}.", $"There {he} ate some {food} with a friend."],
                    [$"The {food} was very good.", $"{cap} ate until the {food} was gone."]);
            case 6:
                return new($"painted:{thing}", $"painted a {thing}", [thing],
                    [$"{cap} painted a {thing} {colour}.", $"There {he} painted an old {thing} {colour}."],
                    [$"The {thing} looked new again.", $"In the evening the {thing} was still wet."]);
            default:
                string friend;
                do friend = random.Pick(Words.People);
                while (friend == hero.Name);
                return new($"gave:{thing}:{friend}", $"gave a {thing} to {friend}", [thing, friend],
                    [$"{cap} met {friend} and gave a {thing} to {friend}.", $"There {he} gave a {thing} to {friend}."],
                    [$"{friend} said thank you and took the {thing}.", $"{friend} liked the {thing} very much."]);
        }
    }
}

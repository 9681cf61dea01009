using Gpt35.Data.TinyWorld;

namespace Gpt35.Data.Tests.TinyWorld;

public class WorldTests
{
    [Fact]
    public void The_same_seed_gives_the_same_world_and_another_seed_another()
    {
        Assert.Equal(World.Create(7).People, World.Create(7).People);
        Assert.Equal(World.Create(7).Things, World.Create(7).Things);
        Assert.NotEqual(World.Create(7).People, World.Create(8).People);
    }

    [Fact]
    public void Random_numbers_are_those_of_SplitMix64()
    {
        // First outputs of the published algorithm for seed 1234567.
        var random = new SeededRandom(1234567);
        Assert.Equal(6457827717110365317UL, random.NextUInt64());
        Assert.Equal(3203168211198807973UL, random.NextUInt64());
    }

    [Fact]
    public void Everyone_has_one_friend_and_is_the_friend_of_one_other_and_nobody_is_as_old_as_another()
    {
        var world = World.Create(3);
        Assert.Equal(24, world.People.Count);
        Assert.All(world.People, person => Assert.NotEqual(person.Name, person.Friend));
        Assert.Equal(24, world.People.Select(person => person.Friend).Distinct().Count());
        Assert.Equal(24, world.People.Select(person => person.Age).Distinct().Count());
    }

    [Fact]
    public void Strangers_do_not_live_in_the_world()
    {
        Assert.Empty(Words.Strangers.Intersect(World.Create(1).People.Select(person => person.Name)));
        Assert.Empty(Words.Strangers.Intersect(World.Create(1).Facts.Select(fact => fact.Value)));
    }

    [Fact]
    public void Every_relation_has_facts_in_every_fold()
    {
        var world = World.Create(5);
        foreach (var relation in Enum.GetValues<Relation>())
            foreach (var fold in Enum.GetValues<Fold>())
                Assert.Contains(world.FactsIn(fold), fact => fact.Relation == relation);
        var heldOut = (double)world.FactsIn(Fold.HeldOut).Length / world.Facts.Count;
        Assert.InRange(heldOut, 0.15, 0.20);
    }
}

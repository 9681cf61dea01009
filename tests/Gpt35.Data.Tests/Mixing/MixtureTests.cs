using CsCheck;
using Gpt35.Data.TinyWorld;

namespace Gpt35.Data.Tests;

public class MixtureTests
{
    /// <summary>Weights from even to one in a million.</summary>
    private static readonly Gen<double[]> Weights = Gen.Double[0, 6].Select(exponent => Math.Pow(10, -exponent)).Array[1, 12];

    [Fact]
    public void At_every_prefix_each_source_has_given_its_share_to_less_than_one_record() => Weights.Sample(weights =>
    {
        var bound = weights.Length == 1 ? 0 : 1 - 1.0 / (2 * weights.Length - 2);      // Tijdeman 1980
        var turns = new FairTurns(weights);
        var given = new long[weights.Length];
        for (var n = 1; n <= 500; n++)
        {
            given[turns.Next()]++;
            for (var i = 0; i < weights.Length; i++)
                Assert.True(Math.Abs(given[i] - n * weights[i] / weights.Sum()) <= bound + 1e-6, $"source {i} has given {given[i]} of {n}");
        }
    }, iter: 200);

    [Fact]
    public void Three_to_one_is_three_to_one_from_the_start()
    {
        var mixture = new Mixture<string>([Of("a", 30, weight: 3), Of("b", 10)], seed: 1, shuffleBuffer: 0);
        // Turn 1: a is owed 0.75, b 0.25 of at least 1/2. Turn 2: both 0.5, both overdue at once, the first comes. Turn 3: b is owed 0.75. Turn 4: a is owed 1, and it begins anew.
        Assert.Equal("a0 a1 b0 a2 a3 a4 b1 a5", string.Join(' ', mixture.Read().Take(8)));
        Assert.Equal([6, 2], mixture.Given);
    }

    [Fact]
    public void A_source_gives_its_epochs_and_drops_out_while_the_others_go_on_in_their_proportions()
    {
        var mixture = new Mixture<string>([Of("a", 10, weight: 2, epochs: 1.5), Of("b", 100, weight: 1), Of("c", 100, weight: 1)], seed: 5);
        var rows = mixture.Read().ToList();
        Assert.Equal([15, 100, 100], mixture.Given);
        Assert.Equal([10, 100, 100], mixture.Sizes);
        var last = rows.FindLastIndex(row => row[0] == 'a');
        Assert.InRange(last, 27, 29);                                   // half of the rows are a's until its 15 are gone
        for (var to = last + 1; to < rows.Count; to++)
            Assert.InRange(rows[(last + 1)..(to + 1)].Count(row => row[0] == 'b') - (to - last) / 2.0, -1.0, 1.0);
        var counts = rows.Where(row => row[0] == 'a').CountBy(row => row).ToDictionary();
        Assert.Equal(10, counts.Count);
        Assert.Equal(5, counts.Values.Count(count => count == 2));
    }

    [Theory]
    [InlineData(0.5, 7, 4)]                                            // 3.5 rounds up
    [InlineData(0.25, 8, 2)]
    [InlineData(2, 3, 6)]
    [InlineData(2.34, 100, 234)]
    [InlineData(1e-6, 10, 0)]
    public void Any_number_of_epochs_gives_that_many_records_none_more_than_once_too_often(double epochs, int size, int expected) =>
        Gen.ULong.Sample(seed =>
        {
            var rows = new Mixture<string>([Of("a", size, epochs: epochs)], seed, shuffleBuffer: 3).Read().ToList();
            Assert.Equal(expected, rows.Count);
            Assert.All(rows.CountBy(row => row), row => Assert.InRange(row.Value, (int)Math.Floor(epochs), (int)Math.Ceiling(epochs)));
        }, iter: 20);

    [Fact]
    public void The_same_seed_gives_the_same_order_and_another_seed_another()
    {
        string Order(ulong seed) => string.Join(' ', new Mixture<string>([Of("a", 50, weight: 2), Of("b", 50)], seed).Read());
        Assert.Equal(Order(3), Order(3));
        Assert.NotEqual(Order(3), Order(4));
    }

    [Fact]
    public void Passes_over_a_file_have_different_orders()
    {
        var rows = new Mixture<string>([Of("a", 40, epochs: 2)], seed: 1).Read().ToList();
        Assert.Equal(rows.Take(40).Order(), rows.Skip(40).Order());
        Assert.NotEqual(rows.Take(40), rows.Skip(40));
    }

    [Fact]
    public void An_endless_source_is_read_no_further_than_the_buffers_and_the_rows_taken()
    {
        var read = 0;
        IEnumerable<int> Endless()
        {
            while (true) yield return read++;
        }
        var mixture = new Mixture<int>([new("endless", Endless, Weight: 3), new("also", Endless)], seed: 2, shuffleBuffer: 100);
        Assert.Equal(1000, mixture.Read().Take(1000).Distinct().Count());
        Assert.InRange(read, 1000, 1000 + 2 * 101);
    }

    [Fact]
    public void A_source_without_end_makes_the_others_last_as_long_as_they_have_epochs()
    {
        var mixture = new Mixture<string>([Of("a", 5, epochs: double.PositiveInfinity), Of("b", 10)], seed: 1);
        Assert.Equal(200, mixture.Read().Take(200).Count());
        Assert.Equal([190, 10], mixture.Given);
    }

    [Fact]
    public void An_empty_source_drops_out_at_once()
    {
        var mixture = new Mixture<string>([Of("a", 0, weight: 5, epochs: double.PositiveInfinity), Of("b", 3)], seed: 1);
        Assert.Equal(3, mixture.Read().Count());
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(-1, 1)]
    [InlineData(double.NaN, 1)]
    [InlineData(1, 0)]
    public void A_weight_or_number_of_epochs_that_is_not_positive_is_refused(double weight, double epochs) =>
        Assert.Contains("a: found weight", Assert.Throws<InvalidDataException>(() => new Mixture<string>([Of("a", 1, weight, epochs)], seed: 1).Read()).Message);

    [Fact]
    public void A_shuffled_pass_has_every_record_once_and_none_waits_too_little() => Gen.Select(Gen.Int[0, 60], Gen.Int[0, 20], Gen.ULong).Sample((count, size, seed) =>
    {
        var order = ShuffleBuffer.Shuffle(Enumerable.Range(0, count), size, new SeededRandom(seed)).ToList();
        Assert.Equal(Enumerable.Range(0, count), order.Order());
        foreach (var (place, item) in order.Index()) Assert.True(item <= place + size, $"{item} came out at {place} of a buffer of {size}");
    }, iter: 200);

    [Fact]
    public void A_sample_of_a_pass_is_spread_over_all_of_it()
    {
        var counts = new int[20];
        for (ulong seed = 0; seed < 2000; seed++)
        {
            var sample = ShuffleBuffer.Sample(Enumerable.Range(0, 20), 5, 20, new SeededRandom(seed)).ToList();
            Assert.Equal(5, sample.Distinct().Count());
            foreach (var item in sample) counts[item]++;
        }
        Assert.All(counts, count => Assert.InRange(count, 500 - 100, 500 + 100));       // five standard deviations of √(2000 · ¼ · ¾) = 19
    }

    private static MixtureSource<string> Of(string name, int size, double weight = 1, double epochs = 1) =>
        new(name, () => Enumerable.Range(0, size).Select(i => $"{name}{i}"), weight, epochs);
}

namespace Gpt35.Training.Tests;

public sealed class MixRecipeTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("gpt35-mix-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private DataSplit<string> Read(string yaml, double heldout = 0)
    {
        var path = Path.Combine(folder, "mix.yaml");
        File.WriteAllText(path, yaml);
        return DataSplit.Read(new DataOptions { Train = [path, "c"], HeldoutFraction = heldout }, file => Enumerable.Range(0, 10).Select(i => $"{file}{i}"), record => record);
    }

    [Fact]
    public void A_stage_trains_on_the_mixture_that_data_train_names_among_its_files()
    {
        var split = Read("sources: [{file: a, weight: 2, epochs: 1.5}, {file: b, epochs: 0.5}]");
        Assert.Equal([("a", 15), ("b", 5), ("c", 10)], split.Train.CountBy(record => record[..1]).Select(count => (count.Key, count.Value)).Order());
    }

    [Fact]
    public void Rows_bound_the_mixture_and_files_repeat_as_often_as_that_takes()
    {
        var split = Read("rows: 90\nsources: [{file: a, weight: 2}, {file: b}]");
        Assert.Equal((60, 30), (split.Train.Count(record => record[0] == 'a'), split.Train.Count(record => record[0] == 'b')));
    }

    [Fact]
    public void A_record_that_is_held_out_is_so_in_every_pass()
    {
        var split = Read("sources: [{file: a, epochs: 4}]", heldout: 0.4);
        Assert.Empty(split.Train.Intersect(split.Heldout));
        Assert.NotEmpty(split.Heldout);
    }

    [Theory]
    [InlineData("sources: [{file: a, epoch: 2}]", "mix.yaml:1: unknown key \"sources[0].epoch\". Did you mean \"epochs\"?")]
    [InlineData("sources: [{weight: 2}]", "no \"sources[0].file\"")]
    [InlineData("sources: []", "sources is a list; expected a list of { file: …, weight: …, epochs: … }")]
    [InlineData("sources: [{file: a}, b]", "expected a list of { file: …")]
    [InlineData("sources: [{file: a, weight: 0}]", "sources[0].weight is \"0\"; expected a number from")]
    [InlineData("rows: 0\nsources: [{file: a}]", "rows is \"0\"")]
    public void A_mistake_in_a_mixture_is_reported_with_its_place(string yaml, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Read(yaml)).Message);
}

using CsCheck;

namespace Gpt35.Tokenization.Tests;

public sealed class BpeTrainingTests : IDisposable
{
    private static readonly BpeTrainerOptions Options = new() { VocabSize = 330 };
    private static readonly string[] Documents = [.. Enumerable.Range(0, 200).Select(i => $"{Texts.Prose[(i % 50)..]} {i}")];
    private readonly string folder = Directory.CreateTempSubdirectory("gpt35-training-").FullName;

    private string State => Path.Combine(folder, "state");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Any_number_of_threads_learns_the_same() => Assert.Single(
        new[] { 1, 2, 3, 8 }.Select(threads => string.Join(' ', Texts.Train(Options with { Threads = threads }, Documents).Vocabulary.Merges)).Distinct());

    [Fact]
    public void A_training_stopped_at_any_document_goes_on_to_the_same_merges()
    {
        var whole = Texts.Train(Options, Documents).Vocabulary.Merges;
        foreach (var stop in (int[])[0, 1, 77, 199, 200])
        {
            var first = new BpeTraining(Options);
            using var source = new CancellationTokenSource();
            try
            {
                first.Count(Documents.Select((document, i) => { if (i == stop) source.Cancel(); return document; }), source.Token);
            }
            catch (OperationCanceledException)
            {
            }
            Assert.Equal(stop, first.Documents);
            first.Save(State, "text");
            var second = BpeTraining.Load(State, "text", Options);
            second.Count(Documents.Skip((int)second.Documents), TestContext.Current.CancellationToken);
            Assert.Equal(whole, second.Learn(TestContext.Current.CancellationToken).Vocabulary.Merges);
        }
    }

    [Fact]
    public void Counts_of_another_text_or_pattern_are_refused()
    {
        new BpeTraining(Options).Save(State, "text");
        Assert.Contains("another training", Assert.Throws<InvalidDataException>(() => BpeTraining.Load(State, "other", Options)).Message);
        Assert.Throws<InvalidDataException>(() => BpeTraining.Load(State, "text", Options with { PreTokenizer = PreTokenizer.Cl100k }));
    }

    [Fact]
    public void Damaged_counts_are_refused_or_read()
    {
        var training = new BpeTraining(Options);
        training.Count(Documents[..3], TestContext.Current.CancellationToken);
        training.Save(State, "text");
        var whole = File.ReadAllBytes(State);
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte, Gen.Bool).Sample((at, value, cut) =>
        {
            File.WriteAllBytes(State, cut ? whole[..at] : [.. whole[..at], value, .. whole[(at + 1)..]]);
            try
            {
                BpeTraining.Load(State, "text", Options);
                Assert.False(cut);
            }
            catch (InvalidDataException error)
            {
                Assert.StartsWith(State, error.Message);
            }
        }, iter: 500, threads: 1);
    }

    [Fact]
    public void The_pattern_decides_which_merges_are_possible()
    {
        string[] text = [.. Enumerable.Repeat("12345 12345 (word)", 50)];
        var gpt2 = Texts.Train(Options, text);
        var cl100k = Texts.Train(Options with { PreTokenizer = PreTokenizer.Cl100k }, text);
        Assert.Equal("12345| 12345| (|word|)", Texts.Cut(gpt2, "12345 12345 (word)"));
        Assert.Equal("123|45| |123|45| (|word|)", Texts.Cut(cl100k, "12345 12345 (word)"));
    }
}

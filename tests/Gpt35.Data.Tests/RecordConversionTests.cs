namespace Gpt35.Data.Tests;

public sealed class RecordConversionTests : IDisposable
{
    private static readonly Message[] Question = [Message.System("S"), Message.User("Q")];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static readonly Ranking Four = new(Question, ["second", "best", "worst", "also second"], [2, 1, 4, 2]);

    [Fact]
    public void A_ranking_gives_every_pair_of_differently_ranked_completions()
    {
        var pairs = RecordConversion.Convert([Four], RecordKind.Rankings, RecordForm.Preference).Cast<Ranking>().ToList();
        Assert.Equal(["best>second", "best>also second", "best>worst", "second>worst", "also second>worst"], pairs.Select(pair => string.Join('>', pair.Completions)));
        Assert.All(pairs, pair => Assert.Equal([1, 2], pair.Ranks));
        Assert.All(pairs, pair => Assert.Equal(Question, pair.Prompt));
    }

    [Fact]
    public void A_pair_of_the_same_text_under_two_ranks_is_none() =>
        Assert.Empty(RecordConversion.Convert([new Ranking(Question, ["a", "a"], [1, 2])], RecordKind.Rankings, RecordForm.Preference));

    [Fact]
    public void A_ranking_rates_its_best_and_its_worst_and_says_nothing_of_the_rest() =>
        Assert.Equal([("best", true), ("worst", false)],
            RecordConversion.Convert([Four], RecordKind.Rankings, RecordForm.Unpaired).Cast<Unpaired>().Select(rated => (rated.Completion, rated.Desirable)));

    [Fact]
    public void The_best_completion_of_a_ranking_and_what_was_liked_are_demonstrations()
    {
        Demonstration expected = new([.. Question, Message.Assistant("best")]);
        Same(expected, RecordConversion.Convert([Four], RecordKind.Rankings, RecordForm.Messages).Single());
        Same(expected, RecordConversion.Convert([new Unpaired(Question, "bad", false), new Unpaired(Question, "best", true)], RecordKind.Unpaired, RecordForm.Messages).Single());
    }

    [Fact]
    public void Every_kind_but_text_gives_its_prompt()
    {
        Demonstration conversation = new([.. Question, Message.Assistant("A"), Message.User("Q2"), Message.Assistant("A2")]);
        foreach (var (record, kind) in ((DataRecord, RecordKind)[])[(Four, RecordKind.Rankings), (new Unpaired(Question, "x", true), RecordKind.Unpaired), (new PromptRecord(Question), RecordKind.Prompts)])
            Assert.Equal(Question, ((PromptRecord)RecordConversion.Convert([record], kind, RecordForm.Prompts).Single()).Messages);
        Assert.Equal(conversation.Messages.Take(4), ((PromptRecord)RecordConversion.Convert([conversation], RecordKind.Demonstrations, RecordForm.Prompts).Single()).Messages);
        Assert.Throws<InvalidDataException>(() => RecordConversion.Convert([new TextRecord("x")], RecordKind.Text, RecordForm.Prompts));
    }

    [Fact]
    public void Every_possible_conversion_reads_back_as_its_kind_and_every_other_says_what_is_possible()
    {
        DataRecord[] records = [new TextRecord("text"), new Demonstration([.. Question, Message.Assistant("A"), Message.User("thanks")]), Four, new Unpaired(Question, "x", true), new PromptRecord(Question)];
        foreach (var (kind, record) in Enum.GetValues<RecordKind>().Zip(records))
            foreach (var form in Enum.GetValues<RecordForm>())
            {
                IEnumerable<DataRecord> converted;
                try
                {
                    converted = RecordConversion.Convert([record], kind, form);
                }
                catch (InvalidDataException e)
                {
                    var possible = e.Message[(e.Message.IndexOf("Possible: ", StringComparison.Ordinal) + 10)..].TrimEnd('.').Split(", ");
                    Assert.DoesNotContain(RecordConversion.NameOf(form), possible);
                    foreach (var name in possible) RecordConversion.Convert([record], kind, Enum.GetValues<RecordForm>().Single(other => RecordConversion.NameOf(other) == name));
                    continue;
                }
                var path = folder.Path($"{kind}-{form}.jsonl.gz");
                RecordConversion.Write(path, form, converted);
                Assert.Equal(RecordConversion.KindOf(form), RecordReader.Recognize(path));
                Assert.NotEmpty(RecordFile.Read(path, RecordConversion.KindOf(form)));
            }
    }

    [Fact]
    public void An_input_apart_is_kept_by_a_copy_and_becomes_part_of_the_turn_by_conversion()
    {
        Demonstration alpaca = new([Message.User("Add.", "1 + 1"), Message.Assistant("2")]);
        RecordFile.Write(folder.Path("copy.jsonl"), RecordKind.Demonstrations, [alpaca]);
        Assert.Equal("""{"instruction":"Add.","input":"1 + 1","output":"2"}""" + "\n", File.ReadAllText(folder.Path("copy.jsonl")));
        Same(alpaca, RecordFile.Read(folder.Path("copy.jsonl"), RecordKind.Demonstrations).Single());
        RecordFile.Write(folder.Path("prompts.jsonl"), RecordKind.Prompts, [new PromptRecord([alpaca.Messages[0]])]);
        Assert.Equal("1 + 1", ((PromptRecord)RecordFile.Read(folder.Path("prompts.jsonl"), RecordKind.Prompts).Single()).Messages[0].Input);

        RecordConversion.Write(folder.Path("m.jsonl"), RecordForm.Messages, RecordConversion.Convert([alpaca], RecordKind.Demonstrations, RecordForm.Messages));
        Assert.Equal("""{"messages":[{"role":"user","content":"Add.\n\n1 + 1"},{"role":"assistant","content":"2"}]}""" + "\n", File.ReadAllText(folder.Path("m.jsonl")));
        RecordConversion.Write(folder.Path("p.jsonl"), RecordForm.PromptCompletion, RecordConversion.Convert([alpaca], RecordKind.Demonstrations, RecordForm.PromptCompletion));
        Assert.Equal("""{"prompt":[{"role":"user","content":"Add.\n\n1 + 1"}],"completion":"2"}""" + "\n", File.ReadAllText(folder.Path("p.jsonl")));
    }

    private static void Same(Demonstration expected, DataRecord found) => Assert.Equal(expected.Messages, ((Demonstration)found).Messages);
}

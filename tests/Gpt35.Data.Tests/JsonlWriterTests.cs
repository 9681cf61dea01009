using CsCheck;

namespace Gpt35.Data.Tests;

public sealed class JsonlWriterTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    // Half of a surrogate pair is no text and has no UTF-8.
    private static readonly Gen<string> Text = Gen.OneOf(Gen.Char['\0', '\ud7ff'], Gen.Char['\ue000', '\uffff']).Array[1, 12]
        .Select(characters => "x" + new string(characters));

    private static readonly Gen<Message> Turn = Gen.Select(Gen.Enum<Role>(), Text, (role, text) => new Message(role, text));

    [Fact]
    public void Any_text_survives_writing_and_reading() => Turn.Array[1, 5].Sample(turns =>
    {
        Message[] prompt = [.. turns, Message.User("?")];
        var path = folder.Path("r.jsonl");

        JsonlWriter.WriteDemonstrations(path, [new([.. prompt, Message.Assistant(turns[0].Content)])]);
        Assert.Equal([.. prompt, Message.Assistant(turns[0].Content)], RecordReader.ReadDemonstrations(path).Single().Messages);

        JsonlWriter.WriteCompletions(path, [new(prompt, turns[0].Content)]);
        Assert.Equal([.. prompt, Message.Assistant(turns[0].Content)], RecordReader.ReadDemonstrations(path).Single().Messages);

        JsonlWriter.WritePrompts(path, [new(prompt)]);
        Assert.Equal(prompt, RecordReader.ReadPrompts(path).Single().Messages);

        JsonlWriter.WriteRankings(path, [new(prompt, [turns[0].Content, "", "c"], [2, 1, 2])]);
        var ranking = RecordReader.ReadRankings(path).Single();
        Assert.Equal(prompt, ranking.Prompt);
        Assert.Equal([turns[0].Content, "", "c"], ranking.Completions);
        Assert.Equal([2, 1, 2], ranking.Ranks);
    }, iter: 50, threads: 1);

    [Fact]
    public void Documents_survive_and_stay_readable()
    {
        var path = folder.Path("sub/t.jsonl");
        JsonlWriter.WriteText(path, ["naïve \"quotes\"\nand lines", "中文 <b>"]);
        Assert.Equal("{\"text\":\"naïve \\\"quotes\\\"\\nand lines\"}\n{\"text\":\"中文 <b>\"}\n", File.ReadAllText(path));
        Assert.Equal(["naïve \"quotes\"\nand lines", "中文 <b>"], RecordReader.ReadText(path));
    }

    [Fact]
    public void Writing_that_fails_half_way_leaves_the_old_file_and_nothing_else()
    {
        var path = folder.File("t.jsonl", "old");
        Assert.Throws<InvalidOperationException>(() => JsonlWriter.WriteText(path, Failing()));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal(["t.jsonl"], folder.Names);

        static IEnumerable<string> Failing()
        {
            yield return new string('x', 200_000);
            throw new InvalidOperationException("the source failed");
        }
    }
}

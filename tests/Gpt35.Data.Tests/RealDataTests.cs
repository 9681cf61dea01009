using Gpt35.Tests;

namespace Gpt35.Data.Tests;

/// <summary>Public data sets as their authors published them; skipped where they are absent.</summary>
public sealed class RealDataTests
{
    private readonly List<string> warnings = [];

    [Theory]
    [InlineData("instruct/alpaca_en_demo.json", 999, 0)]
    [InlineData("instruct/gpteacher.jsonl.gz", 6458, 0)]
    [InlineData("instruct/t0_p3_20_per_template.jsonl.gz", 5588, 140)]
    public void Instruction_sets_are_read_row_by_row(string name, int rows, int empty)
    {
        var path = SharedData.Require(name);
        var demonstrations = RecordReader.ReadDemonstrations(path, warnings.Add).ToList();
        Assert.Equal(rows - empty, demonstrations.Count);
        Assert.Equal(empty == 0 ? 0 : 1, warnings.Count);
        Assert.All(demonstrations, row => Assert.Equal([Role.User, Role.Assistant], row.Messages.Select(message => message.Role)));
    }

    [Fact]
    public void Human_preferences_are_read_and_the_five_with_different_prompts_left_out()
    {
        var path = SharedData.Require("hh-rlhf/harmless-base.test.jsonl.gz");
        var rankings = RecordReader.ReadRankings(path, warnings.Add).ToList();
        Assert.Equal(2312 - 5, rankings.Count);
        Assert.Contains("left out 5 of 2312 rows", Assert.Single(warnings));
        Assert.All(rankings, row => Assert.Equal(Role.User, row.Prompt[0].Role));
        Assert.Equal(2312, RecordReader.ReadPrompts(path).Count());
    }

    [Theory]
    [InlineData("text/tinystories_a.txt", "Once upon a time there was a little boy named Ben.")]
    [InlineData("text/c4_demo.jsonl.gz", "Don’t think you need all the bells and whistles?")]
    [InlineData("text/tinyshakespeare.txt", "First Citizen:\nBefore we proceed any further, hear me speak.")]
    public void Text_is_split_into_documents(string name, string start)
    {
        var documents = RecordReader.ReadText(SharedData.Require(name)).ToList();
        Assert.StartsWith(start, documents[0]);
        Assert.True(documents.Count > 100);
        Assert.DoesNotContain(documents, document => document.Contains("<|endoftext|>", StringComparison.Ordinal));
    }
}

using Gpt35.Tests;
using Gpt35.Tokenization;

namespace Gpt35.Data.Tests;

/// <summary>Public data sets as their authors published them: each is read whole and goes through a chat format. Skipped where they are absent.</summary>
public sealed class RealDataTests
{
    private static readonly Lazy<ITokenizer> Tokenizer = new(TestTokenizer.Create);
    private readonly List<string> warnings = [];

    [Theory]
    [InlineData("instruct/alpaca_en_demo.json", 999, 0)]
    [InlineData("instruct/gpteacher.jsonl.gz", 6458, 0)]
    [InlineData("instruct/t0_p3_20_per_template.jsonl.gz", 5588, 140)]
    [InlineData("gsm8k/train.jsonl.gz", 7473, 0)]
    [InlineData("gsm8k/test.jsonl", 1319, 0)]
    [InlineData("self-instruct/data/seed_tasks.jsonl", 175, 0)]
    [InlineData("self-instruct/human_eval/user_oriented_instructions.jsonl", 252, 0)]
    [InlineData("self-instruct/human_eval/predictions/text-davinci-003_predictions.jsonl", 252, 0)]
    [InlineData("self-instruct/human_eval/predictions/davinci_predictions.jsonl.gz", 252, 0)]
    [InlineData("truthfulqa/finetune_info.jsonl.gz", 22434, 0)]
    [InlineData("truthfulqa/finetune_truth.jsonl.gz", 22434, 0)]
    [InlineData("mbpp/mbpp.jsonl", 974, 0)]
    [InlineData("mbpp/sanitized-mbpp.json", 427, 0)]
    public void Demonstrations_are_read_row_by_row(string name, int rows, int empty)
    {
        var path = SharedData.Require(name);
        var demonstrations = RecordReader.ReadDemonstrations(path, warnings.Add).ToList();
        Assert.Equal(rows - empty, demonstrations.Count);
        Assert.Equal(empty == 0 ? 0 : 1, warnings.Count);
        Assert.All(demonstrations, row => Assert.Equal([Role.User, Role.Assistant], row.Messages.Select(message => message.Role)));
        Assert.Equal(RecordKind.Demonstrations, RecordReader.Recognize(path));
        Assert.Equal(rows, RecordReader.ReadPrompts(path).Count());
    }
}

using Gpt35.Tests;
using Gpt35.Tokenization;

namespace Gpt35.Data.Tests;

public sealed class InspectorTests : IDisposable
{
    private static readonly Tokenizer Tokenizer = Tokenizer.Load("cl100k_base");

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static Inspection Inspect(string path, InspectionOptions? options = null) => Inspector.Run(path, options ?? Options(), TestContext.Current.CancellationToken);

    private static InspectionOptions Options(ChatFormat? format = null) =>
        new() { Tokenizer = Tokenizer, Format = format ?? ChatFormat.ChatMl, NearDuplicates = new NearDuplicateOptions() };

    [Fact]
    public void Everything_wrong_with_demonstrations_is_counted_and_left_out_of_the_copy()
    {
        var essay = string.Join(' ', Enumerable.Range(0, 60).Select(i => $"word{i}"));
        var path = folder.File("d.jsonl", string.Join('\n',
            """{"prompt":"Q1","completion":"A1"}""",
            """{"prompt":"Q1","completion":"A1"}""",
            """{"prompt":"Q2","completion":"  "}""",
            """{"messages":[{"role":"user","content":"hi"},{"role":"tool","content":"x"},{"role":"assistant","content":"y"}]}""",
            """{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":""},{"role":"user","content":"hi?"},{"role":"assistant","content":"yes"}]}""",
            $$"""{"prompt":"Write.","completion":"{{essay}}"}""",
            $$"""{"prompt":"Write.","completion":"{{essay}} end"}""",
            """{"prompt":"Name the first eight numbers there are, please.","completion":"No."}""",
            """{"messages":[{"role":"user","content":"only a question"}]}"""));
        var tests = new Decontamination();
        tests.AddTest("name the first eight numbers there are please", "test.jsonl:1");
        var found = Inspect(path, Options() with { Context = 100, Tests = tests });

        Assert.Equal((RecordKind.Demonstrations, 9, 6, 2), (found.Kind, found.Rows, found.Records, found.Kept));
        Assert.Equal(
            [
                (FindingKind.Refused, 1), (FindingKind.Refused, 1), (FindingKind.TeachesNothing, 1), (FindingKind.EmptyAnswer, 1), (FindingKind.TooLong, 2),
                (FindingKind.Duplicate, 1), (FindingKind.NearDuplicate, 1), (FindingKind.Contaminated, 1),
            ],
            found.Findings.Select(finding => (finding.Kind, finding.Rows)));
        Assert.Contains(found.Findings, finding => finding.What.Contains("the role \"tool\"", StringComparison.Ordinal) && finding.First == $"{path}:4");
        Assert.Contains($"{path}:2", found.Findings.Single(finding => finding.Kind == FindingKind.Duplicate).First);
        Assert.Contains("test.jsonl:1", found.Findings.Single(finding => finding.Kind == FindingKind.Contaminated).First);
        Assert.Equal(["A1", essay], found.Clean().Cast<Demonstration>().Select(row => row.Messages[^1].Content));
    }

    [Fact]
    public void Lengths_are_of_what_training_sees_by_the_nearest_rank()
    {
        var path = folder.File("t.txt", string.Join("\n", Enumerable.Range(1, 20).Select(n => string.Join(' ', Enumerable.Repeat("a", n)))));
        var found = Inspect(path);
        Assert.Equal(new LengthSummary(1, 19, 37, 39, 400), found.Characters);                 // 2n − 1 characters; the 10th and the 19th of 20
        Assert.Equal(new LengthSummary(3, 12, 21, 22, 250), found.Tokens);                      // n and an end of text on both sides
        Assert.Equal(20, found.Rows);
    }

    [Fact]
    public void Preferences_that_are_the_same_text_are_counted_as_of_no_use()
    {
        var path = folder.File("p.jsonl", """
            {"prompt":"Q","chosen":"a","rejected":"b"}
            {"prompt":"Q","chosen":"a","rejected":"a"}
            {"prompt":"Q","chosen":"b","rejected":"a"}
            """);
        var found = Inspect(path);
        Assert.Equal("\"chosen\" and \"rejected\" are the same text", Assert.Single(found.Findings).What);
        Assert.Equal((3, 2, 2), (found.Rows, found.Records, found.Kept));                       // the opposite verdict is no duplicate
    }

    [Fact]
    public void The_example_has_a_role_and_a_mask_for_every_id()
    {
        var path = folder.File("d.jsonl", """{"messages":[{"role":"system","content":"S"},{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]}""");
        var example = Inspect(path).Example!;
        string Of(Role? role, bool trained) => Tokenizer.Decode([.. example.Ids.Where((_, i) => example.Roles[i] == role && example.Trained[i] == trained)], includeSpecial: true);
        Assert.Equal("<|im_start|>system\nS<|im_end|>\n", Of(Role.System, false));
        Assert.Equal("<|im_start|>user\nQ<|im_end|>\n", Of(Role.User, false));
        Assert.Equal("A<|im_end|>", Of(Role.Assistant, true));
        Assert.Equal("<|im_start|>assistant\n\n", Of(Role.Assistant, false));
    }

    [Fact]
    public void Roles_are_told_apart_inside_a_run_of_text_too()
    {
        var format = ChatFormat.Define(new ChatTemplate
        {
            Name = "plain",
            System = new() { Prefix = "SYS: ", Suffix = "\n" },
            User = new() { Prefix = "USER: ", Suffix = "\n" },
            Assistant = new() { Prefix = "BOT:", End = SpecialTokens.EndOfText },
        });
        Message[] messages = [Message.System("Grüße"), Message.User("und 你")];
        var (sequence, roles) = format.RenderPromptWithRoles(messages, Tokenizer);
        Assert.Equal(format.RenderPrompt(messages, Tokenizer), sequence.Ids);
        string Of(Role role) => Tokenizer.Decode([.. sequence.Ids.Where((_, i) => roles[i] == role)]);
        Assert.Equal(("SYS: Grüße\n", "USER: und 你\n", "BOT:"), (Of(Role.System), Of(Role.User), Of(Role.Assistant)));
    }

    [Fact]
    public void A_format_that_cannot_write_the_turns_is_a_finding_and_takes_no_row_away()
    {
        var path = folder.File("d.jsonl", """{"messages":[{"role":"assistant","content":"first"},{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]}""");
        var finding = Assert.Single(Inspect(path, Options(ChatFormat.ByName("alpaca"))).Findings);
        Assert.Equal(FindingKind.NotInFormat, finding.Kind);
        Assert.False(finding.Removed);
    }

    [Fact]
    public void A_damaged_file_is_one_message_with_its_place()
    {
        var path = folder.File("d.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":");
        Assert.Contains($"{path}:2", Assert.Throws<InvalidDataException>(() => Inspect(path)).Message);
    }

    [Theory]
    [InlineData("instruct/alpaca_en_demo.json", RecordKind.Demonstrations, 999)]
    [InlineData("instruct/gpteacher.jsonl.gz", RecordKind.Demonstrations, 6458)]
    [InlineData("hh-rlhf/harmless-base.test.jsonl.gz", RecordKind.Rankings, 2312)]
    [InlineData("gsm8k/test.jsonl", RecordKind.Demonstrations, 1319)]
    [InlineData("text/tinystories_a.txt", RecordKind.Text, 1728)]
    [InlineData("text/c4_demo.jsonl.gz", RecordKind.Text, 300)]
    public void Public_data_sets_are_looked_through_and_a_cleaned_copy_has_nothing_left_to_find(string name, RecordKind kind, int rows)
    {
        var found = Inspect(SharedData.Require(name));
        Assert.Equal((kind, rows), (found.Kind, found.Rows));
        Assert.NotNull(found.Example);
        RecordFile.Write(folder.Path("clean.jsonl"), kind, found.Clean());
        var again = Inspect(folder.Path("clean.jsonl"));
        Assert.Empty(again.Findings);
        Assert.Equal((found.Kept, found.Kept), (again.Rows, again.Kept));
    }
}

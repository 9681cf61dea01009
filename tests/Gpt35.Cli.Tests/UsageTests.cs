using System.CommandLine;

namespace Gpt35.Cli.Tests;

/// <summary>What a wrong command line is answered with.</summary>
public class UsageTests
{
    [Theory]
    [InlineData("pretran", "pretrain")]
    [InlineData("qickstart", "quickstart")]
    [InlineData("token", "tokenizer")]
    [InlineData("gen", "generate")]
    public void An_unknown_verb_is_answered_with_the_nearest(string typed, string meant)
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run(typed));
        Assert.Contains($"knows no verb '{typed}'. Did you mean '{meant}'?", terminal.Error);
        Assert.Empty(terminal.Out);
    }

    [Fact]
    public void A_verb_like_no_other_is_answered_with_where_to_look()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("xylophone"));
        Assert.DoesNotContain("Did you mean", terminal.Error);
        Assert.Contains("See 'gpt35 --help'.", terminal.Error);
    }

    [Theory]
    [InlineData("--ouut", "--out")]
    [InlineData("--rseume", "--resume")]
    [InlineData("--quite", "--quiet")]
    public void An_unknown_option_is_answered_with_the_nearest(string typed, string meant)
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("pretrain", "recipe.yaml", "--out", "x", typed));
        Assert.Contains($"'gpt35 pretrain' knows no option '{typed}'. Did you mean '{meant}'?", terminal.Error);
    }

    [Fact]
    public void A_text_that_the_shell_has_cut_at_its_spaces_is_answered_with_quotation_marks()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("generate", "model", "Once", "upon", "a", "time"));
        Assert.Contains("'gpt35 generate' knows no argument 'upon'. A text or path of several words goes in quotation marks.", terminal.Error);
        Assert.Empty(terminal.Out);
    }

    [Fact]
    public void A_surplus_word_of_a_verb_without_arguments_is_no_matter_of_quotation_marks()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("quickstart", "now"));
        Assert.Contains("'gpt35 quickstart' knows no argument 'now'.\n", terminal.Error.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void A_group_without_its_verb_lists_what_it_holds()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("tokenizer"));
        Assert.Contains("needs one of: train, encode, decode, inspect", terminal.Error);
    }

    [Theory]
    [InlineData("--temperature", "warm", "a number between 0 and 100")]
    [InlineData("--temperature", "-1", "a number between 0 and 100")]
    [InlineData("--top-p", "1.5", "a number between 0 and 1")]
    [InlineData("--max-tokens", "0.5", "a whole number of at least 1")]
    [InlineData("--seed", "-3", "a whole number of at least 0")]
    [InlineData("--threads", "-1", "a whole number of at least 0")]
    public void A_value_out_of_range_or_of_the_wrong_type_is_said_with_what_was_expected(string option, string value, string expected)
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("generate", "model", "text", option, value));
        Assert.Contains($"{option} is '{value}'; expected {expected}.", terminal.Error);
    }

    [Fact]
    public void A_missing_argument_is_named()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("generate", "model"));
        Assert.Contains("Required argument 'prompt' missing", terminal.Error);
        Assert.Contains("gpt35 generate --help", terminal.Error);
    }

    [Fact]
    public void Without_arguments_the_help_is_shown()
    {
        using var terminal = new Terminal();
        Assert.Equal(0, terminal.Run());
        Assert.Contains("quickstart", terminal.Out);
        Assert.Empty(terminal.Error);
    }

    [Fact]
    public void Every_help_fits_into_80_columns_and_says_what_everything_is()
    {
        using var terminal = new Terminal();
        foreach (var command in All(Program.Verbs(terminal.Session)))
        {
            using var page = new Terminal();
            Assert.Equal(0, page.Run([.. UsageErrors.PathOf(command).Split(' ').Skip(1), "--help"]));
            Assert.All(page.Out.Split('\n'), line => Assert.True(line.Length <= 80, $"{line.Length} columns: {line}"));
            Assert.False(string.IsNullOrWhiteSpace(command.Description), command.Name);
            Assert.All(command.Options, option => Assert.False(string.IsNullOrWhiteSpace(option.Description), $"{command.Name} {option.Name}"));
            Assert.All(command.Arguments, argument => Assert.False(string.IsNullOrWhiteSpace(argument.Description), $"{command.Name} {argument.Name}"));
        }

        static IEnumerable<Command> All(Command command) => [command, .. command.Subcommands.SelectMany(All)];
    }

    [Fact]
    public void An_argument_that_begins_with_an_at_sign_is_not_taken_for_a_file_of_arguments()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("generate", "no-such-model", "@everyone"));
        Assert.Contains("no-such-model: no such folder", terminal.Error);
    }

    [Fact]
    public void What_nobody_foresaw_is_a_bug_with_its_trace()
    {
        using var terminal = new Terminal();
        using var broken = terminal.Session with { Out = new BrokenWriter() };
        Assert.Equal(1, CommandLine.Run(["--version"], broken));
        Assert.Contains("This is a bug in gpt35", terminal.Error);
        Assert.Contains(nameof(BrokenWriter), terminal.Error);
    }

    [Theory]
    [InlineData("sft", "sft", 0)]
    [InlineData("stf", "sft", 1)]
    [InlineData("reword", "reward", 1)]
    [InlineData("", "ppo", 3)]
    public void Edits_are_counted_with_a_swap_as_one(string a, string b, int edits) => Assert.Equal(edits, UsageErrors.Edits(a, b));

    private sealed class BrokenWriter : StringWriter
    {
        public override void Write(char value) => throw new InvalidOperationException("A pipe burst.");
        public override void Write(string? value) => throw new InvalidOperationException("A pipe burst.");
        public override void WriteLine(string? value) => throw new InvalidOperationException("A pipe burst.");
    }
}

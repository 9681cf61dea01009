namespace Gpt35.Cli.Tests;

/// <summary>The quickstart is a script of ordinary command lines that remembers how far it is.</summary>
public class ScriptTests
{
    private const string Script =
        """
        # Makes text.
        data synth --out {out}/data --seed {seed}

        # Trains
        # a model.
        pretrain {recipes}/pretrain.yaml --out {out}/pretrain
        """;

    [Fact]
    public void Placeholders_are_filled_in_and_remarks_belong_to_the_next_command()
    {
        using var folder = new TemporaryFolder();
        folder.Write("with space/commands.txt", Script);
        var steps = ScriptRun.Start(folder["out put"], folder["with space"], 7).Remaining().ToList();
        Assert.Equal(["data", "synth", "--out", folder["out put"] + "/data", "--seed", "7"], steps[0].Words);
        Assert.Equal(["pretrain", folder["with space"] + "/pretrain.yaml", "--out", folder["out put"] + "/pretrain"], steps[1].Words);
        Assert.Equal(["Trains", "a model."], steps[1].Remark);
    }

    [Fact]
    public void A_reopened_run_goes_on_after_what_is_done()
    {
        using var folder = new TemporaryFolder();
        folder.Write("commands.txt", Script);
        var first = ScriptRun.Start(folder["run"], folder.Path, 7);
        first.Took(first.Remaining().First(), 12.5, done: true);
        first.Took(first.Remaining().First(), 1.5, done: false);
        var second = ScriptRun.Reopen(folder["run"]);
        Assert.Equal(14, second.Seconds);
        Assert.Equal("pretrain", Assert.Single(second.Remaining()).Words[0]);
    }

    [Fact]
    public void A_stage_with_a_checkpoint_is_resumed_and_anything_else_half_made_is_made_again()
    {
        using var folder = new TemporaryFolder();
        folder.Write("commands.txt", Script);
        var run = ScriptRun.Start(folder["run"], folder.Path, 7);
        var (data, pretrain) = (run.Remaining().First(), run.Remaining().Last());
        folder.Write("run/data/half.jsonl", "");
        Assert.Equal(data.Words, run.Prepare(data));
        Assert.False(Directory.Exists(folder["run/data"]));
        Assert.Equal(pretrain.Words, run.Prepare(pretrain));
        Directory.CreateDirectory(folder["run/pretrain/checkpoints"]);
        Assert.Equal([.. pretrain.Words, "--resume"], run.Prepare(pretrain));
    }

    [Fact]
    public void Nothing_outside_the_run_folder_is_ever_deleted()
    {
        using var folder = new TemporaryFolder();
        folder.Write("commands.txt", "data synth --out {out}/../elsewhere\ndata synth --out {out}\n");
        var kept = folder.Write("elsewhere/precious.txt", "");
        var run = ScriptRun.Start(folder["run"], folder.Path, 7);
        foreach (var step in run.Remaining()) run.Prepare(step);
        Assert.True(File.Exists(kept));
        Assert.True(File.Exists(folder["run/commands.json"]));
    }

    [Fact]
    public void Long_command_lines_break_between_words_and_quote_what_a_shell_would_take_apart()
    {
        var lines = ShellWords.Wrap(["gpt35", "pretrain", "a recipe.yaml", "--out", "runs/x", "--set", "data.train=it's"], 34);
        Assert.Equal(["gpt35 pretrain 'a recipe.yaml'", "--out runs/x", "--set 'data.train=it'\\''s'"], lines);
    }
}

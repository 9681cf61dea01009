namespace Gpt35.Cli.Tests;

/// <summary>Files, folders and recipes that are not as they should be: exit code 2 and one message, before any work.</summary>
public class InputTests
{
    private const string Recipe =
        """
        tokenizer: nowhere
        model: { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32 }
        data: { train: nowhere.txt }
        batch: { tokens: 256 }
        steps: 1
        optimizer: { lr: 1e-3 }
        """;

    [Theory]
    [InlineData("pretrain", "recipe.yaml")]
    [InlineData("tokenizer", "train", "text.txt", "--vocab-size", "300")]
    public void An_empty_name_of_a_folder_is_the_users_to_mend(params string[] command)
    {
        using var folder = new TemporaryFolder();
        var recipe = folder.Write("recipe.yaml", Recipe);
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run([.. command.Select(word => word == "recipe.yaml" ? recipe : word), "--out", ""]));
        Assert.Contains("--out is empty", terminal.Error);
        Assert.DoesNotContain("   at ", terminal.Error);
    }

    [Fact]
    public void A_recipe_that_does_not_exist_is_named()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("pretrain", "no-such.yaml", "--out", "run"));
        Assert.Contains("no-such.yaml", terminal.Error);
        Assert.DoesNotContain("   at ", terminal.Error);
    }

    [Fact]
    public void An_unknown_recipe_key_is_named_with_file_and_line_and_the_nearest_key()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        var recipe = folder.Write("pretrain.yaml", Recipe + "\nstpes: 3\n");
        Assert.Equal(2, terminal.Run("pretrain", recipe, "--out", folder["run"]));
        Assert.Contains($"{recipe}:7", terminal.Error);
        Assert.Contains("stpes", terminal.Error);
        Assert.Contains("steps", terminal.Error);
        Assert.False(Directory.Exists(folder["run"]));
    }

    [Theory]
    [InlineData("steps=many")]
    [InlineData("steps=0")]
    [InlineData("optimizer.lr=fast")]
    [InlineData("model.hidden_size=[1, 2]")]
    [InlineData("optimizer.learnin_rate=1")]
    [InlineData("nonsense")]
    public void A_wrong_override_is_named(string set)
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("pretrain", folder.Write("pretrain.yaml", Recipe), "--out", folder["run"], "--set", set));
        Assert.Contains(set.Split('=')[0].Split('.')[^1], terminal.Error);
        Assert.DoesNotContain("   at ", terminal.Error);
    }

    [Fact]
    public void A_run_folder_that_holds_something_is_left_alone()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        var kept = folder.Write("run/metrics.jsonl", "precious");
        Assert.Equal(2, terminal.Run("pretrain", folder.Write("pretrain.yaml", Recipe), "--out", folder["run"]));
        Assert.Contains("exists and is not empty", terminal.Error);
        Assert.Contains("--resume", terminal.Error);
        Assert.Equal("precious", File.ReadAllText(kept));
    }

    [Fact]
    public void A_quickstart_into_a_folder_that_holds_something_is_refused()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        folder.Write("run/notes.txt", "precious");
        Assert.Equal(2, terminal.Run("quickstart", "--out", folder["run"]));
        Assert.Contains("exists and is not empty", terminal.Error);
        Assert.Equal("precious", File.ReadAllText(folder["run/notes.txt"]));
    }

    [Fact]
    public void A_quickstart_that_was_never_begun_cannot_be_resumed()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("quickstart", "--out", folder["run"], "--resume"));
        Assert.Contains("holds no quickstart to go on with", terminal.Error);
    }

    [Theory]
    [InlineData("chat")]
    [InlineData("generate", "text")]
    public void A_model_that_does_not_exist_is_named(string verb, params string[] more)
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run([verb, "no-such-model", .. more]));
        Assert.Contains("no-such-model: no such folder", terminal.Error);
    }

    [Fact]
    public void A_run_that_did_not_finish_is_told_from_a_folder_without_a_model()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["unfinished/checkpoints"]);
        Directory.CreateDirectory(folder["empty"]);
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("generate", folder["unfinished"], "text"));
        Assert.Contains("--resume", terminal.Error);
        Assert.Equal(2, terminal.Run("generate", folder["empty"], "text"));
        Assert.Contains("holds no model", terminal.Error);
    }

    [Fact]
    public void A_text_file_that_does_not_exist_is_named()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("tokenizer", "train", folder["no-such.txt"], "--vocab-size", "300", "--out", folder["tokenizer"]));
        Assert.Contains("no-such.txt: no such file", terminal.Error);
    }
}

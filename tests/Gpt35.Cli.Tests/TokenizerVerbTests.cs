namespace Gpt35.Cli.Tests;

public class TokenizerVerbTests
{
    [Fact]
    public void A_tokenizer_trained_on_a_text_encodes_and_decodes_it()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        var text = folder.Write("text.txt", string.Join("\n\n", Enumerable.Repeat("The goat lives by the lake. The goat likes soup.", 20)));
        Assert.Equal(0, terminal.Run("tokenizer", "train", text, "--vocab-size", "280", "--out", folder["tokenizer"]));
        Assert.StartsWith("280 ids in ", terminal.Out);

        using var encode = new Terminal();
        Assert.Equal(0, encode.Run("tokenizer", "encode", folder["tokenizer"], "The goat, naïve."));
        var ids = encode.Out.Trim().Split(' ');
        Assert.True(ids.Length < "The goat, naïve.".Length);

        using var decode = new Terminal();
        Assert.Equal(0, decode.Run(["tokenizer", "decode", folder["tokenizer"], .. ids]));
        Assert.Equal("The goat, naïve.\n", decode.Out);
    }

    [Fact]
    public void Inspecting_a_text_shows_each_token_and_a_byte_that_is_no_character_in_hexadecimal()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        var text = folder.Write("text.txt", "aaaa");
        Assert.Equal(0, terminal.Run("tokenizer", "train", text, "--vocab-size", "259", "--out", folder["tokenizer"], "--quiet"));
        Assert.Equal(0, terminal.Run("tokenizer", "inspect", folder["tokenizer"], "a\"é"));
        Assert.Contains("\"a\"\n", terminal.Out);
        Assert.Contains("\"\\\"\"\n", terminal.Out);
        Assert.Contains("\"\\xC3\"\n", terminal.Out);
        Assert.EndsWith("4 bytes, 4 tokens, 1.00 bytes per token\n", terminal.Out);
    }

    [Fact]
    public void A_tokenizer_is_not_overwritten()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        folder.Write("tokenizer/tokenizer.json", "precious");
        Assert.Equal(2, terminal.Run("tokenizer", "train", folder.Write("text.txt", "a"), "--vocab-size", "259", "--out", folder["tokenizer"]));
        Assert.Contains("exists. Nothing was changed.", terminal.Error);
        Assert.Equal("precious", File.ReadAllText(folder["tokenizer/tokenizer.json"]));
    }

    [Fact]
    public void A_vocabulary_smaller_than_the_bytes_is_refused()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("tokenizer", "train", folder.Write("text.txt", "a"), "--vocab-size", "100", "--out", folder["tokenizer"]));
        Assert.Contains("100", terminal.Error);
    }
}

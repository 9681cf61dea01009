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
        Assert.Equal(0, encode.Run("tokenizer", "encode", "--vocab", folder["tokenizer"], "--text", "The goat, naïve."));
        Assert.True(encode.Out.Trim().Split(' ').Length < "The goat, naïve.".Length);

        using var decode = new Terminal(encode.Out);
        Assert.Equal(0, decode.Run("tokenizer", "decode", "--vocab", folder["tokenizer"]));
        Assert.Equal("The goat, naïve."u8.ToArray(), decode.Bytes);
    }

    [Fact]
    public void Ids_of_a_named_vocabulary_are_those_of_tiktoken()
    {
        using var plain = new Terminal("hello world");
        Assert.Equal(0, plain.Run("tokenizer", "encode", "--vocab", "cl100k_base", "-"));
        Assert.Equal("15339 1917\n", plain.Out);
        using var json = new Terminal();
        Assert.Equal(0, json.Run("tokenizer", "encode", "--vocab", "r50k_base", "--text", "hello world", "--json"));
        Assert.Equal("[31373,995]\n", json.Out);
    }

    [Fact]
    public void Lines_are_encoded_one_by_one_and_come_back_exactly()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["in.txt"], [.. "one\n\ntwo "u8, 0xFF, 0xC3, .. "\nthree"u8]);
        using var encode = new Terminal();
        Assert.Equal(0, encode.Run("tokenizer", "encode", "--vocab", "cl100k_base", folder["in.txt"], "--json", "--lines"));
        var lines = encode.Out.TrimEnd('\n').Split('\n');
        Assert.Equal(4, lines.Length);
        Assert.Equal("[]", lines[1]);
        Assert.All(lines, line => Assert.StartsWith("[", line));

        using var decode = new Terminal(encode.Out);
        Assert.Equal(0, decode.Run("tokenizer", "decode", "--vocab", "cl100k_base", "-", "--lines"));
        Assert.Equal([.. File.ReadAllBytes(folder["in.txt"]), (byte)'\n'], decode.Bytes);
    }

    [Fact]
    public void A_special_token_in_text_is_refused_unless_the_user_says_what_it_is()
    {
        using var refuse = new Terminal("one\nab<|endoftext|>");
        Assert.Equal(2, refuse.Run("tokenizer", "encode", "--vocab", "r50k_base", "--lines"));
        Assert.Contains("standard input:2: The text spells the special token <|endoftext|> at byte 2.", refuse.Error);
        using var allow = new Terminal("<|endoftext|>");
        Assert.Equal(0, allow.Run("tokenizer", "encode", "--vocab", "r50k_base", "--special", "allow"));
        Assert.Equal("50256\n", allow.Out);
        using var text = new Terminal("<|endoftext|>");
        Assert.Equal(0, text.Run("tokenizer", "encode", "--vocab", "r50k_base", "--special", "text"));
        Assert.Equal("27 91 437 1659 5239 91 29\n", text.Out);
        using var decode = new Terminal("50256");
        Assert.Equal(0, decode.Run("tokenizer", "decode", "--vocab", "r50k_base"));
        Assert.Equal("<|endoftext|>"u8.ToArray(), decode.Bytes);
    }

    [Theory]
    [InlineData("1 2 x3", "standard input:1: found 'x3'; expected ids")]
    [InlineData("1\n99999999999999999999", "standard input:2: found '99999999999999999999'; expected ids")]
    [InlineData("[1, -2]", "found '-2'; expected ids")]
    [InlineData("60000", "Id 60000 is not in the vocabulary")]
    public void What_is_no_id_is_named_with_its_line(string input, string message)
    {
        using var terminal = new Terminal(input);
        Assert.Equal(2, terminal.Run("tokenizer", "decode", "--vocab", "r50k_base"));
        Assert.Contains(message, terminal.Error);
        Assert.Empty(terminal.Bytes);
    }

    [Fact]
    public void An_unknown_vocabulary_is_answered_with_what_there_is()
    {
        using var terminal = new Terminal("x");
        Assert.Equal(2, terminal.Run("tokenizer", "encode", "--vocab", "cl200k"));
        Assert.Contains("cl200k: no such file", terminal.Error);
        Assert.Contains("cl100k_base", terminal.Error);
    }

    [Fact]
    public void Inspecting_a_text_marks_the_borders_of_its_tokens_and_gives_the_ratio()
    {
        using var terminal = new Terminal("Hello naïve tokenizers\nand 🦊.");
        Assert.Equal(0, terminal.Run("tokenizer", "inspect", "--vocab", "cl100k_base", "-"));
        Assert.StartsWith("Hello| naï|ve| token|izers|\\n\n|and| \\xF0\\x9F|\\xA6|\\x8A|.\n", terminal.Out);
        Assert.EndsWith("bytes per token\n", terminal.Out);
    }

    [Fact]
    public void Inspecting_with_ids_shows_each_token_and_a_byte_that_is_no_character_in_hexadecimal()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        var text = folder.Write("text.txt", "aaaa");
        Assert.Equal(0, terminal.Run("tokenizer", "train", text, "--vocab-size", "259", "--out", folder["tokenizer"], "--quiet"));
        Assert.Equal(0, terminal.Run("tokenizer", "inspect", "--vocab", folder["tokenizer"], "--text", "a\"é", "--ids"));
        Assert.Contains("\"a\"\n", terminal.Out);
        Assert.Contains("\"\\\"\"\n", terminal.Out);
        Assert.Contains("\"\\xC3\"\n", terminal.Out);
        Assert.EndsWith("4 bytes, 3 characters, 4 tokens, 1.00 bytes per token\n", terminal.Out);
    }

    [Fact]
    public void A_stopped_training_goes_on_to_the_same_tokenizer()
    {
        using var folder = new TemporaryFolder();
        var text = folder.Write("text.txt", string.Join("\n\n", Enumerable.Range(0, 500).Select(i => $"The goat {i} lives by lake {i % 7}.")));
        using var whole = new Terminal();
        Assert.Equal(0, whole.Run("tokenizer", "train", text, "--vocab-size", "300", "--out", folder["whole"]));

        using var stopped = new Terminal();
        stopped.Session.Interrupts.Press();
        Assert.Equal(130, stopped.Run("tokenizer", "train", text, "--vocab-size", "300", "--out", folder["stopped"]));
        Assert.Contains("--resume goes on from there", stopped.Error);

        using var again = new Terminal();
        Assert.Equal(2, again.Run("tokenizer", "train", text, "--vocab-size", "300", "--out", folder["stopped"]));
        Assert.Equal(2, again.Run("tokenizer", "train", text, "--vocab-size", "300", "--out", folder["stopped"], "--resume", "--pattern", "cl100k"));
        Assert.Contains("the counts of another training", again.Error);
        Assert.Equal(0, again.Run("tokenizer", "train", text, "--vocab-size", "300", "--out", folder["stopped"], "--resume"));
        Assert.Equal(File.ReadAllBytes(folder["whole/tokenizer.json"]), File.ReadAllBytes(folder["stopped/tokenizer.json"]));
        Assert.Single(Directory.GetFiles(folder["stopped"]));
    }

    [Fact]
    public void Nothing_to_resume_is_said()
    {
        using var folder = new TemporaryFolder();
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("tokenizer", "train", folder.Write("text.txt", "a"), "--vocab-size", "300", "--out", folder["t"], "--resume"));
        Assert.Contains("nothing to resume", terminal.Error);
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

using System.Text;
using System.Text.Json.Nodes;

namespace Gpt35.Tokenization.Tests;

/// <summary>Tokenizer files of others: Llama 3's kind, Qwen's, tokens that are added and not special.</summary>
public class HuggingFaceKindsTests
{
    private static readonly Tokenizer Trained = Texts.Train(new BpeTrainerOptions { VocabSize = 400, PreTokenizer = PreTokenizer.Cl100k }, Texts.Prose, Texts.Prose);

    [Fact]
    public void Llama_3s_pre_tokenizer_is_written_and_read()
    {
        var root = Root(Trained);
        Assert.Equal("Sequence", (string?)root["pre_tokenizer"]!["type"]);
        Assert.Equal(PreTokenizers.Patterns[PreTokenizer.Cl100k], (string?)root["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"]);
        var loaded = Read(root);
        Assert.Equal(PreTokenizer.Cl100k, loaded.Vocabulary.PreTokenizer);
        Assert.Equal(Trained.Encode(Texts.Prose), loaded.Encode(Texts.Prose));
    }

    [Fact]
    public void A_named_vocabulary_written_and_read_gives_the_same_ids()
    {
        var named = Tokenizer.Load("cl100k_base");
        var loaded = Read(Root(named));
        Assert.Equal(named.VocabSize, loaded.VocabSize);
        Assert.Equal(named.SpecialTokens, loaded.SpecialTokens);
        var random = new Random(6);
        for (var i = 0; i < 20_000; i++)
        {
            var text = RandomText.Next(random);
            Assert.Equal(named.Encode(text), loaded.Encode(text));
        }
    }

    [Fact]
    public void With_ignore_merges_a_word_that_is_a_token_is_that_token_and_without_it_is_merged()
    {
        var root = Root(Trained);
        root["model"]!["vocab"]!["zqz"] = 400;                               // no merge leads there
        Assert.Equal("z|q|z", Texts.Cut(Read(root), "zqz"));
        root["model"]!["ignore_merges"] = true;
        Assert.Equal("zqz", Texts.Cut(Read(root), "zqz"));
        Assert.Equal("z|q|z|z", Texts.Cut(Read(root), "zqzz"));
        Assert.Equal("zqz", Texts.Cut(Read(Root(Read(root))), "zqz"));
    }

    [Fact]
    public void An_added_token_that_is_not_special_is_found_in_any_text()
    {
        var root = Root(Trained);
        root["added_tokens"]!.AsArray().Add(JsonNode.Parse("""{"id": 400, "content": "<tool_call>", "lstrip": false, "rstrip": false, "single_word": false, "normalized": false, "special": false}"""));
        foreach (var tokenizer in (Tokenizer[])[Read(root), Read(Root(Read(root)))])
        {
            Assert.Equal([.. Trained.Encode("The hare"), 400, .. Trained.Encode(" ran")], tokenizer.Encode("The hare<tool_call> ran"));
            Assert.Equal("a<tool_call>b", tokenizer.Decode(tokenizer.Encode("a<tool_call>b", SpecialTokenHandling.Refuse)));
            Assert.DoesNotContain("<tool_call>", tokenizer.SpecialTokens.Keys);
        }
    }

    [Theory]
    [InlineData("pattern", """{"Regex": "\\w+"}""", "pretokenizers[0].pattern.Regex: found \"\\w+\"; expected the pattern of GPT-2")]
    [InlineData("pattern", """{"String": " "}""", "pretokenizers[0].pattern: found no \"Regex\"")]
    [InlineData("behavior", "\"Removed\"", "pretokenizers[0].behavior: found \"Removed\"; expected \"Isolated\"")]
    [InlineData("invert", "true", "pretokenizers[0].invert: found true; expected false")]
    [InlineData("type", "\"Digits\"", "pretokenizers[0].type: found \"Digits\"; expected \"Split\"")]
    public void A_splitter_that_is_none_of_ours_is_refused(string property, string value, string message)
    {
        var root = Root(Trained);
        root["pre_tokenizer"]!["pretokenizers"]![0]![property] = JsonNode.Parse(value);
        var error = Assert.Throws<InvalidDataException>(() => Read(root));
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Every_pattern_is_recognised()
    {
        foreach (var (which, pattern) in PreTokenizers.Patterns)
        {
            var root = Root(Trained);
            root["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"] = new JsonObject { ["Regex"] = pattern };
            Assert.Equal(which, Read(root).Vocabulary.PreTokenizer);
        }
    }

    private static JsonNode Root(Tokenizer tokenizer)
    {
        using var stream = new MemoryStream();
        TokenizerJson.Write(tokenizer.Vocabulary, stream);
        return JsonNode.Parse(stream.ToArray())!;
    }

    private static Tokenizer Read(JsonNode root) => new(TokenizerJson.Read(Encoding.UTF8.GetBytes(root.ToJsonString()), "t"));
}

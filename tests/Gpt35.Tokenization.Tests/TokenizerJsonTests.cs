using System.Text;
using System.Text.Json.Nodes;
using CsCheck;

namespace Gpt35.Tokenization.Tests;

public sealed class TokenizerJsonTests : IDisposable
{
    private static readonly byte[] Json = Written(Texts.Train(280, Texts.Prose, Texts.Prose));
    private readonly string folder = Directory.CreateTempSubdirectory("gpt35-tokenizer-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_saved_tokenizer_is_the_same_when_loaded()
    {
        Texts.Small.Save(folder);
        foreach (var path in (string[])[folder, Path.Combine(folder, "tokenizer.json")])
        {
            var loaded = Tokenizer.Load(path);
            Assert.Equal(Texts.Small.VocabSize, loaded.VocabSize);
            Assert.Equal(Texts.Small.SpecialTokens, loaded.SpecialTokens);
            Assert.Equal(Texts.Small.Vocabulary.Merges, loaded.Vocabulary.Merges);
            Assert.Equal(Texts.Small.Encode(Texts.Prose), loaded.Encode(Texts.Prose));
            Assert.Equal(Written(Texts.Small), Written(loaded));
        }
        Assert.Equal(["tokenizer.json"], Directory.GetFiles(folder).Select(Path.GetFileName));
    }

    [Fact]
    public void Two_trainings_on_the_same_text_write_the_same_bytes() =>
        Assert.Equal(Written(Texts.Train(350, Texts.Prose)), Written(Texts.Train(350, Texts.Prose)));

    [Fact]
    public void The_file_has_the_shape_Hugging_Face_expects()
    {
        var root = JsonNode.Parse(Json)!;
        Assert.Equal("BPE", (string?)root["model"]!["type"]);
        Assert.Equal(0, (int)root["model"]!["vocab"]!["!"]!);
        Assert.Equal(220, (int)root["model"]!["vocab"]!["Ġ"]!);
        Assert.Equal(277, (int)root["model"]!["vocab"]!["<|endoftext|>"]!);
        Assert.Equal("<|endoftext|>", (string?)root["added_tokens"]![0]!["content"]);
        Assert.Equal(21, root["model"]!["merges"]!.AsArray().Count);
        Assert.Equal("h e", (string?)root["model"]!["merges"]![0]);
        Assert.False((bool)root["pre_tokenizer"]!["add_prefix_space"]!);
        Assert.Equal("ByteLevel", (string?)root["decoder"]!["type"]);
    }

    [Fact]
    public void Merges_are_read_as_strings_and_as_pairs()
    {
        var root = JsonNode.Parse(Json)!;
        var merges = root["model"]!["merges"]!.AsArray();
        root["model"]!["merges"] = new JsonArray([.. merges.Select(merge => new JsonArray([.. ((string)merge!).Split(' ').Select(half => (JsonNode)half)]))]);
        Assert.Equal(TokenizerJson.Read(Json, "a").Merges, TokenizerJson.Read(Bytes(root), "b").Merges);
    }

    [Fact]
    public void Ids_in_any_order_with_special_tokens_first_are_kept()
    {
        var root = JsonNode.Parse(Json)!;
        var vocab = root["model"]!["vocab"]!.AsObject();
        foreach (var (token, id) in vocab.ToArray()) vocab[token] = ((int)id! + 3) % 280;
        foreach (var added in root["added_tokens"]!.AsArray()) added!["id"] = ((int)added["id"]! + 3) % 280;
        var tokenizer = new Tokenizer(TokenizerJson.Read(Bytes(root), "t"));
        Assert.Equal(0, tokenizer.EndOfText);
        Assert.Equal(new Tokenizer(TokenizerJson.Read(Json, "t")).Encode(Texts.Prose).Select(id => id + 3), tokenizer.Encode(Texts.Prose));
        Assert.Equal(Texts.Prose, tokenizer.Decode(tokenizer.Encode(Texts.Prose)));
    }

    [Fact]
    public void A_special_token_may_stand_outside_the_vocabulary_and_leave_ids_unused()
    {
        var root = JsonNode.Parse(Json)!;
        root["model"]!["vocab"]!.AsObject().Remove("<|im_end|>");
        root["added_tokens"]![2]!["id"] = 290;
        var tokenizer = new Tokenizer(TokenizerJson.Read(Bytes(root), "t"));
        Assert.Equal(291, tokenizer.VocabSize);
        Assert.Equal(290, tokenizer.SpecialTokens["<|im_end|>"]);
        Assert.Throws<InvalidDataException>(() => tokenizer.Decode([285]));
        Assert.Equal(tokenizer.SpecialTokens, TokenizerJson.Read(Written(tokenizer), "t").SpecialTokens);
    }

    public static TheoryData<string, string, string> Wrong => new()
    {
        // path to a value, what to put there (- removes it), what the message must say
        { "model", "[]", "model: found a list; expected an object" },
        { "model/type", "\"WordPiece\"", "model.type: found \"WordPiece\"; expected \"BPE\"" },
        { "model/vocab/Ġ", "-", "no token \"Ġ\" for byte 0x20" },
        { "model/vocab/a", "65", "id 65" },
        { "model/vocab/a", "1.5", "found 1.5; expected an id" },
        { "model/vocab/a", "-3", "found -3; expected an id" },
        { "model/vocab/a", "99999999999999999999", "expected an id" },
        { "model/vocab/a", "2000000000", "id 2000000000; expected an id below 560" },
        { "model/vocab/a", "{}", "found an object; expected an id" },
        { "model/vocab/▁the", "400", "the character U+2581" },
        { "model/vocab/", "400", "an empty token" },
        { "model/vocab/<|im_end|>", "400", "expected 279, its id in added_tokens" },
        { "model/merges", "{}", "model.merges: found an object; expected a list" },
        { "model/merges/0", "\"q zz\"", "model.merges[0]: found \"zz\", which is not in model.vocab" },
        { "model/merges/0", "\"th\"", "expected \"left right\"" },
        { "model/merges/0", "[\"t\", 1]", "model.merges[0]: found 1; expected a string" },
        { "model/merges/1", "\"h e\"", "for the second time" },
        { "model/ignore_merges", "1", "model.ignore_merges: found 1; expected true or false" },
        { "model/dropout", "0.1", "model.dropout: found 0.1" },
        { "model/end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix" },
        { "normalizer", "{\"type\":\"NFC\"}", "normalizer: found an object of type \"NFC\"; expected null" },
        { "pre_tokenizer", "-", "no \"pre_tokenizer\"" },
        { "pre_tokenizer/type", "\"Whitespace\"", "pre_tokenizer.type" },
        { "pre_tokenizer/add_prefix_space", "true", "pre_tokenizer.add_prefix_space: found true; expected false" },
        { "decoder/type", "7", "decoder.type: found 7; expected a string" },
        { "added_tokens", "3", "added_tokens: found 3; expected a list" },
        { "added_tokens/0/special", "\"yes\"", "added_tokens[0].special: found \"yes\"; expected true or false" },
        { "added_tokens/0/lstrip", "true", "added_tokens[0].lstrip: found true; expected false" },
        { "added_tokens/2/single_word", "true", "added_tokens[2].single_word: found true; expected false" },
        { "added_tokens/1/content", "\"<|endoftext|>\"", "the token for the second time" },
        { "added_tokens/1/id", "277", "added_tokens[1]: found id 277, which \"<|endoftext|>\" has" },
        { "added_tokens/0/content", "\"he\"", "expected 277, its id in added_tokens" },
        { "added_tokens/0/content", "\"\\ud800\"", "not valid Unicode" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_wrong_value_is_named_with_its_file_and_what_was_expected(string path, string value, string message)
    {
        var error = Assert.Throws<InvalidDataException>(() => TokenizerJson.Read(Changed(path, value), "folder/tokenizer.json"));
        Assert.StartsWith("folder/tokenizer.json: ", error.Message);
        Assert.Contains(message, error.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[1, 2]")]
    [InlineData("\"text\"")]
    [InlineData("{\"model\": {")]
    [InlineData("{\"\\ud800\": 1}")]
    [InlineData("{\"model\": {\"vocab\": {\"\\udc00\": 1}, \"merges\": []}, \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}}")]
    public void What_is_no_tokenizer_is_refused(string json) =>
        Assert.Throws<InvalidDataException>(() => TokenizerJson.Read(Encoding.UTF8.GetBytes(json), "t"));

    [Fact]
    public void Deep_nesting_is_refused()
    {
        var json = string.Concat(Enumerable.Repeat("{\"model\":[", 100_000));
        Assert.Throws<InvalidDataException>(() => TokenizerJson.Read(Encoding.UTF8.GetBytes(json), "t"));
    }

    [Fact]
    public void Damaged_files_are_refused_or_give_a_tokenizer_that_still_works()
    {
        var damage = Gen.Select(Gen.Int[0, Json.Length - 1], Gen.Int[0, 3], Gen.Byte);
        damage.Array[1, 3].Sample(damages =>
        {
            var bytes = Json.ToList();
            foreach (var (position, how, value) in damages)
            {
                var at = Math.Min(position, bytes.Count - 1);
                if (at < 0) break;
                if (how == 0) bytes.RemoveRange(at, bytes.Count - at);
                else if (how == 1) bytes[at] = value;
                else if (how == 2) bytes.RemoveRange(at, Math.Min(value, bytes.Count - at));
                else bytes.InsertRange(at, Json[at..Math.Min(Json.Length, at + value)]);
            }
            try
            {
                var tokenizer = new Tokenizer(TokenizerJson.Read(bytes.ToArray(), "t"));
                Assert.Equal(Texts.Prose, tokenizer.Decode(tokenizer.Encode(Texts.Prose)));
            }
            catch (InvalidDataException error)
            {
                Assert.StartsWith("t: ", error.Message);
            }
        }, iter: 3000);
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        var error = Assert.Throws<FileNotFoundException>(() => Tokenizer.Load(folder));
        Assert.Contains(Path.Combine(folder, "tokenizer.json"), error.Message);
        Assert.Throws<FileNotFoundException>(() => Tokenizer.Load(Path.Combine(folder, "nowhere")));
    }

    private static byte[] Written(Tokenizer tokenizer)
    {
        using var stream = new MemoryStream();
        TokenizerJson.Write(tokenizer.Vocabulary, stream);
        return stream.ToArray();
    }

    private static byte[] Changed(string path, string value)
    {
        var root = JsonNode.Parse(Json)!;
        var steps = path.Split('/');
        var parent = root;
        foreach (var step in steps[..^1]) parent = parent is JsonArray list ? list[int.Parse(step)]! : parent[step]!;
        // The value goes in as text, since half a surrogate pair or a huge number is no value of the node classes.
        JsonNode? mark = value == "-" ? null : "@mark@";
        if (parent is JsonArray array) array[int.Parse(steps[^1])] = mark;
        else if (mark is null) parent.AsObject().Remove(steps[^1]);
        else parent[steps[^1]] = mark;
        return Encoding.UTF8.GetBytes(root.ToJsonString().Replace("\"@mark@\"", value));
    }

    private static byte[] Bytes(JsonNode root) => Encoding.UTF8.GetBytes(root.ToJsonString());
}

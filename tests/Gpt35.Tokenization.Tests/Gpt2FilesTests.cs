using System.Text;
using System.Text.Json;
using CsCheck;

namespace Gpt35.Tokenization.Tests;

public sealed class Gpt2FilesTests : IDisposable
{
    private static readonly Vocabulary Trained = Texts.Train(new BpeTrainerOptions { VocabSize = 300, SpecialTokens = [SpecialTokens.EndOfText] }, Texts.Prose, Texts.Prose).Vocabulary;
    private readonly string folder = Directory.CreateTempSubdirectory("gpt35-gpt2-").FullName;

    public Gpt2FilesTests()
    {
        var tokens = Enumerable.Range(0, Trained.Size).ToDictionary(id => Trained.SpellingOf(id) ?? Trained.SpecialNames[id], id => id);
        File.WriteAllText(Vocab, JsonSerializer.Serialize(tokens));
        File.WriteAllLines(Merges, ["#version: 0.2", .. Trained.Merges.Select(merge => $"{Trained.SpellingOf(merge.Left)} {Trained.SpellingOf(merge.Right)}")]);
    }

    private string Vocab => Path.Combine(folder, "vocab.json");

    private string Merges => Path.Combine(folder, "merges.txt");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_folder_of_both_files_and_each_of_them_give_the_tokenizer()
    {
        var expected = new Tokenizer(Trained).Encode(Texts.Prose);
        foreach (var path in (string[])[folder, Vocab, Merges])
        {
            var loaded = Tokenizer.Load(path);
            Assert.Equal(expected, loaded.Encode(Texts.Prose));
            Assert.Equal(299, loaded.EndOfText);
        }
    }

    [Theory]
    [InlineData(5, "onlyone", "merges.txt:5: found \"onlyone\"; expected two tokens")]
    [InlineData(3, "a b c", "merges.txt:3: found \"a b c\"; expected two tokens")]
    [InlineData(4, "q zz", "merges.txt:4: found \"zz\", which is not in vocab.json")]
    [InlineData(4, "h e", "merges.txt:4: found \"h\" and \"e\" for the second time")]
    public void A_broken_merge_is_named_with_its_line(int line, string content, string message)
    {
        var lines = File.ReadAllLines(Merges);
        lines[line - 1] = content;
        File.WriteAllLines(Merges, lines);
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Tokenizer.Load(folder)).Message);
    }

    [Theory]
    [InlineData("", "not valid JSON")]
    [InlineData("[1]", "the file: found a list; expected an object")]
    [InlineData("{\"a\": \"b\"}", "token \"a\": found \"b\"; expected an id")]
    [InlineData("{\"a\": 1}", "no token \"!\" for byte 0x21")]
    [InlineData("{\"a\": 1e99}", "expected an id")]
    public void A_broken_vocabulary_is_named(string content, string message)
    {
        File.WriteAllText(Vocab, content);
        var error = Assert.Throws<InvalidDataException>(() => Tokenizer.Load(folder));
        Assert.StartsWith(Vocab, error.Message);
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Ten_thousand_levels_and_bytes_that_are_no_UTF_8_are_refused()
    {
        File.WriteAllText(Vocab, string.Concat(Enumerable.Repeat("{\"a\":", 10_000)));
        Assert.Throws<InvalidDataException>(() => Tokenizer.Load(folder));
        File.WriteAllBytes(Merges, [.. "#version: 0.2\nh e\n"u8, 0xFF, 0xFE, (byte)'\n']);
        Assert.Contains("merges.txt:3: found bytes that are not UTF-8", Assert.Throws<InvalidDataException>(() => Tokenizer.Load(folder)).Message);
    }

    [Fact]
    public void One_file_without_the_other_is_refused()
    {
        File.Delete(Merges);
        Assert.Contains("merges.txt: no such file. Expected it beside vocab.json", Assert.Throws<FileNotFoundException>(() => Tokenizer.Load(folder)).Message);
    }

    [Fact]
    public void Damaged_files_are_refused_or_give_a_tokenizer_that_still_works()
    {
        var (vocab, merges) = (File.ReadAllBytes(Vocab), File.ReadAllBytes(Merges));
        Gen.Select(Gen.Bool, Gen.Int[0, 1 << 20], Gen.Byte, Gen.Bool).Sample((first, position, value, cut) =>
        {
            var content = first ? vocab : merges;
            var at = position % content.Length;
            File.WriteAllBytes(Vocab, vocab);
            File.WriteAllBytes(Merges, merges);
            File.WriteAllBytes(first ? Vocab : Merges, cut ? content[..at] : [.. content[..at], value, .. content[(at + 1)..]]);
            try
            {
                var tokenizer = Tokenizer.Load(folder);
                Assert.Equal(Texts.Prose, tokenizer.Decode(tokenizer.Encode(Texts.Prose)));
            }
            catch (InvalidDataException error)
            {
                Assert.StartsWith(folder, error.Message);
            }
        }, iter: 500, threads: 1);
    }

    [Theory]
    [InlineData("IQ==")]
    [InlineData("IQ== x")]
    [InlineData("!!!! 0")]
    [InlineData("IQ== 0\nIg== 0")]
    [InlineData("IQ== 999999999")]
    [InlineData("IQ== 99999999999999999999")]
    public void A_broken_rank_file_is_named_with_its_line(string content)
    {
        var error = Assert.Throws<InvalidDataException>(() => TiktokenRanks.Read(Encoding.ASCII.GetBytes(content), "x.tiktoken", PreTokenizer.Gpt2, [new("<|endoftext|>", 5)]));
        Assert.StartsWith($"x.tiktoken:{content.Split('\n').Length}: ", error.Message);
    }
}

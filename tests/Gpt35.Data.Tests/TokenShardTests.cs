using Gpt35.Tokenization;

namespace Gpt35.Data.Tests;

public class TokenShardTests
{
    private static readonly string[] Documents = [.. Enumerable.Range(0, 40).Select(i => string.Concat(Enumerable.Repeat($"Goat {i} lives by the läke. ", 1 + i % 7)))];

    [Theory]
    [InlineData("r50k_base", 1_000_000L, 1)]
    [InlineData("cl100k_base", 1_000_000L, 1)]
    [InlineData("r50k_base", 1L, 40)]
    [InlineData("cl100k_base", 1L, 40)]
    public void Shards_of_two_and_four_bytes_give_the_windows_of_the_text(string vocabulary, long shardTokens, int count)
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Tokenizer.Load(vocabulary);
        Assert.Equal(count, Write(folder, tokenizer, shardTokens).Shards.Count);
        using var shards = TokenShards.Open(folder.Path("."), tokenizer);
        foreach (var (context, most) in ((int, long)[])[(5, 0), (17, 0), (1000, 0), (9, 60)])
        {
            var expected = TextWindows.Cut(Documents, tokenizer, context, most);
            var found = shards.Cut([.. Enumerable.Range(0, shards.Count)], context, most);
            Assert.Equal((expected.Tokens, expected.Bytes), (found.Tokens, found.Bytes));
            Assert.Equal(expected.Lengths, found.Lengths);
            Assert.Equal(expected.Windows.Select(window => window.Ids), found.Windows.Select(window => window.Ids));
            Assert.Equal(expected.Windows.Select(window => window.Trained), found.Windows.Select(window => window.Trained));
        }
    }

    [Fact]
    public void A_shard_that_is_cut_off_altered_or_gone_is_refused()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Tokenizer.Load("r50k_base");
        var path = folder.Path(Write(folder, tokenizer, 1_000_000).Shards[0].File);
        var bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, bytes[..^1]);
        Assert.Contains("cut off", Refusal<InvalidDataException>());
        for (var at = 0; at < bytes.Length; at += 97)
        {
            var altered = bytes.ToArray();
            altered[at] ^= 1;
            File.WriteAllBytes(path, altered);
            Assert.Contains("gpt35 data tokenize", Refusal<InvalidDataException>());
        }
        File.Delete(path);
        Assert.Contains("no such file", Refusal<FileNotFoundException>());

        string Refusal<T>() where T : Exception => Assert.Throws<T>(() => TokenShards.Open(folder.Path("."), tokenizer)).Message;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Text_is_tokenized_on_as_many_threads_as_are_allowed_with_the_same_result(int threads)
    {
        using TemporaryFolder folder = new(), all = new();
        var tokenizer = Tokenizer.Load("r50k_base");
        var readers = new HashSet<int>();
        var cut = TextWindows.Cut(Read(), tokenizer, 17, threads: threads);
        Assert.InRange(readers.Count, 1, threads);
        Assert.Equal(TextWindows.Cut(Documents, tokenizer, 17).Windows.Select(window => window.Ids), cut.Windows.Select(window => window.Ids));
        readers.Clear();
        var written = TokenShardWriter.Write(folder.Path("."), Read(), tokenizer, 100, TestContext.Current.CancellationToken, threads);
        Assert.InRange(readers.Count, 1, threads);
        Assert.Equal(Write(all, tokenizer, 100).Shards, written.Shards);

        // Documents are read by the threads that encode them.
        IEnumerable<string> Read()
        {
            foreach (var document in Documents)
            {
                readers.Add(Environment.CurrentManagedThreadId);
                Thread.Yield();
                yield return document;
            }
        }
    }

    [Fact]
    public void A_damaged_row_is_told_as_it_is()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Tokenizer.Load("r50k_base");
        foreach (var use in (Action[])[() => TextWindows.Cut(Damaged(), tokenizer, 17), () => TokenShardWriter.Write(folder.Path("."), Damaged(), tokenizer, 100)])
            Assert.Equal("a.jsonl:3: damaged", Assert.Throws<InvalidDataException>(use).Message);

        static IEnumerable<string> Damaged()
        {
            yield return "whole";
            throw new InvalidDataException("a.jsonl:3: damaged");
        }
    }

    [Fact]
    public void Shards_of_another_tokenizer_are_refused()
    {
        using var folder = new TemporaryFolder();
        Write(folder, Tokenizer.Load("r50k_base"), 1_000_000);
        Assert.Contains("--tokenizer", Assert.Throws<InvalidDataException>(() => TokenShards.Open(folder.Path("."), Tokenizer.Load("cl100k_base"))).Message);
    }

    private static ShardIndex Write(TemporaryFolder folder, Tokenizer tokenizer, long shardTokens) =>
        TokenShardWriter.Write(folder.Path("."), Documents, tokenizer, shardTokens);
}

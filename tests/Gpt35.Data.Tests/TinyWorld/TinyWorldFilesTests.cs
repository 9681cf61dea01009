using System.Text.Json;
using Gpt35.Data.TinyWorld;

namespace Gpt35.Data.Tests.TinyWorld;

public sealed class TinyWorldFilesTests : IDisposable
{
    private static readonly TinyWorldSizes s_small = new()
    {
        Documents = 200,
        HeldOutDocuments = 20,
        Demonstrations = 170,
        HeldOutDemonstrations = 34,
        FeedbackPrompts = 85,
        HeldOutPromptsPerKind = 5,
        HeldOutRefusalPrompts = 8,
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("gpt35-tinyworld-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Files_hold_as_many_rows_as_asked_for_and_nothing_is_left_over()
    {
        TinyWorldFiles.Write(_folder, 1, s_small);
        Dictionary<string, int> expected = new()
        {
            [TinyWorldFiles.Text] = 200,
            [TinyWorldFiles.HeldOutText] = 20,
            [TinyWorldFiles.DemonstrationsFile] = 170,
            [TinyWorldFiles.HeldOutDemonstrations] = 34,
            [TinyWorldFiles.FeedbackPrompts] = 85,
            [TinyWorldFiles.HeldOutPrompts] = 85,
            [TinyWorldFiles.RefusalPrompts] = 16,
        };
        Assert.Equal(expected.Keys.Order(), Directory.GetFiles(_folder).Select(path => Path.GetFileName(path)!).Order());
        Assert.All(expected, file => Assert.Equal(file.Value, File.ReadLines(Path.Combine(_folder, file.Key)).Count()));
    }

    [Fact]
    public void The_same_seed_writes_the_same_bytes()
    {
        var (one, two) = (Path.Combine(_folder, "1"), Path.Combine(_folder, "2"));
        TinyWorldFiles.Write(one, 1, s_small);
        TinyWorldFiles.Write(two, 1, s_small);
        foreach (var path in Directory.GetFiles(one))
            Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(Path.Combine(two, Path.GetFileName(path))));
    }

    [Fact]
    public void Prompts_read_back_judge_as_the_originals_do()
    {
        TinyWorldFiles.Write(_folder, 1, s_small);
        var read = TinyWorldFiles.ReadPrompts(Path.Combine(_folder, TinyWorldFiles.HeldOutPrompts)).ToArray();
        var made = Prompts.HeldOut(World.Create(1), 1, 5);
        Assert.Equal(made.Count, read.Length);
        foreach (var (original, copy) in made.Zip(read))
        {
            Assert.Equal(original.Kind, copy.Kind);
            Assert.Equal(original.Messages, copy.Messages);
            Assert.Equal(original.Task.Key, copy.Task.Key);
            Assert.All(original.Task.Answers, answer => Assert.True(Checker.IsCorrect(copy, answer)));
        }
    }

    [Fact]
    public void Demonstrations_are_plain_message_rows()
    {
        TinyWorldFiles.Write(_folder, 1, s_small);
        foreach (var line in File.ReadLines(Path.Combine(_folder, TinyWorldFiles.DemonstrationsFile)))
        {
            var row = JsonDocument.Parse(line).RootElement;
            Assert.True(row.TryGetProperty("kind", out _));
            var last = row.GetProperty("messages").EnumerateArray().Last();
            Assert.Equal("assistant", last.GetProperty("role").GetString());
            Assert.False(string.IsNullOrWhiteSpace(last.GetProperty("content").GetString()));
        }
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("{}")]
    [InlineData("""{"kind":"riddle","messages":[{"role":"user","content":"?"}],"task":{"key":"k","answers":["a"]}}""")]
    [InlineData("""{"kind":"fact","messages":[],"task":{"key":"k","answers":["a"]}}""")]
    [InlineData("""{"kind":"fact","messages":[{"role":"assistant","content":"?"}],"task":{"key":"k","answers":["a"]}}""")]
    [InlineData("""{"kind":"fact","messages":[{"role":"user","content":"?"}],"task":{"key":"k","answers":[]}}""")]
    [InlineData("""{"kind":"fact","messages":[{"role":"user","content":"?"}]}""")]
    public void A_line_that_is_no_prompt_is_named_by_file_and_number(string line)
    {
        var path = Path.Combine(_folder, "bad.jsonl");
        File.WriteAllLines(path, ["", line]);
        var error = Assert.Throws<InvalidDataException>(() => TinyWorldFiles.ReadPrompts(path).ToArray());
        Assert.StartsWith($"{path}:2:", error.Message);
    }

    [Fact]
    public void A_missing_file_is_named() =>
        Assert.Contains("no such file", Assert.Throws<FileNotFoundException>(() => TinyWorldFiles.ReadPrompts(Path.Combine(_folder, "none.jsonl")).ToArray()).Message);
}

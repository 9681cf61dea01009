using Gpt35.Data;

namespace Gpt35.Training.Tests;

public sealed class ChatFormatFileTests : IDisposable
{
    private const string Good =
        """
        name: own
        special_tokens: ["<|im_start|>"]
        turns: alternating
        trained: last_answer
        system:
          prefix: "<|im_start|>S "
          place: own_turn
        user: {prefix: "<|im_start|>U ", suffix: ""}
        assistant:
          prefix: "A"
          end: <|im_end|>
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("gpt35-format-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string Write(string yaml)
    {
        var path = Path.Combine(folder, "own.yaml");
        File.WriteAllText(path, yaml);
        return path;
    }

    [Fact]
    public void A_format_is_named_or_read_from_a_file()
    {
        Assert.Same(ChatFormat.ChatMl, ChatFormatFile.Find("chatml"));
        var format = ChatFormatFile.Find(Write(Good));
        Assert.Equal(("own", "<|im_end|>"), (format.Name, format.End));
        Assert.NotNull(format.Definition);
    }

    [Theory]
    [InlineData("turns: alternating", "turn: alternating", "own.yaml:3: unknown key \"turn\". Did you mean \"turns\"?")]
    [InlineData("turns: alternating", "turns: sometimes", "own.yaml:3: turns is \"sometimes\"; expected one of any, alternating, single.")]
    [InlineData("  place: own_turn", "  plaice: own_turn", "own.yaml:7: unknown key \"system.plaice\". Did you mean \"place\"?")]
    [InlineData("  end: <|im_end|>", "", "no \"assistant.end\", which is needed here. Add it.")]
    [InlineData("  end: <|im_end|>", "  end: \"\"", "own.yaml:11: assistant.end is \"\"; expected a text.")]
    [InlineData("prefix: \"A\"", "prefix: [A]", "own.yaml:10: assistant.prefix is a list; expected a text.")]
    [InlineData("[\"<|im_start|>\"]", "[\"<|im_strat|>\"]", "own.yaml: special_tokens names <|im_strat|>")]
    [InlineData("name: own", "name: zephyr", "own.yaml: name is \"zephyr\", which is a built-in chat format")]
    [InlineData("name: own", "- own", "own.yaml")]
    public void A_mistake_in_a_file_is_reported_with_its_place(string was, string now, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => ChatFormatFile.Find(Write(Good.Replace(was, now)))).Message);

    [Fact]
    public void The_formats_printed_in_the_documentation_load()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "chat-formats.md"));
        var printed = page.Split("```yaml\n").Skip(1).Select(block => ChatFormatFile.Find(Write(block.Split("```")[0])).Name);
        Assert.Equal(["my-format", "prompt-completion"], printed);
    }

    [Fact]
    public void A_file_that_does_not_exist_and_a_name_nobody_knows_say_what_there_is()
    {
        Assert.Contains("llama-2", Assert.Throws<FileNotFoundException>(() => ChatFormatFile.Find("no-such.yaml")).Message);
        Assert.Contains("my-format.yaml", Assert.Throws<InvalidDataException>(() => ChatFormatFile.Find("gpt5")).Message);
    }
}

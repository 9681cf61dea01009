namespace Gpt35.Data;

public enum Role { System, User, Assistant }

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Content">All of what is said.</param>
public sealed record Message(Role Role, string Content)
{
    /// <summary>The input of an Alpaca row, which is the end of <see cref="Content"/> after an empty line; null where there is none. Only a format with a place of its own for it looks here.</summary>
    public string? Input { get; private init; }

    public static Message System(string content) => new(Role.System, content);
    public static Message User(string content) => new(Role.User, content);
    public static Message Assistant(string content) => new(Role.Assistant, content);

    /// <summary>An instruction and what it is about, as the rows of Alpaca have them apart; without an input, the instruction alone.</summary>
    public static Message User(string instruction, string? input) =>
        string.IsNullOrWhiteSpace(input) ? User(instruction) : new(Role.User, $"{instruction}{InputSeparator}{input}") { Input = input };

    /// <summary>The same turn without its input apart.</summary>
    internal Message Whole => Input is null ? this : new(Role, Content);

    /// <summary>The content before <see cref="Input"/>.</summary>
    internal string Instruction => Input is null ? Content : Content[..^(InputSeparator.Length + Input.Length)];

    private const string InputSeparator = "\n\n";
}

/// <summary>Token ids and, beside each, whether it is trained on.</summary>
public sealed record TokenSequence(int[] Ids, bool[] Trained);

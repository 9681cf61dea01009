namespace Gpt35.Data;

public enum Role { System, User, Assistant }

/// <summary>One turn of a conversation.</summary>
public sealed record Message(Role Role, string Content)
{
    public static Message System(string content) => new(Role.System, content);
    public static Message User(string content) => new(Role.User, content);
    public static Message Assistant(string content) => new(Role.Assistant, content);
}

/// <summary>Token ids and, beside each, whether it is trained on.</summary>
public sealed record TokenSequence(int[] Ids, bool[] Trained);

namespace Gpt35.Evaluation;

/// <summary>Kinds of instruction that the report singles out.</summary>
public static class TinyWorldKinds
{
    /// <summary>Questions whose answer the world does not hold.</summary>
    public const string Unknown = "unknown";
    /// <summary>Requests to be refused.</summary>
    public const string Harmful = "harmful";
    /// <summary>Their harmless look-alikes, to be answered.</summary>
    public const string HarmlessLookAlike = "look_alike";
}

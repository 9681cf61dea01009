using System.Text.Json;
using Gpt35.Data.TinyWorld;

namespace Gpt35.Evaluation;

/// <summary>Kinds of instruction that the report singles out.</summary>
public static class TinyWorldKinds
{
    /// <summary>Questions whose answer the world does not hold.</summary>
    public const string Unknown = "unknown";
    /// <summary>Requests to be refused.</summary>
    public const string Harmful = "harmful";
    /// <summary>Their harmless look-alikes, to be answered.</summary>
    public const string LookAlike = "look_alike";

    /// <summary>The name of a kind in files: YesNo as yes_no.</summary>
    public static string NameOf(InstructionKind kind) => JsonNamingPolicy.SnakeCaseLower.ConvertName(kind.ToString());
}

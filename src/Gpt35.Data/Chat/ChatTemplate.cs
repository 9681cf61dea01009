using System.ComponentModel.DataAnnotations;

namespace Gpt35.Data;

/// <summary>Which sequences of turns a chat format can write down.</summary>
public enum TurnOrder
{
    /// <summary>Any roles in any order.</summary>
    Any,
    /// <summary>At most one system message, then user and assistant in turn.</summary>
    Alternating,
    /// <summary>As <see cref="Alternating"/>, with one question and one answer.</summary>
    Single,
}

/// <summary>Where a system message is written.</summary>
public enum SystemPlace
{
    /// <summary>As a turn of its own.</summary>
    OwnTurn,
    /// <summary>Inside the user turn that follows, between its prefix and its content.</summary>
    FirstUserTurn,
}

/// <summary>Which tokens of a conversation are trained on.</summary>
public enum TrainedPart
{
    /// <summary>Every answer with the token that ends it.</summary>
    Answers,
    /// <summary>The last answer with the token that ends it.</summary>
    LastAnswer,
    /// <summary>All tokens, as in text.</summary>
    Everything,
}

/// <summary>What happens to white space around the contents of user and assistant.</summary>
public enum OuterSpace { Keep, Trim }

/// <summary>
/// A chat format as data: what stands before and after the content of each role. Wherever a text holds the name of one of
/// <see cref="SpecialTokens"/>, that token is meant; everything else is ordinary text. Contents are never searched.
/// </summary>
public sealed record ChatTemplate
{
    /// <summary>The name under which a model folder remembers the format.</summary>
    public required string Name { get; init; }

    /// <summary>Special tokens named in the texts below, besides <see cref="Bos"/> and <see cref="AssistantTemplate.End"/>.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = [];

    /// <summary>Special token at the very start, where the tokenizer has it: with Hugging Face it is the tokenizer's business, not the template's.</summary>
    public string? Bos { get; init; }

    /// <summary>Which sequences of turns there may be.</summary>
    public TurnOrder Turns { get; init; } = TurnOrder.Any;

    /// <summary>What is trained on.</summary>
    public TrainedPart Trained { get; init; } = TrainedPart.Answers;

    /// <summary>What happens to white space around contents.</summary>
    public OuterSpace OuterSpace { get; init; } = OuterSpace.Keep;

    /// <summary>How a system message is written; left out, the format has no place for one.</summary>
    public SystemTemplate? System { get; init; }

    /// <summary>How a user turn is written.</summary>
    public required UserTemplate User { get; init; }

    /// <summary>How a user turn with an input (Alpaca) is written; left out, the input follows the instruction after an empty line.</summary>
    public InputTemplate? UserWithInput { get; init; }

    /// <summary>How an assistant turn is written.</summary>
    public required AssistantTemplate Assistant { get; init; }
}

/// <summary>prefix content suffix</summary>
public sealed record SystemTemplate
{
    [MinLength(0)]
    public string Prefix { get; init; } = "";
    [MinLength(0)]
    public string Suffix { get; init; } = "";
    /// <summary>Where it is written.</summary>
    public SystemPlace Place { get; init; } = SystemPlace.OwnTurn;
    /// <summary>The system message of a conversation that has none; left out, there is none.</summary>
    public string? Default { get; init; }
}

/// <summary>prefix content suffix</summary>
public sealed record UserTemplate
{
    [MinLength(0)]
    public string Prefix { get; init; } = "";
    [MinLength(0)]
    public string Suffix { get; init; } = "";
}

/// <summary>prefix instruction separator input suffix</summary>
public sealed record InputTemplate
{
    [MinLength(0)]
    public string Prefix { get; init; } = "";
    [MinLength(0)]
    public string Separator { get; init; } = "";
    [MinLength(0)]
    public string Suffix { get; init; } = "";
}

/// <summary>prefix (the prompt ends here) lead content tail end (the completion ends here) suffix</summary>
public sealed record AssistantTemplate
{
    /// <summary>End of the prompt.</summary>
    [MinLength(0)]
    public string Prefix { get; init; } = "";
    /// <summary>Ordinary text the model writes before an answer, usually the space that a word token begins with.</summary>
    [MinLength(0)]
    public string Lead { get; init; } = "";
    /// <summary>Ordinary text the model writes after an answer.</summary>
    [MinLength(0)]
    public string Tail { get; init; } = "";
    /// <summary>Special token that ends the turn.</summary>
    public required string End { get; init; }
    /// <summary>What separates the turn from the next.</summary>
    [MinLength(0)]
    public string Suffix { get; init; } = "";
}

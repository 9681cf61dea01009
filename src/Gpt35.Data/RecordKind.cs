namespace Gpt35.Data;

/// <summary>What the rows of a data file are good for.</summary>
public enum RecordKind
{
    /// <summary>Documents to continue.</summary>
    Text,
    /// <summary>Conversations to imitate.</summary>
    Demonstrations,
    /// <summary>Completions of one prompt, ranked; a preference pair is two of them.</summary>
    Rankings,
    /// <summary>Single completions with thumbs up or down.</summary>
    Unpaired,
    /// <summary>Prompts without an answer.</summary>
    Prompts,
}

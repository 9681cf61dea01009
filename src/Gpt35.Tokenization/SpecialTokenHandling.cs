namespace Gpt35.Tokenization;

/// <summary>What to do where a text spells a special token, such as <c>&lt;|endoftext|&gt;</c>.</summary>
public enum SpecialTokenHandling
{
    /// <summary>An error that names the token and its place: the default for text from outside.</summary>
    Refuse,
    /// <summary>It becomes the special token: for text whose author may speak to the model.</summary>
    Allow,
    /// <summary>It is text like any other: for content, which can never become a special token.</summary>
    AsText,
}

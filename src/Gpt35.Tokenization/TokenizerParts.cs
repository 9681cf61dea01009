namespace Gpt35.Tokenization;

/// <summary>Kinds of tokens, with the numbers that SentencePiece and GGUF share.</summary>
public enum TokenKind
{
    Normal = 1,
    Unknown = 2,
    /// <summary>Special: text never becomes it by itself.</summary>
    Control = 3,
    /// <summary>Found in text before anything else.</summary>
    UserDefined = 4,
    Unused = 5,
    /// <summary>A single byte, for characters that are no token (SentencePiece).</summary>
    Byte = 6,
}

/// <summary>What a tokenizer is made of, token by token, as model files with a tokenizer inside (GGUF, llama2.c) keep it.</summary>
public sealed record TokenizerParts
{
    /// <summary>By id: spelled in GPT-2's byte alphabet, or as SentencePiece pieces (<c>▁</c> for a space, <c>&lt;0xNN&gt;</c> for a byte); special tokens by their names.</summary>
    public required IReadOnlyList<string> Tokens { get; init; }

    /// <summary>By id.</summary>
    public required IReadOnlyList<TokenKind> Kinds { get; init; }

    /// <summary>SentencePiece: the higher, the earlier merged; null for byte-level BPE.</summary>
    public IReadOnlyList<float>? Scores { get; init; }

    /// <summary>Byte-level BPE: "left right" by rank.</summary>
    public IReadOnlyList<string> Merges { get; init; } = [];

    /// <summary>Byte-level BPE: how text is cut into words.</summary>
    public PreTokenizer PreTokenizer { get; init; }

    /// <summary>Byte-level BPE: whether a word that is a token is that token, whatever the merges say.</summary>
    public bool WordsAreTokens { get; init; }

    /// <summary>SentencePiece: whether text is encoded as if a space stood before it.</summary>
    public bool AddsSpace { get; init; } = true;

    /// <summary>SentencePiece: whether runs of spaces become one.</summary>
    public bool RemovesExtraSpaces { get; init; }

    /// <summary>SentencePiece: ids of the unknown token, of the beginning and the end of a document.</summary>
    public int Unknown { get; init; }
    public int Begin { get; init; } = 1;
    public int End { get; init; } = 2;
}

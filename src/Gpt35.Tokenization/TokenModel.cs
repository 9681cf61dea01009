namespace Gpt35.Tokenization;

/// <summary>What a <see cref="Tokenizer"/> stands on: byte-level BPE of our own, or a SentencePiece model. Immutable for its users.</summary>
internal abstract class TokenModel
{
    /// <summary>Largest id plus one: V.</summary>
    public abstract int Size { get; }

    /// <summary>Id of each special token by name.</summary>
    public abstract IReadOnlyDictionary<string, int> SpecialTokens { get; }

    /// <summary>Name of each special token by id.</summary>
    public abstract IReadOnlyDictionary<int, string> SpecialNames { get; }

    /// <summary>Tokens that are found in text before anything else, without being special; usually none.</summary>
    public abstract IReadOnlyDictionary<string, int> AddedTokens { get; }

    /// <summary>What begins a document, where that is not what ends one.</summary>
    public virtual int? StartOfText => null;

    /// <summary>What ends a document, where the vocabulary has no <c>&lt;|endoftext|&gt;</c>.</summary>
    public virtual int? EndOfText => null;

    /// <summary>Whether text is encoded as if a space stood before it.</summary>
    public virtual bool AddsSpace => false;

    /// <summary>Bytes of the ordinary token <paramref name="id"/>; none where the id is unused or special.</summary>
    public abstract ReadOnlySpan<byte> BytesOf(int id);

    /// <summary>Appends the ids of a text without special or added tokens.</summary>
    public abstract void Encode(ReadOnlySpan<byte> text, ref IdBuffer output);
}

using System.Buffers;
using System.Text;

namespace Gpt35.Tokenization;

/// <summary>
/// Text to ids and back. Byte-level BPE is exact for every byte; a SentencePiece model is exact for text. Immutable and safe to share
/// between threads.
/// </summary>
public sealed partial class Tokenizer
{
    private readonly TokenModel model;
    private readonly TokenFinder? added;                                    // what is found in all text
    private readonly Lazy<TokenFinder> addedAndSpecial;                     // what is found where special tokens are allowed

    internal Tokenizer(Vocabulary vocabulary) : this(new ByteLevelModel(vocabulary))
    {
    }

    internal Tokenizer(TokenModel model)
    {
        this.model = model;
        if (model.AddedTokens.Count > 0) added = new TokenFinder(model.AddedTokens);
        addedAndSpecial = new(() => new TokenFinder(model.AddedTokens.Concat(model.SpecialTokens)));
    }

    /// <summary>Number of ids, special tokens included: V.</summary>
    public int VocabSize => model.Size;

    /// <summary>Special tokens by name, for example <c>&lt;|endoftext|&gt;</c>. Text encodes to one of these ids only where that is asked for.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens => model.SpecialTokens;

    /// <summary>Id of <see cref="Tokenization.SpecialTokens.EndOfText"/>, which ends every document; <c>&lt;/s&gt;</c> of a SentencePiece model.</summary>
    /// <exception cref="InvalidDataException">The vocabulary has no such token.</exception>
    public int EndOfText => SpecialTokens.TryGetValue(Tokenization.SpecialTokens.EndOfText, out var id)
        ? id
        : model.EndOfText ?? throw new InvalidDataException(
            $"The vocabulary has no special token {Tokenization.SpecialTokens.EndOfText}, which must end every document. " +
            $"Its special tokens: {(SpecialTokens.Count == 0 ? "none" : string.Join(", ", SpecialTokens.Keys))}. " +
            "Add it to added_tokens of tokenizer.json with a free id, or train a tokenizer with it.");

    /// <summary>Id that begins a document: <c>&lt;s&gt;</c> of a SentencePiece model, Llama 3's <c>&lt;|begin_of_text|&gt;</c>, and in GPT's vocabularies what ends the one before.</summary>
    /// <exception cref="InvalidDataException">The vocabulary has no such token.</exception>
    public int StartOfText => model.StartOfText ?? EndOfText;

    /// <summary>Whether text is encoded as if a space stood before it, as SentencePiece models do.</summary>
    public bool AddsSpace => model.AddsSpace;

    /// <summary>Whether every id means the same here and there.</summary>
    public bool HasSameTokensAs(Tokenizer other)
    {
        if (VocabSize != other.VocabSize) return false;
        for (var id = 0; id < VocabSize; id++)
            if (!TokenBytes(id, includeSpecial: true).SequenceEqual(other.TokenBytes(id, includeSpecial: true))) return false;
        return true;
    }

    /// <summary>Of a byte-level tokenizer.</summary>
    internal Vocabulary Vocabulary => ((ByteLevelModel)model).Vocabulary;

    /// <summary>
    /// Ids of <paramref name="text"/>; the spelling of a special token is encoded as ordinary text. Half a surrogate pair, which no
    /// UTF-8 can hold, is encoded as U+FFFD.
    /// </summary>
    public int[] Encode(ReadOnlySpan<char> text) => Encode(text, SpecialTokenHandling.AsText);

    /// <summary>As <see cref="Encode(ReadOnlySpan{char})"/>, with a choice of what to do about spellings of special tokens.</summary>
    /// <exception cref="InvalidDataException">The text spells a special token, and that is to be refused.</exception>
    public int[] Encode(ReadOnlySpan<char> text, SpecialTokenHandling specials)
    {
        var utf8 = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetByteCount(text));
        try
        {
            return EncodeBytes(utf8.AsSpan(0, Encoding.UTF8.GetBytes(text, utf8)), specials);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(utf8);
        }
    }

    /// <summary>Ids of arbitrary bytes, valid UTF-8 or not. (A SentencePiece model reads text: it sees U+FFFD for what is no UTF-8.)</summary>
    public int[] EncodeBytes(ReadOnlySpan<byte> bytes) => EncodeBytes(bytes, SpecialTokenHandling.AsText);

    /// <summary>As <see cref="EncodeBytes(ReadOnlySpan{byte})"/>, with a choice of what to do about spellings of special tokens.</summary>
    /// <exception cref="InvalidDataException">The text spells a special token, and that is to be refused.</exception>
    public int[] EncodeBytes(ReadOnlySpan<byte> bytes, SpecialTokenHandling specials)
    {
        if (specials == SpecialTokenHandling.Refuse) RefuseSpecialTokens(bytes);
        var output = new IdBuffer(bytes.Length / 3);
        try
        {
            Encode(bytes, specials == SpecialTokenHandling.Allow ? addedAndSpecial.Value : added, ref output);
            return output.ToArray();
        }
        finally
        {
            output.Dispose();
        }
    }

    private void Encode(ReadOnlySpan<byte> bytes, TokenFinder? whole, ref IdBuffer output)
    {
        while (whole is not null && whole.TryFind(bytes, out var at, out var length, out var id))
        {
            model.Encode(bytes[..at], ref output);
            output.Add(id);
            bytes = bytes[(at + length)..];
        }
        model.Encode(bytes, ref output);
    }

    private void RefuseSpecialTokens(ReadOnlySpan<byte> bytes)
    {
        var offset = 0;
        while (SpecialTokens.Count > 0 && addedAndSpecial.Value.TryFind(bytes[offset..], out var at, out var length, out var id))
        {
            if (model.SpecialNames.TryGetValue(id, out var name))
                throw new InvalidDataException($"The text spells the special token {name} at byte {offset + at}. Expected text without special tokens. " +
                    "Say whether it is the token (allow) or text that only looks like it (text): --special allow or --special text.");
            offset += at + length;
        }
    }

    /// <summary>
    /// The exact bytes of <paramref name="ids"/>; special tokens yield their name in UTF-8 when <paramref name="includeSpecial"/>, else nothing.
    /// The space that a SentencePiece model puts before a text is taken away again.
    /// </summary>
    /// <exception cref="InvalidDataException">The vocabulary lacks one of the ids.</exception>
    public byte[] DecodeBytes(ReadOnlySpan<int> ids, bool includeSpecial = false)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Max(16, 5 * ids.Length));
        var bytes = DecodeInto(ids, includeSpecial, ref buffer).ToArray();
        ArrayPool<byte>.Shared.Return(buffer);
        return bytes;
    }

    /// <summary>Text of <paramref name="ids"/>; bytes that are no UTF-8 become U+FFFD.</summary>
    /// <exception cref="InvalidDataException">The vocabulary lacks one of the ids.</exception>
    public string Decode(ReadOnlySpan<int> ids, bool includeSpecial = false)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Max(16, 5 * ids.Length));
        var text = Encoding.UTF8.GetString(DecodeInto(ids, includeSpecial, ref buffer));
        ArrayPool<byte>.Shared.Return(buffer);
        return text;
    }

    /// <summary>The bytes, in a rented buffer that is exchanged for a larger one where it is too small.</summary>
    private ReadOnlySpan<byte> DecodeInto(ReadOnlySpan<int> ids, bool includeSpecial, ref byte[] buffer)
    {
        var length = 0;
        foreach (var id in ids)
        {
            var token = TokenBytes(id, includeSpecial);
            if (token.Length > buffer.Length - length)
            {
                var larger = ArrayPool<byte>.Shared.Rent(checked(Math.Max(2 * buffer.Length, length + token.Length)));
                buffer.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(buffer);
                buffer = larger;
            }
            token.CopyTo(buffer.AsSpan(length));
            length += token.Length;
        }
        return model.AddsSpace && buffer[0] == ' ' && length > 0 ? buffer.AsSpan(1, length - 1) : buffer.AsSpan(0, length);
    }

    /// <summary>Whether <paramref name="id"/> stands for anything; a vocabulary may leave ids unused.</summary>
    public bool HasToken(int id) => (uint)id < (uint)VocabSize && (!model.BytesOf(id).IsEmpty || model.SpecialNames.ContainsKey(id));

    /// <summary>The bytes of one id, as in <see cref="DecodeBytes"/>.</summary>
    /// <exception cref="InvalidDataException">The vocabulary has no such id.</exception>
    public ReadOnlySpan<byte> TokenBytes(int id, bool includeSpecial = false)
    {
        if ((uint)id < (uint)VocabSize)
        {
            if (model.BytesOf(id) is { IsEmpty: false } bytes) return bytes;
            if (model.SpecialNames.TryGetValue(id, out var name)) return includeSpecial ? Encoding.UTF8.GetBytes(name) : [];
        }
        throw new InvalidDataException($"Id {id} is not in the vocabulary, whose ids run from 0 to {VocabSize - 1}. The ids come from another tokenizer.");
    }
}

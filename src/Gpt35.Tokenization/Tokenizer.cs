namespace Gpt35.Tokenization;

/// <summary>Byte-level BPE: text to ids and back, exact for every byte. Immutable and safe to share between threads.</summary>
public sealed class Tokenizer
{
    /// <summary>Number of ids, special tokens included: V.</summary>
    public int VocabSize => throw new NotImplementedException();

    /// <summary>Special tokens by name, for example <c>&lt;|endoftext|&gt;</c>. Text never encodes to one of these ids.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens => throw new NotImplementedException();

    /// <summary>Id of <see cref="Tokenization.SpecialTokens.EndOfText"/>, which ends every document.</summary>
    public int EndOfText => throw new NotImplementedException();

    /// <summary>Ids of <paramref name="text"/>; the spelling of a special token is encoded as ordinary text.</summary>
    public int[] Encode(ReadOnlySpan<char> text) => throw new NotImplementedException();

    /// <summary>Ids of arbitrary bytes, valid UTF-8 or not.</summary>
    public int[] EncodeBytes(ReadOnlySpan<byte> bytes) => throw new NotImplementedException();

    /// <summary>The exact bytes of <paramref name="ids"/>; special tokens yield their name in UTF-8 when <paramref name="includeSpecial"/>, else nothing.</summary>
    public byte[] DecodeBytes(ReadOnlySpan<int> ids, bool includeSpecial = false) => throw new NotImplementedException();

    /// <summary>Text of <paramref name="ids"/>; bytes that are no UTF-8 become U+FFFD.</summary>
    public string Decode(ReadOnlySpan<int> ids, bool includeSpecial = false) => throw new NotImplementedException();

    /// <summary>Reads a Hugging Face <c>tokenizer.json</c> or a folder that holds one.</summary>
    public static Tokenizer Load(string path) => throw new NotImplementedException();

    /// <summary>Writes <c>tokenizer.json</c> into <paramref name="folder"/> (temporary file, fsync, rename).</summary>
    public void Save(string folder) => throw new NotImplementedException();
}

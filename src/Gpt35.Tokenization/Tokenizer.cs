using System.Buffers;
using System.Text;

namespace Gpt35.Tokenization;

/// <summary>Byte-level BPE: text to ids and back, exact for every byte. Immutable and safe to share between threads.</summary>
public sealed class Tokenizer
{
    private readonly BpeMerger merger;
    private readonly WordCache cache = new();

    internal Tokenizer(Vocabulary vocabulary)
    {
        Vocabulary = vocabulary;
        merger = new BpeMerger(vocabulary);
    }

    /// <summary>Number of ids, special tokens included: V.</summary>
    public int VocabSize => Vocabulary.Size;

    /// <summary>Special tokens by name, for example <c>&lt;|endoftext|&gt;</c>. Text never encodes to one of these ids.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens => Vocabulary.SpecialTokens;

    /// <summary>Id of <see cref="Tokenization.SpecialTokens.EndOfText"/>, which ends every document.</summary>
    /// <exception cref="InvalidDataException">The vocabulary has no such token.</exception>
    public int EndOfText => SpecialTokens.TryGetValue(Tokenization.SpecialTokens.EndOfText, out var id)
        ? id
        : throw new InvalidDataException($"The vocabulary has no special token {Tokenization.SpecialTokens.EndOfText}, which must end every document. " +
            $"Its special tokens: {(SpecialTokens.Count == 0 ? "none" : string.Join(", ", SpecialTokens.Keys))}. " +
            "Add it to added_tokens of tokenizer.json with a free id, or train a tokenizer with it.");

    internal Vocabulary Vocabulary { get; }

    /// <summary>
    /// Ids of <paramref name="text"/>; the spelling of a special token is encoded as ordinary text. Half a surrogate pair, which no
    /// UTF-8 can hold, is encoded as U+FFFD.
    /// </summary>
    public int[] Encode(ReadOnlySpan<char> text)
    {
        var utf8 = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetByteCount(text));
        try
        {
            return EncodeBytes(utf8.AsSpan(0, Encoding.UTF8.GetBytes(text, utf8)));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(utf8);
        }
    }

    /// <summary>Ids of arbitrary bytes, valid UTF-8 or not.</summary>
    public int[] EncodeBytes(ReadOnlySpan<byte> bytes)
    {
        var output = new IdBuffer(bytes.Length / 3);
        try
        {
            for (int start = 0, end; start < bytes.Length; start = end)
            {
                end = Gpt2PreTokenizer.NextEnd(bytes, start);
                EncodeWord(bytes[start..end], ref output);
            }
            return output.ToArray();
        }
        finally
        {
            output.Dispose();
        }
    }

    /// <summary>The exact bytes of <paramref name="ids"/>; special tokens yield their name in UTF-8 when <paramref name="includeSpecial"/>, else nothing.</summary>
    /// <exception cref="InvalidDataException">The vocabulary lacks one of the ids.</exception>
    public byte[] DecodeBytes(ReadOnlySpan<int> ids, bool includeSpecial = false)
    {
        var length = 0;
        foreach (var id in ids) length = checked(length + TokenBytes(id, includeSpecial).Length);
        var bytes = new byte[length];
        var rest = bytes.AsSpan();
        foreach (var id in ids)
        {
            var token = TokenBytes(id, includeSpecial);
            token.CopyTo(rest);
            rest = rest[token.Length..];
        }
        return bytes;
    }

    /// <summary>Text of <paramref name="ids"/>; bytes that are no UTF-8 become U+FFFD.</summary>
    /// <exception cref="InvalidDataException">The vocabulary lacks one of the ids.</exception>
    public string Decode(ReadOnlySpan<int> ids, bool includeSpecial = false) => Encoding.UTF8.GetString(DecodeBytes(ids, includeSpecial));

    /// <summary>The bytes of one id, as in <see cref="DecodeBytes"/>.</summary>
    /// <exception cref="InvalidDataException">The vocabulary has no such id.</exception>
    public ReadOnlySpan<byte> TokenBytes(int id, bool includeSpecial = false)
    {
        if ((uint)id < (uint)VocabSize)
        {
            if (Vocabulary.BytesOf(id) is { } bytes) return bytes;
            if (Vocabulary.SpecialNames.TryGetValue(id, out var name)) return includeSpecial ? Encoding.UTF8.GetBytes(name) : [];
        }
        throw new InvalidDataException($"Id {id} is not in the vocabulary, whose ids run from 0 to {VocabSize - 1}. The ids come from another tokenizer.");
    }

    /// <summary>Reads a Hugging Face <c>tokenizer.json</c> or a folder that holds one.</summary>
    /// <exception cref="FileNotFoundException">There is no such file, or none in the folder.</exception>
    /// <exception cref="InvalidDataException">The file is no byte-level BPE tokenizer of this kind; the message says where and what was expected.</exception>
    public static Tokenizer Load(string path)
    {
        var file = Directory.Exists(path) ? Path.Combine(path, TokenizerJson.FileName) : path;
        if (!File.Exists(file))
            throw new FileNotFoundException($"{file}: no such file. Expected a Hugging Face {TokenizerJson.FileName}, or a folder that holds one; " +
                "'gpt35 tokenizer train' makes one from text.", file);
        return new Tokenizer(TokenizerJson.Read(File.ReadAllBytes(file), file));
    }

    /// <summary>Writes <c>tokenizer.json</c> into <paramref name="folder"/> (temporary file, fsync, rename).</summary>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, TokenizerJson.FileName);
        var temporary = file + ".tmp";
        try
        {
            using (var stream = File.Create(temporary))
            {
                TokenizerJson.Write(Vocabulary, stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, file, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private void EncodeWord(ReadOnlySpan<byte> word, ref IdBuffer output)
    {
        if (word.Length > WordCache.LongestWord)
        {
            merger.Encode(word, ref output);
            return;
        }
        var hash = WordHash.Of(word);
        if (cache.Find(word, hash) is { } known)
        {
            output.Add(known);
            return;
        }
        var start = output.Count;
        merger.Encode(word, ref output);
        cache.Remember(word, hash, output.From(start));
    }
}

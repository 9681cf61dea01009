using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>
/// The first bytes of a shard, little-endian: magic (8), version (4), bytes of an id (4), tokens (8), documents (8), end-of-text id (4),
/// vocabulary size (4), SHA-256 of the vocabulary (32). The ids follow, zeros up to a multiple of 8, and an entry per document.
/// </summary>
/// <param name="ElementSize">2 where every id fits into 16 bits, else 4.</param>
/// <param name="Tokens">Ids of the shard: those of its documents and one end-of-text after each.</param>
/// <param name="Documents">Entries of the table.</param>
/// <param name="EndOfText">Id that ends every document.</param>
/// <param name="VocabSize">V.</param>
/// <param name="Vocabulary">SHA-256 in hexadecimal.</param>
internal sealed record ShardHeader(int ElementSize, long Tokens, long Documents, int EndOfText, int VocabSize, string Vocabulary)
{
    public const int Size = 72;
    public const int Version = 1;
    /// <summary>Of a document: where its ids end, counted in ids from the first (8); its UTF-8 bytes (8); the first 8 bytes of the SHA-256 of its text.</summary>
    public const int EntrySize = 24;

    private static ReadOnlySpan<byte> Magic => "GPT35TOK"u8;

    public long TableOffset => (Size + ElementSize * Tokens + 7) / 8 * 8;

    public long FileSize => TableOffset + EntrySize * Documents;

    public byte[] ToBytes()
    {
        var bytes = new byte[Size];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), Version);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), ElementSize);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), Tokens);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), Documents);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(32), EndOfText);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(36), VocabSize);
        Convert.FromHexString(Vocabulary).CopyTo(bytes.AsSpan(40));
        return bytes;
    }

    /// <exception cref="InvalidDataException">These are not the first bytes of a shard that this version reads.</exception>
    public static ShardHeader Read(ReadOnlySpan<byte> bytes, string path)
    {
        if (bytes.Length < Size || !bytes[..8].SequenceEqual(Magic))
            throw new InvalidDataException($"{path}: found no header of a token shard; expected a file that begins with GPT35TOK. {ShardFiles.Remedy}");
        var version = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        if (version != Version) throw new InvalidDataException($"{path}: found shard format {version}; expected {Version}. {ShardFiles.Remedy}");
        var header = new ShardHeader(
            BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[32..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[36..]), Convert.ToHexStringLower(bytes[40..Size]));
        if (header.ElementSize is not (2 or 4) || header.Tokens is < 1 or > 1L << 48 || header.Documents is < 1 or > int.MaxValue)
            throw new InvalidDataException($"{path}: found a header with {header.ElementSize} bytes per id, {header.Tokens} tokens and {header.Documents} documents; "
                + $"expected 2 or 4 bytes, and at least one of both. {ShardFiles.Remedy}");
        return header;
    }
}

/// <summary>What index.json says of a shard.</summary>
/// <param name="File">Its name in the folder.</param>
/// <param name="FileSize">Its length in bytes.</param>
/// <param name="Sha256">Of the whole file.</param>
/// <param name="Tokens">As in the header.</param>
/// <param name="Documents">As in the header.</param>
/// <param name="Utf8Bytes">Bytes of the texts.</param>
public sealed record ShardEntry(string File, long FileSize, string Sha256, long Tokens, long Documents, long Utf8Bytes);

/// <summary>index.json: the whole of a folder of shards, in the order of the text.</summary>
public sealed record ShardIndex(string Vocabulary, long Tokens, long Documents, long Utf8Bytes, IReadOnlyList<ShardEntry> Shards);

internal static class ShardFiles
{
    public const string IndexName = "index.json";
    public const string Remedy = "Make the folder again with 'gpt35 data tokenize', or copy it again.";

    public static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        WriteIndented = true,
    };

    /// <summary>SHA-256 over every id with its bytes, special tokens by name: the same ids mean the same text.</summary>
    public static string HashOf(Tokenizer tokenizer)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var special = tokenizer.SpecialTokens.Values.ToHashSet();
        Span<byte> prefix = stackalloc byte[5];
        for (var id = 0; id < tokenizer.VocabSize; id++)
        {
            var token = tokenizer.HasToken(id) ? tokenizer.TokenBytes(id, includeSpecial: true) : default;
            BinaryPrimitives.WriteInt32LittleEndian(prefix, token.Length);
            prefix[4] = special.Contains(id) ? (byte)1 : (byte)0;
            hash.AppendData(prefix);
            hash.AppendData(token);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public static string HashOf(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>The first 8 bytes of the SHA-256 of a document, by which a share of the documents is held out.</summary>
    public static ulong KeyOf(string document) => BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(document)));
}

using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>Writes documents as ids into files that training maps into memory.</summary>
public static class TokenShardWriter
{
    /// <summary>Tokens of a shard unless asked otherwise: 200 MB at two bytes each.</summary>
    public const long DefaultShardTokens = 100_000_000;

    /// <summary>
    /// Encodes <paramref name="documents"/> on several threads and writes shards and index.json into <paramref name="folder"/>. No more than a few
    /// documents and the document table of one shard are held in memory.
    /// </summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="documents">The texts.</param>
    /// <param name="tokenizer">Text to ids.</param>
    /// <param name="shardTokens">A shard ends with the document that reaches this many tokens.</param>
    /// <param name="cancel">Stops; the folder is then unfinished.</param>
    /// <param name="threads">Threads that encode; 0: all cores. The shards are the same.</param>
    /// <exception cref="InvalidDataException">There is no document, or what reading them throws.</exception>
    public static ShardIndex Write(string folder, IEnumerable<string> documents, Tokenizer tokenizer, long shardTokens = DefaultShardTokens, CancellationToken cancel = default, int threads = 0)
    {
        var vocabulary = ShardFiles.HashOf(tokenizer);
        var shards = new List<ShardEntry>();
        OpenShard? open = null;
        try
        {
            foreach (var (ids, bytes, key) in Encode(documents, tokenizer, threads, cancel))
            {
                cancel.ThrowIfCancellationRequested();
                open ??= new OpenShard(Path.Combine(folder, $"shard-{shards.Count:D5}.bin"), tokenizer, vocabulary);
                open.Add(ids, bytes, key);
                if (open.Tokens < shardTokens) continue;
                shards.Add(open.Finish());
                open = null;
            }
            if (open is not null) shards.Add(open.Finish());
        }
        finally
        {
            open?.Dispose();
        }
        if (shards.Count == 0) throw new InvalidDataException("Found no document to tokenize; expected at least one. Check the files.");
        var index = new ShardIndex(vocabulary, shards.Sum(shard => shard.Tokens), shards.Sum(shard => shard.Documents), shards.Sum(shard => shard.Utf8Bytes), shards);
        AtomicFile.Write(Path.Combine(folder, ShardFiles.IndexName), stream => JsonSerializer.Serialize(stream, index, ShardFiles.Json));
        return index;
    }

    private static IEnumerable<(int[] Ids, long Bytes, ulong Key)> Encode(IEnumerable<string> documents, Tokenizer tokenizer, int threads, CancellationToken cancel) =>
        InParallel.Stream(documents, threads, (document, _) => (tokenizer.Encode(document), (long)Encoding.UTF8.GetByteCount(document), ShardFiles.KeyOf(document)), cancel);

    private sealed class OpenShard : IDisposable
    {
        private readonly string path;
        private readonly FileStream stream;
        private readonly List<(long End, long Bytes, ulong Key)> table = [];
        private ShardHeader header;

        public OpenShard(string path, Tokenizer tokenizer, string vocabulary)
        {
            this.path = path;
            header = new ShardHeader(tokenizer.VocabSize <= 1 << 16 ? 2 : 4, 0, 0, tokenizer.EndOfText, tokenizer.VocabSize, vocabulary);
            stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
            stream.Write(new byte[ShardHeader.Size]);                        // the counts are known at the end
        }

        public long Tokens => header.Tokens;

        public void Add(int[] ids, long bytes, ulong key)
        {
            var count = ids.Length + 1;
            var buffer = ArrayPool<byte>.Shared.Rent(count * header.ElementSize);
            for (var i = 0; i < count; i++)
            {
                var id = i < ids.Length ? ids[i] : header.EndOfText;
                if (header.ElementSize == 2) BinaryPrimitives.WriteUInt16LittleEndian(buffer.AsSpan(2 * i), (ushort)id);
                else BinaryPrimitives.WriteInt32LittleEndian(buffer.AsSpan(4 * i), id);
            }
            stream.Write(buffer.AsSpan(0, count * header.ElementSize));
            ArrayPool<byte>.Shared.Return(buffer);
            header = header with { Tokens = header.Tokens + count, Documents = header.Documents + 1 };
            table.Add((header.Tokens, bytes, key));
        }

        public ShardEntry Finish()
        {
            stream.Write(new byte[header.TableOffset - stream.Position]);
            var entry = new byte[ShardHeader.EntrySize];
            foreach (var (end, bytes, key) in table)
            {
                BinaryPrimitives.WriteInt64LittleEndian(entry, end);
                BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(8), bytes);
                BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(16), key);
                stream.Write(entry);
            }
            stream.Position = 0;
            stream.Write(header.ToBytes());
            stream.Dispose();
            return new ShardEntry(Path.GetFileName(path), header.FileSize, ShardFiles.HashOf(path), header.Tokens, header.Documents, table.Sum(document => document.Bytes));
        }

        public void Dispose() => stream.Dispose();
    }
}

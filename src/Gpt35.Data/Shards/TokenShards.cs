using System.Collections;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using System.Text.Json;
using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>Documents as ids in mapped files, of one folder or several after another. The map is shared by threads that read.</summary>
public sealed class TokenShards : IDisposable
{
    private readonly List<Shard> shards = [];

    private TokenShards()
    {
    }

    /// <summary>Documents, in the order of the text.</summary>
    public int Count { get; private set; }

    /// <summary>Whether <paramref name="path"/> is a folder with the index of shards.</summary>
    public static bool IsFolder(string path) => File.Exists(Path.Combine(path, ShardFiles.IndexName));

    /// <summary>Maps a folder that 'gpt35 data tokenize' made, after checking every byte against its checksum.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tokenizer">Whose ids they must be.</param>
    /// <exception cref="InvalidDataException">A shard is damaged or comes from another tokenizer; the message says which and what to do.</exception>
    /// <exception cref="IOException">The index or a shard is missing.</exception>
    public static TokenShards Open(string folder, Tokenizer tokenizer) => Open([folder], tokenizer);

    /// <summary>As <see cref="Open(string, Tokenizer)"/>, several folders as one.</summary>
    public static TokenShards Open(IReadOnlyList<string> folders, Tokenizer tokenizer)
    {
        var vocabulary = ShardFiles.HashOf(tokenizer);
        var all = new TokenShards();
        try
        {
            foreach (var folder in folders)
            {
                var index = ReadIndex(folder);
                RequireVocabulary(Path.Combine(folder, ShardFiles.IndexName), index.Vocabulary, vocabulary);
                foreach (var entry in index.Shards) all.Add(Path.Combine(folder, Path.GetFileName(entry.File)), entry, vocabulary);
            }
            return all;
        }
        catch
        {
            all.Dispose();
            throw;
        }
    }

    /// <summary>Ids of a document, with the end-of-text that ends it.</summary>
    public int LengthOf(int document)
    {
        var (shard, at) = Find(document);
        return checked((int)(shard.End(at) - shard.Start(at)));
    }

    /// <summary>UTF-8 bytes of a document.</summary>
    public long BytesOf(int document)
    {
        var (shard, at) = Find(document);
        return shard.Table(at, 8);
    }

    /// <summary>The first 8 bytes of the SHA-256 of a document's text, as a little-endian number.</summary>
    public ulong KeyOf(int document)
    {
        var (shard, at) = Find(document);
        return (ulong)shard.Table(at, 16);
    }

    /// <summary>Ids <paramref name="from"/> … <paramref name="to"/> − 1 of "&lt;|endoftext|&gt; document &lt;|endoftext|&gt;".</summary>
    public int[] Read(int document, int from, int to)
    {
        var (shard, at) = Find(document);
        var ids = new int[to - from];
        if (from == 0) ids[0] = shard.Header.EndOfText;
        shard.Read(shard.Start(at) + Math.Max(0, from - 1), ids.AsSpan(from == 0 ? 1 : 0));
        return ids;
    }

    /// <summary>The windows that <see cref="TextWindows.Cut"/> makes of the same texts; their ids are read when they are asked for.</summary>
    /// <param name="documents">Which documents, in which order.</param>
    /// <param name="context">Most tokens of a window.</param>
    /// <param name="maxTokens">Stop after the document that reaches this many tokens; 0 takes all.</param>
    public TextWindows Cut(IReadOnlyList<int> documents, int context, long maxTokens = 0)
    {
        var ends = new int[documents.Count];                                 // windows up to and with each document
        long tokens = 0, bytes = 0;
        var taken = 0;
        while (taken < ends.Length && (maxTokens <= 0 || tokens < maxTokens))
        {
            var length = LengthOf(documents[taken]);
            ends[taken] = checked((taken > 0 ? ends[taken - 1] : 0) + 1 + (length - 1) / (context - 1));
            tokens += length;
            bytes += BytesOf(documents[taken++]);
        }
        var windows = new ShardWindows(this, documents, ends, taken, context);
        return new TextWindows(windows, tokens, bytes) { Lengths = new WindowLengths(windows) };
    }

    public void Dispose()
    {
        foreach (var shard in shards) shard.Dispose();
    }

    private (Shard Shard, int At) Find(int document)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(document);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(document, Count);
        int low = 0, high = shards.Count - 1;
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            if (shards[middle].First <= document) low = middle;
            else high = middle - 1;
        }
        return (shards[low], document - shards[low].First);
    }

    private void Add(string path, ShardEntry entry, string vocabulary)
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"{path}: no such file; expected a shard that {ShardFiles.IndexName} names. {ShardFiles.Remedy}", path);
        var size = new FileInfo(path).Length;
        if (size != entry.FileSize) throw new InvalidDataException($"{path}: found {size} bytes; expected {entry.FileSize}. The file is cut off or altered. {ShardFiles.Remedy}");
        var header = ReadHeader(path);
        RequireVocabulary(path, header.Vocabulary, vocabulary);
        if ((header.Tokens, header.Documents, header.FileSize) != (entry.Tokens, entry.Documents, size))
            throw new InvalidDataException($"{path}: found a header of {header.Tokens} tokens and {header.Documents} documents, a file of {header.FileSize} bytes; "
                + $"expected {entry.Tokens}, {entry.Documents} and {size}. {ShardFiles.Remedy}");
        var hash = ShardFiles.HashOf(path);
        if (hash != entry.Sha256) throw new InvalidDataException($"{path}: found SHA-256 {hash}; expected {entry.Sha256}. The file is altered. {ShardFiles.Remedy}");
        var shard = new Shard(path, header, Count);
        shards.Add(shard);
        shard.RequireTable(path);
        Count = checked(Count + (int)header.Documents);
    }

    private static ShardHeader ReadHeader(string path)
    {
        using var stream = File.OpenRead(path);
        var bytes = new byte[ShardHeader.Size];
        return ShardHeader.Read(bytes.AsSpan(0, stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)), path);
    }

    private static ShardIndex ReadIndex(string folder)
    {
        var path = Path.Combine(folder, ShardFiles.IndexName);
        if (!File.Exists(path)) throw new FileNotFoundException($"{path}: no such file; expected a folder made by 'gpt35 data tokenize'. Check the path.", path);
        try
        {
            return JsonSerializer.Deserialize<ShardIndex>(File.ReadAllBytes(path), ShardFiles.Json)
                ?? throw new InvalidDataException($"{path}: found null; expected the index of token shards. {ShardFiles.Remedy}");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path}:{(e.LineNumber ?? 0) + 1}: found no index of token shards ({e.Message}). {ShardFiles.Remedy}", e);
        }
    }

    private static void RequireVocabulary(string path, string found, string expected)
    {
        if (found != expected)
            throw new InvalidDataException($"{path}: found ids of the vocabulary {Short(found)}; expected {Short(expected)}, that of the tokenizer in use. "
                + "Name the tokenizer that made the shards, or make them again with 'gpt35 data tokenize --tokenizer'.");

        static string Short(string hash) => hash.Length > 12 ? hash[..12] + "…" : hash;
    }

    private sealed class Shard : IDisposable
    {
        private readonly MemoryMappedFile file;
        private readonly MemoryMappedViewAccessor view;

        public Shard(string path, ShardHeader header, int first)
        {
            (Header, First) = (header, first);
            file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
            view = file.CreateViewAccessor(0, header.FileSize, MemoryMappedFileAccess.Read);
        }

        public ShardHeader Header { get; }

        /// <summary>Number of its first document among those of all shards.</summary>
        public int First { get; }

        public long Start(int document) => document == 0 ? 0 : End(document - 1);

        public long End(int document) => Table(document, 0);

        public long Table(int document, int field) => view.ReadInt64(Header.TableOffset + (long)ShardHeader.EntrySize * document + field);

        public void Read(long token, Span<int> ids)
        {
            var offset = (ulong)(ShardHeader.Size + Header.ElementSize * token);
            if (Header.ElementSize == 4)
            {
                view.SafeMemoryMappedViewHandle.ReadSpan(offset, ids);
                return;
            }
            // The narrow ids go into the upper half and are widened from the front, which never overtakes what is still to be read.
            var narrow = MemoryMarshal.Cast<int, ushort>(ids)[ids.Length..];
            view.SafeMemoryMappedViewHandle.ReadSpan(offset, narrow);
            for (var i = 0; i < ids.Length; i++) ids[i] = narrow[i];
        }

        /// <exception cref="InvalidDataException">The documents do not follow one another to the last token.</exception>
        public void RequireTable(string path)
        {
            long before = 0;
            for (var document = 0; document < Header.Documents; document++)
            {
                var end = End(document);
                if (end <= before || end - before >= int.MaxValue || end > Header.Tokens || Table(document, 8) < 0)
                    throw new InvalidDataException($"{path}: document {document} runs from token {before} to {end}; expected documents one after another within {Header.Tokens} tokens. {ShardFiles.Remedy}");
                before = end;
            }
            if (before != Header.Tokens) throw new InvalidDataException($"{path}: the documents end at token {before}; expected {Header.Tokens}. {ShardFiles.Remedy}");
        }

        public void Dispose()
        {
            view.Dispose();
            file.Dispose();
        }
    }

    /// <summary>Windows of some documents: 8 bytes of memory for each document.</summary>
    private sealed class ShardWindows(TokenShards shards, IReadOnlyList<int> documents, int[] ends, int taken, int context) : IReadOnlyList<TokenSequence>
    {
        public int Count => taken == 0 ? 0 : ends[taken - 1];

        public TokenSequence this[int index]
        {
            get
            {
                var (document, from, to) = Place(index);
                var trained = new bool[to - from];
                trained.AsSpan().Fill(true);
                return new TokenSequence(shards.Read(document, from, to), trained);
            }
        }

        public int LengthOf(int index)
        {
            var (_, from, to) = Place(index);
            return to - from;
        }

        public IEnumerator<TokenSequence> GetEnumerator()
        {
            for (var i = 0; i < Count; i++) yield return this[i];
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        private (int Document, int From, int To) Place(int window)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(window);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(window, Count);
            var at = Array.BinarySearch(ends, 0, taken, window + 1);
            if (at < 0) at = ~at;
            var from = (window - (at > 0 ? ends[at - 1] : 0)) * (context - 1);
            return (documents[at], from, Math.Min(from + context, shards.LengthOf(documents[at]) + 1));
        }
    }

    private sealed class WindowLengths(ShardWindows windows) : IReadOnlyList<int>
    {
        public int Count => windows.Count;

        public int this[int index] => windows.LengthOf(index);

        public IEnumerator<int> GetEnumerator()
        {
            for (var i = 0; i < Count; i++) yield return this[i];
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}

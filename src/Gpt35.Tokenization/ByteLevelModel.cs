using System.Runtime.CompilerServices;

namespace Gpt35.Tokenization;

/// <summary>Byte-level BPE over a <see cref="Vocabulary"/>: words by hand-written splitters, then a look into the table of tokens, then merges.</summary>
internal sealed class ByteLevelModel : TokenModel
{
    private const int BlockBytes = 4096;

    private readonly BpeMerger merger;
    private readonly TokenTable table;
    private readonly WordCache cache;

    public ByteLevelModel(Vocabulary vocabulary)
    {
        Vocabulary = vocabulary;
        merger = new BpeMerger(vocabulary);
        cache = new WordCache(vocabulary.Size);
        table = vocabulary.Table ?? TokensThatAreWords();
    }

    public Vocabulary Vocabulary { get; }

    public override int Size => Vocabulary.Size;
    public override IReadOnlyDictionary<string, int> SpecialTokens => Vocabulary.SpecialTokens;
    public override IReadOnlyDictionary<int, string> SpecialNames => Vocabulary.SpecialNames;
    public override IReadOnlyDictionary<string, int> AddedTokens => Vocabulary.AddedTokens;

    public override int? StartOfText => Find("<|begin_of_text|>");                    // Llama 3
    public override int? EndOfText => Find("<|end_of_text|>");

    public override ReadOnlySpan<byte> BytesOf(int id) => Vocabulary.BytesOf(id);

    public override void Encode(ReadOnlySpan<byte> text, ref IdBuffer output)
    {
        switch (Vocabulary.PreTokenizer)
        {
            case PreTokenizer.Gpt2: Encode<Gpt2Splitter>(text, ref output); break;
            case PreTokenizer.Cl100k: Encode<Cl100kSplitter>(text, ref output); break;
            default: Encode<Qwen2Splitter>(text, ref output); break;
        }
    }

    private int? Find(string special) => SpecialTokens.TryGetValue(special, out var id) ? id : null;

    private void Encode<TSplitter>(ReadOnlySpan<byte> text, ref IdBuffer output) where TSplitter : struct, ISplitter
    {
        for (var start = 0; start < text.Length;) start = EncodeBlock<TSplitter>(text, start, ref output);
    }

    /// <summary>
    /// Encodes the words that begin within a block; a method that is called often, so that the runtime soon compiles it to its best.
    /// </summary>
    /// <returns>The end of the last of them.</returns>
    private int EncodeBlock<TSplitter>(ReadOnlySpan<byte> text, int start, ref IdBuffer output) where TSplitter : struct, ISplitter
    {
        var limit = Math.Min(text.Length, start + BlockBytes);
        while (start < limit)
        {
            var end = TSplitter.NextEnd(text, start);
            var id = table.Find(text, start, end);
            if (id != TokenTable.NotFound) output.Add(id);
            else Merge(text[start..end], ref output);
            start = end;
        }
        return start;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Merge(ReadOnlySpan<byte> word, ref IdBuffer output)
    {
        if (word.Length > WordCache.LongestWord)
        {
            merger.Encode(word, ref output);
            return;
        }
        if (cache.TryAppend(word, ref output)) return;
        var start = output.Count;
        merger.Encode(word, ref output);
        cache.Remember(word, output.From(start));
    }

    /// <summary>The tokens that a word of the same bytes encodes to. A vocabulary may hold tokens that no merges lead to; those stay out.</summary>
    private TokenTable TokensThatAreWords()
    {
        var tokens = new TokenTable(Size);
        var ids = new IdBuffer(64);
        try
        {
            for (var id = 0; id < Size; id++)
            {
                var bytes = BytesOf(id);
                if (bytes.IsEmpty) continue;
                ids.Truncate(0);
                if (!Vocabulary.WordsAreTokens) merger.Encode(bytes, ref ids);
                if (Vocabulary.WordsAreTokens || ids.Count == 1 && ids[0] == id) tokens.Add(bytes, id);
            }
        }
        finally
        {
            ids.Dispose();
        }
        return tokens;
    }
}

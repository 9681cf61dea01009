using System.Collections.ObjectModel;

namespace Gpt35.Tokenization;

/// <summary>One merge: the pair of ids and the id of their concatenation.</summary>
internal readonly record struct Merge(int Left, int Right, int Result);

/// <summary>
/// What a byte-level tokenizer knows: the bytes of every id, the merges by rank, the special tokens. Whoever builds one has checked that
/// all 256 bytes have an id, that names and ids are unique, and that no merge touches a special token.
/// </summary>
internal sealed class Vocabulary
{
    private readonly byte[] bytes;                                          // of all ordinary tokens, end to end
    private readonly int[] starts;                                          // (V + 1,); empty where the id is unused or special
    private readonly Lazy<IReadOnlyList<Merge>> merges;

    /// <param name="spellings">By id: the token in <see cref="ByteAlphabet"/>, or null where the id is unused or special.</param>
    /// <param name="merges">By rank.</param>
    /// <param name="specialTokens">Id by name.</param>
    public Vocabulary(IReadOnlyList<string?> spellings, IReadOnlyList<Merge> merges, IEnumerable<KeyValuePair<string, int>> specialTokens)
        : this(specialTokens, spellings.Count)
    {
        this.merges = new(merges);
        bytes = new byte[spellings.Sum(spelling => spelling?.Length ?? 0)];
        for (var id = 0; id < Size; id++)
        {
            var at = starts[id];
            foreach (var character in spellings[id] ?? "")
                if (!ByteAlphabet.TryGetByte(character, out bytes[at++]))
                    throw new ArgumentException($"'{spellings[id]}' is not spelled in the byte alphabet.", nameof(spellings));
            starts[id + 1] = at;
        }
        FindByteIds();
        Ranks = new PairMap(merges.Count);
        for (var rank = 0; rank < merges.Count; rank++) Ranks.GetOrAdd(merges[rank].Left, merges[rank].Right) = rank;
        Results = [.. merges.Select(merge => merge.Result)];
    }

    /// <summary>
    /// A vocabulary in tiktoken's form: any two tokens merge whose concatenation is a token, and its id is the rank
    /// (openai/tiktoken, src/lib.rs).
    /// </summary>
    /// <param name="bytes">Of all tokens, end to end.</param>
    /// <param name="starts">Where each id begins, and the end, (V + 1,).</param>
    /// <param name="specialTokens">Id by name.</param>
    public Vocabulary(byte[] bytes, int[] starts, IEnumerable<KeyValuePair<string, int>> specialTokens)
        : this(specialTokens, starts.Length - 1)
    {
        this.bytes = bytes;
        this.starts = starts;
        WordsAreTokens = true;
        FindByteIds();
        Table = new TokenTable(Size);
        for (var id = 0; id < Size; id++)
            if (starts[id] < starts[id + 1]) Table.Add(BytesOf(id), id);
        var all = AllSplits();
        Ranks = new PairMap(all.Count);
        foreach (var merge in all) Ranks.GetOrAdd(merge.Left, merge.Right) = merge.Result;
        Results = [.. Enumerable.Range(0, Size)];
        merges = new(all);
    }

    private Vocabulary(IEnumerable<KeyValuePair<string, int>> specialTokens, int size)
    {
        starts = new int[size + 1];
        (bytes, merges, Ranks, Results) = ([], new([]), new PairMap(), []);
        var specials = specialTokens.OrderBy(special => special.Value).ToArray();
        SpecialTokens = new ReadOnlyDictionary<string, int>(new Dictionary<string, int>(specials, StringComparer.Ordinal));
        SpecialNames = specials.ToDictionary(special => special.Value, special => special.Key);
    }

    /// <summary>Largest id plus one.</summary>
    public int Size => starts.Length - 1;

    /// <summary>How text is cut into words.</summary>
    public PreTokenizer PreTokenizer { get; init; }

    /// <summary>Whether a word that is a token is that token, even where no merges lead to it: tiktoken's rule, and Llama 3's "ignore_merges".</summary>
    public bool WordsAreTokens { get; init; }

    public IReadOnlyList<Merge> Merges => merges.Value;

    /// <summary>Rank of a pair of ids; of pairs with the same rank the leftmost merges first.</summary>
    public PairMap Ranks { get; }

    /// <summary>Id that a merge leads to, by rank.</summary>
    public int[] Results { get; }

    /// <summary>Tokens by their bytes, where the vocabulary was built with such a table.</summary>
    public TokenTable? Table { get; }

    /// <summary>Id of each single byte, (256,).</summary>
    public int[] ByteIds { get; } = new int[256];

    public IReadOnlyDictionary<string, int> SpecialTokens { get; }

    public IReadOnlyDictionary<int, string> SpecialNames { get; }

    /// <summary>Id by name of the tokens that are found in text before it is cut into words, without being special.</summary>
    public IReadOnlyDictionary<string, int> AddedTokens { get; init; } = ReadOnlyDictionary<string, int>.Empty;

    /// <summary>The ordinary token <paramref name="id"/> in <see cref="ByteAlphabet"/>; null where the id is unused or special.</summary>
    public string? SpellingOf(int id) => BytesOf(id) is { IsEmpty: false } token ? ByteAlphabet.Spell(token) : null;

    /// <summary>Bytes of the ordinary token <paramref name="id"/>; none where the id is unused or special.</summary>
    public ReadOnlySpan<byte> BytesOf(int id) => bytes.AsSpan(starts[id], starts[id + 1] - starts[id]);

    private void FindByteIds()
    {
        for (var id = 0; id < Size; id++)
            if (BytesOf(id) is [var single]) ByteIds[single] = id;
    }

    /// <summary>By result, every way to cut a token into two tokens.</summary>
    private List<Merge> AllSplits()
    {
        var splits = new List<Merge>(4 * Size);
        for (var id = 0; id < Size; id++)
        {
            for (var (start, end, cut) = (starts[id], starts[id + 1], starts[id] + 1); cut < end; cut++)
            {
                var left = Table!.Find(bytes, start, cut);
                if (left == TokenTable.NotFound) continue;
                var right = Table.Find(bytes, cut, end);
                if (right != TokenTable.NotFound) splits.Add(new Merge(left, right, id));
            }
        }
        return splits;
    }
}

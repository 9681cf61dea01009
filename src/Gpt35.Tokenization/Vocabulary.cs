using System.Collections.ObjectModel;

namespace Gpt35.Tokenization;

/// <summary>One merge: the pair of ids and the id of their concatenation. Its rank is its place in the list of merges.</summary>
internal readonly record struct Merge(int Left, int Right, int Result);

/// <summary>
/// What a tokenizer knows: the bytes of every id, the merges by rank, the special tokens. Whoever builds one has checked that
/// all 256 bytes have an id, that names and ids are unique, and that no merge touches a special token.
/// </summary>
internal sealed class Vocabulary
{
    private readonly string?[] spellings;
    private readonly byte[]?[] bytes;

    /// <param name="spellings">By id: the token in <see cref="ByteAlphabet"/>, or null where the id is unused or special.</param>
    /// <param name="merges">By rank.</param>
    /// <param name="specialTokens">Id by name.</param>
    public Vocabulary(string?[] spellings, IReadOnlyList<Merge> merges, IEnumerable<KeyValuePair<string, int>> specialTokens)
    {
        this.spellings = spellings;
        Merges = merges;
        bytes = Array.ConvertAll(spellings, spelling => spelling is null ? null : BytesOf(spelling));
        for (var id = 0; id < Size; id++)
            if (bytes[id] is [var single]) ByteIds[single] = id;

        Ranks = new PairMap(merges.Count);
        for (var rank = 0; rank < merges.Count; rank++) Ranks.GetOrAdd(merges[rank].Left, merges[rank].Right) = rank;

        var specials = specialTokens.OrderBy(special => special.Value).ToArray();
        SpecialTokens = new ReadOnlyDictionary<string, int>(new Dictionary<string, int>(specials, StringComparer.Ordinal));
        SpecialNames = specials.ToDictionary(special => special.Value, special => special.Key);
    }

    /// <summary>Largest id plus one.</summary>
    public int Size => spellings.Length;

    public IReadOnlyList<Merge> Merges { get; }

    /// <summary>Rank of a pair of ids.</summary>
    public PairMap Ranks { get; }

    /// <summary>Id of each single byte, (256,).</summary>
    public int[] ByteIds { get; } = new int[256];

    public IReadOnlyDictionary<string, int> SpecialTokens { get; }

    public IReadOnlyDictionary<int, string> SpecialNames { get; }

    /// <summary>The ordinary token <paramref name="id"/> in <see cref="ByteAlphabet"/>; null where the id is unused or special.</summary>
    public string? SpellingOf(int id) => spellings[id];

    /// <summary>Bytes of the ordinary token <paramref name="id"/>; null where the id is unused or special.</summary>
    public byte[]? BytesOf(int id) => bytes[id];

    private static byte[] BytesOf(string spelling)
    {
        var result = new byte[spelling.Length];
        for (var i = 0; i < result.Length; i++)
            if (!ByteAlphabet.TryGetByte(spelling[i], out result[i]))
                throw new ArgumentException($"'{spelling}' is not spelled in the byte alphabet.", nameof(spelling));
        return result;
    }
}

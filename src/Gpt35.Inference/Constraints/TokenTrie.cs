using System.Runtime.CompilerServices;
using Gpt35.Tokenization;

namespace Gpt35.Inference.Constraints;

/// <summary>
/// The ordinary tokens of a vocabulary as a tree of their bytes, laid out parent before child: walking it is a loop, and leaving a subtree out is a jump.
/// Special tokens and unused ids are not in it.
/// </summary>
internal sealed class TokenTrie
{
    private static readonly ConditionalWeakTable<Tokenizer, TokenTrie> Made = [];

    private TokenTrie(Tokenizer tokenizer)
    {
        VocabSize = tokenizer.VocabSize;
        var special = tokenizer.SpecialTokens.Values.ToHashSet();
        var tokens = Enumerable.Range(0, VocabSize).Where(id => tokenizer.HasToken(id) && !special.Contains(id)).Select(id => (Id: id, Bytes: tokenizer.TokenBytes(id).ToArray()))
            .Where(token => token.Bytes.Length > 0).ToArray();
        Array.Sort(tokens, static (a, b) => a.Bytes.AsSpan().SequenceCompareTo(b.Bytes) is not 0 and var order ? order : a.Id.CompareTo(b.Id));
        Ids = [.. tokens.Select(token => token.Id)];
        Build(tokens);
    }

    public int VocabSize { get; }

    /// <summary>Longest token in bytes.</summary>
    public int MaxDepth { get; private set; }

    /// <summary>By node: its byte.</summary>
    public byte[] Bytes { get; private set; } = [];

    /// <summary>By node: how many bytes lead to it, its own included.</summary>
    public ushort[] Depths { get; private set; } = [];

    /// <summary>By node: the first node that is not below it.</summary>
    public int[] Ends { get; private set; } = [];

    /// <summary>By node: where its tokens begin in <see cref="Ids"/>; those of node i end where those of node i + 1 begin.</summary>
    public int[] TokenStarts { get; private set; } = [];

    /// <summary>Ids in the order of their bytes.</summary>
    public int[] Ids { get; }

    /// <summary>That of a tokenizer; made once.</summary>
    public static TokenTrie Of(Tokenizer tokenizer) => Made.GetValue(tokenizer, static tokenizer => new TokenTrie(tokenizer));

    /// <summary>Which bytes are tokens by themselves, (256,).</summary>
    public bool[] SingleBytes()
    {
        var singles = new bool[256];
        for (var node = 0; node < Bytes.Length; node = Ends[node])
            if (TokenStarts[node + 1] > TokenStarts[node]) singles[Bytes[node]] = true;
        return singles;
    }

    private void Build((int Id, byte[] Bytes)[] tokens)
    {
        List<byte> bytes = [];
        List<ushort> depths = [];
        List<int> ends = [], starts = [];
        var path = new Stack<int>();                                        // nodes from the root to the last token
        byte[] last = [];
        for (var i = 0; i < tokens.Length; i++)
        {
            var token = tokens[i].Bytes;
            var common = token.AsSpan().CommonPrefixLength(last);
            while (path.Count > common) ends[path.Pop()] = bytes.Count;
            for (var depth = common; depth < token.Length; depth++)
            {
                path.Push(bytes.Count);
                bytes.Add(token[depth]);
                depths.Add(checked((ushort)(depth + 1)));
                ends.Add(0);
                starts.Add(i);
            }
            last = token;
        }
        while (path.TryPop(out var node)) ends[node] = bytes.Count;
        starts.Add(tokens.Length);
        (Bytes, Depths, Ends, TokenStarts) = ([.. bytes], [.. depths], [.. ends], [.. starts]);
        MaxDepth = depths.Count == 0 ? 0 : depths.Max();
    }
}

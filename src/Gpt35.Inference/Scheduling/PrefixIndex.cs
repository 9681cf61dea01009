using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Scheduling;

/// <summary>
/// Finds blocks by what they hold and what stands before it: a chain over whole blocks that starts from a salt. A block is found by a hash and
/// believed only when its tokens and the block before it are the same.
/// </summary>
internal sealed class PrefixIndex
{
    /// <summary>A place between two blocks of a text.</summary>
    /// <param name="Hash">Of everything before it.</param>
    /// <param name="Id">Of the content before it: a number given once, or a salt.</param>
    internal readonly record struct Chain(ulong Hash, UInt128 Id);

    private readonly Dictionary<ulong, int> blocks;     // by the hash of the chain behind them
    private readonly Chain[] before, behind;            // (blocks,)
    private readonly int[] contents;                    // (blocks, BlockTokens)
    private readonly bool[] known;                      // (blocks,)
    private ulong lastId;

    public PrefixIndex(int count)
    {
        blocks = new Dictionary<ulong, int>(count);
        before = new Chain[count];
        behind = new Chain[count];
        known = new bool[count];
        contents = new int[count * KvCache.BlockTokens];
    }

    /// <summary>The beginning of all texts of one salt.</summary>
    public static Chain Start(UInt128 salt) => new((ulong)salt ^ (ulong)(salt >> 64), salt | (UInt128)1 << 127);

    public bool Knows(int block) => known[block];

    /// <summary>The block that holds the tokens behind that beginning; −1 for none.</summary>
    public int Find(Chain chain, ReadOnlySpan<int> tokens, out Chain next)
    {
        next = default;
        if (!blocks.TryGetValue(HashOf(chain, tokens), out var block) || before[block] != chain || !Content(block).SequenceEqual(tokens)) return -1;
        next = behind[block];
        return block;
    }

    /// <summary>Remembers a block; where its content is known of another one, only moves the chain on.</summary>
    public void Add(ref Chain chain, ReadOnlySpan<int> tokens, int block)
    {
        if (Find(chain, tokens, out var next) >= 0)
        {
            chain = next;
            return;
        }
        var hash = HashOf(chain, tokens);
        next = new Chain(hash, ++lastId);
        if (blocks.TryAdd(hash, block))                 // of two contents with one hash, the first is remembered
        {
            (before[block], behind[block], known[block]) = (chain, next, true);
            tokens.CopyTo(Content(block));
        }
        chain = next;
    }

    public void Forget(int block)
    {
        blocks.Remove(behind[block].Hash);
        known[block] = false;
    }

    public void Clear()
    {
        blocks.Clear();
        Array.Clear(known);
    }

    private Span<int> Content(int block) => contents.AsSpan(block * KvCache.BlockTokens, KvCache.BlockTokens);

    private static ulong HashOf(Chain chain, ReadOnlySpan<int> tokens)
    {
        var hash = CounterRandom.Hash(chain.Hash, (ulong)chain.Id);
        foreach (var token in tokens) hash = CounterRandom.Hash(hash, (ulong)token);
        return hash;
    }
}

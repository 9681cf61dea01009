using Gpt35.Model;

namespace Gpt35.Inference.Scheduling;

/// <summary>
/// Who holds which block of a cache. A block that nobody holds is free, or remembered for its content (see <see cref="PrefixIndex"/>) until its
/// memory is needed; the one that was let go first goes first.
/// </summary>
internal sealed class BlockPool
{
    private readonly int[] holders;                 // (blocks,)
    private readonly int[] newer, older;            // (blocks,) neighbours among the remembered ones, the last place is their ends
    private readonly int[] free;                    // a stack
    private readonly PrefixIndex? prefixes;
    private int freeCount;

    /// <param name="blocks">Blocks of the cache.</param>
    /// <param name="remember">Whether contents are remembered.</param>
    public BlockPool(int blocks, bool remember)
    {
        Count = blocks;
        holders = new int[blocks];
        newer = new int[blocks + 1];
        older = new int[blocks + 1];
        newer[blocks] = older[blocks] = blocks;
        free = new int[blocks];
        for (var i = 0; i < blocks; i++) free[freeCount++] = blocks - 1 - i;   // the first blocks first: memory that is not needed is not touched
        if (remember) prefixes = new PrefixIndex(blocks);
    }

    public int Count { get; }

    /// <summary>Blocks that somebody could get.</summary>
    public int Available => freeCount + Remembered;

    /// <summary>Blocks that nobody holds and whose content is remembered.</summary>
    public int Remembered { get; private set; }

    public bool IsShared(int block) => holders[block] > 1;

    /// <summary>A block for one holder; −1 where there is none.</summary>
    public int Take()
    {
        if (freeCount == 0)
        {
            if (Remembered == 0) return -1;
            var oldest = newer[Count];
            Unlink(oldest);
            prefixes!.Forget(oldest);
            free[freeCount++] = oldest;
        }
        var block = free[--freeCount];
        holders[block] = 1;
        return block;
    }

    /// <summary>One more holder.</summary>
    public void Share(int block)
    {
        if (holders[block]++ == 0) Unlink(block);
    }

    /// <summary>One holder less.</summary>
    public void Release(int block)
    {
        if (--holders[block] > 0) return;
        if (prefixes?.Knows(block) != true) free[freeCount++] = block;
        else Link(block);
    }

    /// <summary>Takes hold of the longest known beginning of a text, in whole blocks.</summary>
    /// <param name="chain">Where the text starts: its salt. Receives the place behind the found blocks.</param>
    /// <param name="tokens">The text.</param>
    /// <param name="sequence">Receives the blocks; its length is set.</param>
    public void ShareKnown(ref PrefixIndex.Chain chain, ReadOnlySpan<int> tokens, KvSequence sequence)
    {
        if (prefixes is null) return;
        for (; tokens.Length >= KvCache.BlockTokens; tokens = tokens[KvCache.BlockTokens..])
        {
            var block = prefixes.Find(chain, tokens[..KvCache.BlockTokens], out var next);
            if (block < 0) break;
            Share(block);
            sequence.Append(block);
            chain = next;
        }
        sequence.SetLength(sequence.Capacity);
    }

    /// <summary>Remembers what a block holds, unless the same is known of another one.</summary>
    public void Remember(ref PrefixIndex.Chain chain, ReadOnlySpan<int> tokens, int block) => prefixes?.Add(ref chain, tokens, block);

    /// <summary>Forgets all contents.</summary>
    public void ForgetAll()
    {
        while (Remembered > 0)
        {
            var block = newer[Count];
            Unlink(block);
            free[freeCount++] = block;
        }
        prefixes?.Clear();
    }

    private void Link(int block)
    {
        var last = older[Count];
        (older[block], newer[block]) = (last, Count);
        newer[last] = older[Count] = block;
        Remembered++;
    }

    private void Unlink(int block)
    {
        newer[older[block]] = newer[block];
        older[newer[block]] = older[block];
        Remembered--;
    }
}

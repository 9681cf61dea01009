namespace Gpt35.Model;

/// <summary>The tokens of one sequence in a <see cref="KvCache"/>: the blocks they are in, and how many they are. Not thread-safe.</summary>
/// <param name="mostTokens">Most tokens it will hold.</param>
public sealed class KvSequence(int mostTokens)
{
    private readonly int[] blocks = new int[KvCache.BlocksOf(mostTokens)];

    /// <summary>Numbers of its blocks, in order.</summary>
    public ReadOnlySpan<int> Blocks => blocks.AsSpan(0, BlockCount);

    public int BlockCount { get; private set; }

    /// <summary>Tokens whose keys and values are in the cache.</summary>
    public int Length { get; private set; }

    /// <summary>Tokens for which it has blocks.</summary>
    public int Capacity => BlockCount * KvCache.BlockTokens;

    /// <summary>Adds a block behind the others.</summary>
    public void Append(int block) => blocks[BlockCount++] = block;

    /// <summary>Puts another block in the place of one, which has the same content as far as it is used.</summary>
    public void Replace(int place, int block) => blocks[place] = block;

    /// <summary>Takes off the last block.</summary>
    public int RemoveLast()
    {
        var block = blocks[--BlockCount];
        Length = Math.Min(Length, Capacity);
        return block;
    }

    /// <summary>Says how many tokens its blocks hold: after blocks came in that are filled, or to drop the last tokens.</summary>
    public void SetLength(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Capacity);
        Length = length;
    }
}

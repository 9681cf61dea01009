namespace Gpt35.Kernels;

/// <summary>
/// The keys and values of one layer, (G, blocks, one head of a block of <see cref="BlockTokens"/> tokens). Keys lie transposed, (K, 16), so that a
/// query meets one number of all of a block's keys at once; values lie as they are, (16, K).
/// </summary>
/// <param name="keys">(G, blocks, K, 16) and scales, <see cref="KvLayout.HeadBytes"/> a block; <see cref="KvLayout.BytesBehind"/> more are readable.</param>
/// <param name="values">(G, blocks, 16, K) and scales, the same.</param>
/// <param name="layout">Their sizes.</param>
/// <param name="blocks">Blocks of the cache.</param>
public readonly unsafe struct KvPages(byte* keys, byte* values, KvLayout layout, int blocks)
{
    /// <summary>Tokens of a block.</summary>
    public const int BlockTokens = 16;

    internal KvLayout Layout => layout;

    /// <summary>Keys of a head of a block.</summary>
    internal byte* Keys(int block, int group) => keys + ((nint)group * blocks + block) * layout.HeadBytes;

    /// <summary>Values of a head of a block.</summary>
    internal byte* Values(int block, int group) => values + ((nint)group * blocks + block) * layout.HeadBytes;

    /// <summary>Blocks that hold <paramref name="tokens"/> tokens.</summary>
    public static int BlocksOf(int tokens) => (tokens + BlockTokens - 1) / BlockTokens;
}

/// <summary>The sequences of a step: which rows are theirs, and which blocks hold their tokens.</summary>
/// <param name="count">B.</param>
/// <param name="starts">Where each sequence's rows start, and T at the end, (B + 1,).</param>
/// <param name="held">Tokens of each sequence before this step, (B,).</param>
/// <param name="tables">Numbers of blocks, the tables of all sequences end to end; each reaches as far as the new tokens do.</param>
/// <param name="tableStarts">Where each sequence's table starts, (B,).</param>
public readonly unsafe struct PagedSequences(int count, int* starts, int* held, int* tables, int* tableStarts)
{
    internal int Count => count;
    /// <summary>T.</summary>
    internal int AllRows => starts[count];
    /// <summary>The first row of a sequence.</summary>
    internal int Start(int sequence) => starts[sequence];
    /// <summary>New tokens of a sequence.</summary>
    internal int Rows(int sequence) => starts[sequence + 1] - starts[sequence];
    internal int Held(int sequence) => held[sequence];
    internal int* Table(int sequence) => tables + tableStarts[sequence];
}

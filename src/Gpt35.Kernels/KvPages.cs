namespace Gpt35.Kernels;

/// <summary>The keys and values of one layer in blocks of <see cref="BlockTokens"/> tokens.</summary>
/// <param name="keys">(blocks, <see cref="BlockTokens"/>, G·K).</param>
/// <param name="values">(blocks, <see cref="BlockTokens"/>, G·K).</param>
public readonly unsafe struct KvPages(float* keys, float* values)
{
    /// <summary>Tokens of a block.</summary>
    public const int BlockTokens = 16;

    internal float* Keys => keys;
    internal float* Values => values;

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
    /// <summary>The first row of a sequence.</summary>
    internal int Start(int sequence) => starts[sequence];
    /// <summary>New tokens of a sequence.</summary>
    internal int Rows(int sequence) => starts[sequence + 1] - starts[sequence];
    internal int Held(int sequence) => held[sequence];
    internal int* Table(int sequence) => tables + tableStarts[sequence];
}

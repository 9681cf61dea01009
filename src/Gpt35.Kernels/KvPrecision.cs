namespace Gpt35.Kernels;

/// <summary>How a cache holds its keys and values. What is computed with them is F32 in any case.</summary>
public enum KvPrecision
{
    /// <summary>As they were computed: 32 bits.</summary>
    F32,
    /// <summary>The upper half of an F32, rounded to nearest, ties to even: 16 bits.</summary>
    BF16,
    /// <summary>Signed bytes, and one F32 scale per token and head, max|x|/127: 8 + 32/K bits.</summary>
    Int8,
}

/// <summary>Sizes of the memory of keys, or of values; they are equal.</summary>
/// <param name="Precision">How numbers are held.</param>
/// <param name="KeyValueHeads">G.</param>
/// <param name="HeadSize">K.</param>
public readonly record struct KvLayout(KvPrecision Precision, int KeyValueHeads, int HeadSize)
{
    /// <summary>Bytes behind the last block that kernels read, and take nothing from: they load whole vectors.</summary>
    public const int BytesBehind = 256;

    /// <summary>One number.</summary>
    internal int NumberBytes => Precision switch { KvPrecision.F32 => 4, KvPrecision.BF16 => 2, _ => 1 };

    /// <summary>The numbers of one head of a block.</summary>
    internal int NumbersBytes => KvPages.BlockTokens * HeadSize * NumberBytes;

    /// <summary>One head of a block: its numbers, then its scales where it has some, one F32 for each token.</summary>
    public int HeadBytes => NumbersBytes + (Precision == KvPrecision.Int8 ? KvPages.BlockTokens * sizeof(float) : 0);

    /// <summary>One block, all heads together.</summary>
    public long BlockBytes => (long)KeyValueHeads * HeadBytes;
}

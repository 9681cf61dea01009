using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>
/// Memory for the keys and values of many sequences, (L, G, blocks of <see cref="BlockTokens"/> tokens) twice, in the precision asked for. Which block
/// belongs to which <see cref="KvSequence"/> is for its user to say; several may share one (Kwon et al. 2023).
/// </summary>
public sealed unsafe class KvCache : IDisposable
{
    /// <summary>Tokens of a block.</summary>
    public const int BlockTokens = KvPages.BlockTokens;

    private readonly NativeBuffer<byte> keys, values;
    private readonly KvLayout layout;

    /// <param name="config">Model whose keys and values it holds.</param>
    /// <param name="blocks">Blocks of <see cref="BlockTokens"/> tokens.</param>
    /// <param name="precision">How it holds them.</param>
    public KvCache(ModelConfig config, int blocks, KvPrecision precision = KvPrecision.F32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blocks, 1);
        (Config, Blocks, layout) = (config, blocks, LayoutOf(config, precision));
        Bytes = checked(2 * config.NumHiddenLayers * blocks * layout.BlockBytes);
        keys = new NativeBuffer<byte>(Bytes / 2 + KvLayout.BytesBehind);
        values = new NativeBuffer<byte>(Bytes / 2 + KvLayout.BytesBehind);
    }

    public ModelConfig Config { get; }

    public int Blocks { get; }

    public KvPrecision Precision => layout.Precision;

    /// <summary>Memory of keys, values and their scales.</summary>
    public long Bytes { get; }

    /// <summary>Blocks that hold that many tokens.</summary>
    public static int BlocksOf(int tokens) => KvPages.BlocksOf(tokens);

    /// <summary>Gives block <paramref name="to"/> the keys and values of block <paramref name="from"/>, in all layers.</summary>
    public void CopyBlock(int from, int to)
    {
        long bytes = layout.HeadBytes, heads = (long)Config.NumHiddenLayers * layout.KeyValueHeads;
        for (var head = 0L; head < heads; head++)
            foreach (var data in (ReadOnlySpan<nint>)[(nint)keys.Pointer, (nint)values.Pointer])
            {
                var first = (byte*)data + head * Blocks * bytes;
                Buffer.MemoryCopy(first + from * bytes, first + to * bytes, bytes, bytes);
            }
    }

    public void Dispose()
    {
        keys.Dispose();
        values.Dispose();
    }

    internal static KvLayout LayoutOf(ModelConfig config, KvPrecision precision) => new(precision, config.NumKeyValueHeads, config.HeadDim);

    internal KvPages Pages(int layer) => new(keys.Pointer + layer * Blocks * layout.BlockBytes, values.Pointer + layer * Blocks * layout.BlockBytes, layout, Blocks);
}

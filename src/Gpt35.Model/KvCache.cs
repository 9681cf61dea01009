using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>
/// Memory for the keys and values of many sequences, (L, blocks, <see cref="BlockTokens"/>, G·K) twice. Which block belongs to which
/// <see cref="KvSequence"/> is for its user to say; several may share one (Kwon et al. 2023).
/// </summary>
public sealed unsafe class KvCache : IDisposable
{
    /// <summary>Tokens of a block.</summary>
    public const int BlockTokens = KvPages.BlockTokens;

    private readonly NativeBuffer<float> keys, values;
    private readonly long blockFloats;

    /// <param name="config">Model whose keys and values it holds.</param>
    /// <param name="blocks">Blocks of <see cref="BlockTokens"/> tokens.</param>
    public KvCache(ModelConfig config, int blocks)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blocks, 1);
        (Config, Blocks, blockFloats) = (config, blocks, (long)BlockTokens * config.KeyValueWidth);
        var floats = checked(config.NumHiddenLayers * blocks * blockFloats);
        keys = new NativeBuffer<float>(floats);
        values = new NativeBuffer<float>(floats);
    }

    public ModelConfig Config { get; }

    public int Blocks { get; }

    /// <summary>Memory taken.</summary>
    public long Bytes => (keys.Length + values.Length) * sizeof(float);

    /// <summary>Blocks that hold that many tokens.</summary>
    public static int BlocksOf(int tokens) => KvPages.BlocksOf(tokens);

    /// <summary>Gives block <paramref name="to"/> the keys and values of block <paramref name="from"/>, in all layers.</summary>
    public void CopyBlock(int from, int to)
    {
        for (var layer = 0; layer < Config.NumHiddenLayers; layer++)
            foreach (var data in (ReadOnlySpan<nint>)[(nint)keys.Pointer, (nint)values.Pointer])
            {
                var first = (float*)data + (long)layer * Blocks * blockFloats;
                new ReadOnlySpan<float>(first + from * blockFloats, (int)blockFloats).CopyTo(new Span<float>(first + to * blockFloats, (int)blockFloats));
            }
    }

    public void Dispose()
    {
        keys.Dispose();
        values.Dispose();
    }

    internal KvPages Pages(int layer) => new(keys.Pointer + layer * Blocks * blockFloats, values.Pointer + layer * Blocks * blockFloats);
}

using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>Keys and values of a number of sequences, each in a slot of fixed capacity: (L, slots, capacity, G·K) twice.</summary>
public sealed unsafe class KvCache : IDisposable
{
    private readonly NativeBuffer<float> keys, values;
    private readonly int[] lengths;

    /// <param name="config">Model whose keys and values it holds.</param>
    /// <param name="slots">Sequences at once.</param>
    /// <param name="capacity">Most tokens a slot holds; at most the model's positions.</param>
    public KvCache(ModelConfig config, int slots, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(slots, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, config.MaxPositionEmbeddings);
        Config = config;
        Slots = slots;
        Capacity = capacity;
        lengths = new int[slots];
        var floats = checked((long)config.NumHiddenLayers * slots * capacity * config.KeyValueWidth);
        keys = new NativeBuffer<float>(floats);
        values = new NativeBuffer<float>(floats);
    }

    public ModelConfig Config { get; }
    public int Slots { get; }

    /// <summary>Most tokens a slot holds.</summary>
    public int Capacity { get; }

    /// <summary>Floats allocated.</summary>
    internal long Floats => keys.Length + values.Length;

    /// <summary>Tokens in the slot.</summary>
    public int Length(int slot) => lengths[slot];

    /// <summary>Drops all tokens of the slot from <paramref name="length"/> on.</summary>
    public void Truncate(int slot, int length = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, lengths[slot]);
        lengths[slot] = length;
    }

    public void Dispose()
    {
        keys.Dispose();
        values.Dispose();
    }

    /// <summary>Keys of a slot in a layer, (capacity, G·K).</summary>
    internal float* Keys(int layer, int slot) => keys.Pointer + Offset(layer, slot);

    /// <summary>Values of a slot in a layer, (capacity, G·K).</summary>
    internal float* Values(int layer, int slot) => values.Pointer + Offset(layer, slot);

    internal void Grow(int slot, int by) => lengths[slot] += by;

    private long Offset(int layer, int slot) => ((long)layer * Slots + slot) * Capacity * Config.KeyValueWidth;
}

using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>A cache for a fixed number of sequences that share nothing, each in a slot of fixed capacity.</summary>
public sealed class SlotCache : IDisposable
{
    private readonly KvSequence[] sequences;
    private readonly ExtendBatch batch = new();

    /// <param name="config">Model whose keys and values it holds.</param>
    /// <param name="slots">Sequences at once.</param>
    /// <param name="capacity">Most tokens a slot holds; at most the model's positions.</param>
    /// <param name="precision">How it holds keys and values.</param>
    public SlotCache(ModelConfig config, int slots, int capacity, KvPrecision precision = KvPrecision.F32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(slots, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, config.MaxPositionEmbeddings);
        Capacity = capacity;
        var blocks = KvCache.BlocksOf(capacity);
        Cache = new KvCache(config, checked(slots * blocks), precision);
        sequences = [.. Enumerable.Range(0, slots).Select(slot =>
        {
            var sequence = new KvSequence(capacity);
            for (var i = 0; i < blocks; i++) sequence.Append(slot * blocks + i);
            return sequence;
        })];
    }

    public KvCache Cache { get; }

    /// <summary>Most tokens a slot holds.</summary>
    public int Capacity { get; }

    /// <summary>Tokens in the slot.</summary>
    public int Length(int slot) => sequences[slot].Length;

    /// <summary>Drops all tokens of the slot from <paramref name="length"/> on.</summary>
    public void Truncate(int slot, int length = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, sequences[slot].Length);
        sequences[slot].SetLength(length);
    }

    public void Dispose() => Cache.Dispose();

    /// <summary>The step that gives slots their new tokens.</summary>
    /// <exception cref="ArgumentException">A slot is named twice, or outgrows its capacity.</exception>
    internal ExtendBatch Batch(ReadOnlySpan<int> slots, ReadOnlySpan<int> starts, ReadOnlySpan<int> tokens)
    {
        if (starts.Length != slots.Length + 1 || starts[^1] != tokens.Length || slots.IsEmpty)
            throw new ArgumentException($"{slots.Length} slots need {slots.Length + 1} starts that end at the number of tokens, {tokens.Length}.");
        batch.Clear();
        for (var b = 0; b < slots.Length; b++)
        {
            var fresh = starts[b + 1] - starts[b];
            if (Length(slots[b]) + fresh > Capacity)
                throw new ArgumentException($"Slot {slots[b]} holds {Length(slots[b])} tokens; {fresh} more exceed its capacity of {Capacity}.");
            batch.Add(sequences[slots[b]], tokens[starts[b]..starts[b + 1]]);
        }
        return batch;
    }
}

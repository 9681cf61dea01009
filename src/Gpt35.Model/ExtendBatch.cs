namespace Gpt35.Model;

/// <summary>
/// The sequences of one <see cref="Decoder.Extend(KvCache, ExtendBatch, Span{float}, Span{float})"/> and their new tokens, laid end to end.
/// Made once and filled anew for every step; allocates only while it grows.
/// </summary>
public sealed class ExtendBatch
{
    private KvSequence[] sequences = new KvSequence[8];
    private LoraAdapter?[] adapters = new LoraAdapter?[8];
    private int[] starts = new int[9], outputStarts = new int[9], held = new int[8], tableStarts = new int[8];
    private int[] tables = new int[64], tokens = new int[64], positions = new int[64], outputRows = new int[8];
    private int tableLength;

    /// <summary>B.</summary>
    public int SequenceCount { get; private set; }

    /// <summary>T: new tokens of all sequences.</summary>
    public int TokenCount { get; private set; }

    /// <summary>R: rows that give outputs.</summary>
    public int OutputCount { get; private set; }

    public ReadOnlySpan<int> Tokens => tokens.AsSpan(0, TokenCount);

    /// <summary>Rows of the batch that give outputs, rising, (R,).</summary>
    public ReadOnlySpan<int> OutputRows => outputRows.AsSpan(0, OutputCount);

    /// <summary>Where each sequence's outputs start, and R at the end, (B + 1,).</summary>
    public ReadOnlySpan<int> OutputStarts => outputStarts.AsSpan(0, SequenceCount + 1);

    /// <summary>Where each sequence's rows start, and T at the end, (B + 1,).</summary>
    internal ReadOnlySpan<int> Starts => starts.AsSpan(0, SequenceCount + 1);

    /// <summary>Place of each token in its sequence, (T,).</summary>
    internal ReadOnlySpan<int> Positions => positions.AsSpan(0, TokenCount);

    /// <summary>Tokens that each sequence held when it was added, (B,).</summary>
    internal ReadOnlySpan<int> Held => held.AsSpan(0, SequenceCount);

    internal ReadOnlySpan<int> Tables => tables.AsSpan(0, tableLength);
    internal ReadOnlySpan<int> TableStarts => tableStarts.AsSpan(0, SequenceCount);
    internal ReadOnlySpan<KvSequence> Sequences => sequences.AsSpan(0, SequenceCount);

    /// <summary>What each sequence is adapted with, (B,).</summary>
    internal ReadOnlySpan<LoraAdapter?> Adapters => adapters.AsSpan(0, SequenceCount);

    /// <summary>Whether any sequence is adapted.</summary>
    internal bool IsAdapted { get; private set; }

    public void Clear()
    {
        Array.Clear(sequences, 0, SequenceCount);              // so that nothing lives on because it was here
        Array.Clear(adapters, 0, SequenceCount);
        SequenceCount = TokenCount = OutputCount = tableLength = 0;
        IsAdapted = false;
    }

    /// <summary>Adds a sequence.</summary>
    /// <param name="sequence">Where its tokens so far are; it has blocks for the new ones.</param>
    /// <param name="newTokens">Ids that follow, at least one.</param>
    /// <param name="outputs">For how many of them, counted from the last, outputs are wanted.</param>
    /// <param name="adapter">
    /// What the model is adapted with for this sequence; null: nothing. Keys and values belong to the adapter they were made with, so a sequence keeps it, and
    /// shares blocks only with sequences that have the same one. Neighbours with the same adapter are computed together, so put them side by side.
    /// </param>
    /// <exception cref="ArgumentException">It has no room for the tokens, or is in the batch already.</exception>
    public void Add(KvSequence sequence, ReadOnlySpan<int> newTokens, int outputs = 1, LoraAdapter? adapter = null)
    {
        if (newTokens.IsEmpty) throw new ArgumentException("A sequence receives no token.", nameof(newTokens));
        ArgumentOutOfRangeException.ThrowIfNegative(outputs);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(outputs, newTokens.Length);
        if (sequence.Length + newTokens.Length > sequence.Capacity)
            throw new ArgumentException($"A sequence holds {sequence.Length} tokens; {newTokens.Length} more exceed its capacity of {sequence.Capacity}.", nameof(sequence));
        if (Sequences.Contains(sequence)) throw new ArgumentException("A sequence is in the batch twice.", nameof(sequence));

        var (b, t) = (SequenceCount, TokenCount);
        Reserve(ref sequences, b + 1);
        Reserve(ref adapters, b + 1);
        Reserve(ref held, b + 1);
        Reserve(ref tableStarts, b + 1);
        Reserve(ref starts, b + 2);
        Reserve(ref outputStarts, b + 2);
        Reserve(ref tables, tableLength + sequence.BlockCount);
        Reserve(ref tokens, t + newTokens.Length);
        Reserve(ref positions, t + newTokens.Length);
        Reserve(ref outputRows, OutputCount + outputs);

        (sequences[b], adapters[b], held[b], tableStarts[b]) = (sequence, adapter, sequence.Length, tableLength);
        sequence.Blocks.CopyTo(tables.AsSpan(tableLength));
        newTokens.CopyTo(tokens.AsSpan(t));
        for (var i = 0; i < newTokens.Length; i++) positions[t + i] = sequence.Length + i;
        for (var i = 0; i < outputs; i++) outputRows[OutputCount + i] = t + newTokens.Length - outputs + i;
        tableLength += sequence.BlockCount;
        (SequenceCount, TokenCount, OutputCount) = (b + 1, t + newTokens.Length, OutputCount + outputs);
        (starts[b + 1], outputStarts[b + 1]) = (TokenCount, OutputCount);
        IsAdapted |= adapter is not null;
    }

    private static void Reserve<T>(ref T[] array, int length)
    {
        if (array.Length < length) Array.Resize(ref array, Math.Max(length, 2 * array.Length));
    }
}

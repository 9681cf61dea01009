using Gpt35.Kernels;

namespace Gpt35.Model;

public sealed unsafe partial class Decoder
{
    /// <summary>
    /// Appends new tokens to sequences in a cache and gives the next-token logits after those that were asked for. A sequence may receive one
    /// token (decoding) or many (its prompt, or a part of it), and an adapter of its own; its numbers have the same bits however its tokens come and whatever
    /// else the batch holds.
    /// </summary>
    /// <param name="cache">Keys and values so far.</param>
    /// <param name="batch">The sequences and their new tokens.</param>
    /// <param name="logits">Receives (R, V), row-major; empty: not wanted.</param>
    /// <param name="states">Receives the final norm's outputs, (R, D), row-major; empty: not wanted.</param>
    /// <exception cref="ArgumentException">The batch is empty, an output has not the right length, an id is outside the vocabulary or a place outside the model's positions, or an adapter does not fit the model.</exception>
    /// <exception cref="ObjectDisposedException">The model or an adapter was disposed of.</exception>
    public void Extend(KvCache cache, ExtendBatch batch, Span<float> logits, Span<float> states = default)
    {
        CheckExtend(cache, batch, logits, states);
        using var adapters = new AdapterScope(batch.IsAdapted ? batch.Adapters : default);
        using var pass = BeginPass();
        int t = batch.TokenCount, r = batch.OutputCount, d = Config.HiddenSize;
        if (lastBatch is not null) (lastBatch, lastLost) = (null, true);
        var x = embedded.Reserve((long)t * d);
        for (var row = 0; row < t; row++) EmbedRow(batch.Tokens[row], batch.Positions[row], x + (long)row * d);
        NormalizeInput(0, x, new Rows(0, t), Reserved(0, last: false, t));

        fixed (int* starts = batch.Starts, held = batch.Held, tables = batch.Tables, tableStarts = batch.TableStarts)
        {
            var sequences = new PagedSequences(batch.SequenceCount, starts, held, tables, tableStarts);
            for (var layer = 0; layer < blocks.Length; layer++) x = ExtendBlock(layer, x, batch, cache.Pages(layer), sequences);
        }
        for (var b = 0; b < batch.SequenceCount; b++) batch.Sequences[b].SetLength(batch.Held[b] + batch.Starts[b + 1] - batch.Starts[b]);
        if (r == 0) return;

        var rows = finalRows.Reserve((long)r * d);
        for (var i = 0; i < r; i++)
            new ReadOnlySpan<float>(x + (long)(EndsEarly(batch) ? i : batch.OutputRows[i]) * d, d).CopyTo(new Span<float>(rows + (long)i * d, d));
        var h = finalNorm.Reserve((long)r * d);
        Normalize(rows, OffsetOf(DecoderLayout.FinalNormScale), OffsetOf(DecoderLayout.FinalNormShift), r, h, finalMean.Reserve(r), finalInverseDeviation.Reserve(r));
        if (!states.IsEmpty) new ReadOnlySpan<float>(h, r * d).CopyTo(states);
        if (logits.IsEmpty) return;
        fixed (float* found = logits) ProjectVocabulary(h, r, found, Dtype.Fp32);
    }

    /// <summary>The same over slots, with the logits after the last new token of each.</summary>
    /// <param name="cache">Keys and values so far.</param>
    /// <param name="slots">Which slot each sequence is in, all different, (B,).</param>
    /// <param name="starts">Where each sequence's new tokens start in <paramref name="tokens"/>, and their number at the end, (B + 1,).</param>
    /// <param name="tokens">New tokens end to end, at least one for each sequence.</param>
    /// <param name="logits">Receives (B, V), row-major.</param>
    /// <exception cref="ArgumentException">A sequence outgrows its slot, a slot is named twice, or an id is outside the vocabulary.</exception>
    public void Extend(SlotCache cache, ReadOnlySpan<int> slots, ReadOnlySpan<int> starts, ReadOnlySpan<int> tokens, Span<float> logits) =>
        Extend(cache.Cache, cache.Batch(slots, starts, tokens), logits);

    private void EmbedRow(int token, int position, float* x)
    {
        var d = Config.HiddenSize;
        if (reduced is not null) reduced.TokenEmbedding.CopyRow(token, new Span<float>(x, d));
        else new ReadOnlySpan<float>(Weight(OffsetOf(DecoderLayout.TokenEmbedding)) + (long)token * d, d).CopyTo(new Span<float>(x, d));
        var places = Weight(OffsetOf(DecoderLayout.PositionEmbedding));
        if (places == null) return;
        places += (long)position * d;
        for (var i = 0; i < d; i++) x[i] += places[i];
    }

    private float* ExtendBlock(int layer, float* x, ExtendBatch batch, KvPages pages, PagedSequences sequences)
    {
        var t = batch.TokenCount;
        var a = ActivationsOf(layer, last: false);
        var next = layer + 1 < blocks.Length ? Reserved(layer + 1, last: false, t) : null;
        ProjectQkv(layer, new Rows(0, t), a, batch);
        Rotate(a.Qkv, batch.Positions);
        PagedAttention.Forward(pool, a.Qkv, pages, sequences, shapes[layer], a.Attended);
        if (layer == blocks.Length - 1 && EndsEarly(batch))
        {
            t = batch.OutputCount;
            if (t == 0) return x;
            MoveUp(batch.OutputRows, a.Attended, Config.QueryWidth);
            MoveUp(batch.OutputRows, x, Config.HiddenSize);
        }
        ProjectAttended(layer, x, new Rows(0, t), a, default, batch);
        FeedForward(layer, new Rows(0, t), a, next, default, batch);
        return a.Output;
    }

    /// <summary>Whether only the rows with an output go on behind the last attention, which the others are needed for. Adapters find their rows by their places in the batch.</summary>
    private static bool EndsEarly(ExtendBatch batch) => !batch.IsAdapted && batch.OutputCount < batch.TokenCount;

    /// <summary>Moves the rows named, in ascending order, to the top.</summary>
    private static void MoveUp(ReadOnlySpan<int> rows, float* x, int width)
    {
        for (var i = 0; i < rows.Length; i++) new ReadOnlySpan<float>(x + (long)rows[i] * width, width).CopyTo(new Span<float>(x + (long)i * width, width));
    }

    private void CheckExtend(KvCache cache, ExtendBatch batch, ReadOnlySpan<float> logits, ReadOnlySpan<float> states)
    {
        if (batch.SequenceCount == 0) throw new ArgumentException("The batch is empty.", nameof(batch));
        if (Config.NumScalars > 0 && !logits.IsEmpty) throw new InvalidOperationException("A model with a scalar head does not generate.");
        Require(logits, Config.VocabSize, nameof(logits));
        Require(states, Config.HiddenSize, nameof(states));
        ForwardCheck.RequireIds(Config, batch.Tokens);
        if (batch.IsAdapted) RequireAdapters(batch.Adapters);
        foreach (var position in batch.Positions)
            if (position >= Config.MaxPositionEmbeddings)
                throw new ArgumentException($"A sequence reaches position {position}; the model has {Config.MaxPositionEmbeddings}.", nameof(batch));
        foreach (var block in batch.Tables)
            if ((uint)block >= (uint)cache.Blocks) throw new ArgumentException($"A sequence names block {block} of a cache of {cache.Blocks}.", nameof(batch));

        void Require(ReadOnlySpan<float> outputs, int width, string name)
        {
            if (!outputs.IsEmpty && outputs.Length != (long)batch.OutputCount * width)
                throw new ArgumentException($"The {name} need {batch.OutputCount} × {width} floats; {outputs.Length} given.", name);
        }
    }
}

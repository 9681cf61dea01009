using Gpt35.Kernels;

namespace Gpt35.Model;

public sealed unsafe partial class Decoder
{
    /// <summary>
    /// Appends tokens to cache slots and gives the next-token logits after the last new token of each.
    /// A slot may receive one token (decoding) or many (its prompt); results do not depend on the other slots of the call.
    /// </summary>
    /// <param name="cache">Keys and values so far.</param>
    /// <param name="slots">Which slot each sequence is in, all different, (B,).</param>
    /// <param name="starts">Where each sequence's new tokens start in <paramref name="tokens"/>, and their number at the end, (B + 1,).</param>
    /// <param name="tokens">New tokens end to end, at least one for each sequence.</param>
    /// <param name="logits">Receives (B, V), row-major.</param>
    /// <exception cref="ArgumentException">A sequence outgrows its slot, a slot is named twice, or an id is outside the vocabulary.</exception>
    public void Extend(KvCache cache, ReadOnlySpan<int> slots, ReadOnlySpan<int> starts, ReadOnlySpan<int> tokens, Span<float> logits)
    {
        CheckExtend(cache, slots, starts, tokens, logits);
        int t = tokens.Length, d = Config.HiddenSize;
        Span<int> rowSlots = t <= 1024 ? stackalloc int[t] : new int[t], lengths = t <= 1024 ? stackalloc int[t] : new int[t];
        if (positions.Length < t) positions = new int[t];
        var x = embedded.Reserve((long)t * d);
        for (var b = 0; b < slots.Length; b++)
            for (var row = starts[b]; row < starts[b + 1]; row++)
            {
                rowSlots[row] = slots[b];
                lengths[row] = cache.Length(slots[b]) + row - starts[b] + 1;
                positions[row] = lengths[row] - 1;
                EmbedRow(tokens[row], positions[row], x + (long)row * d);
            }

        for (var layer = 0; layer < blocks.Length; layer++)
            x = ExtendBlock(layer, x, t, cache, rowSlots, lengths);
        for (var b = 0; b < slots.Length; b++) cache.Grow(slots[b], starts[b + 1] - starts[b]);

        var last = finalRows.Reserve((long)slots.Length * d);
        for (var b = 0; b < slots.Length; b++)
            new ReadOnlySpan<float>(x + (long)(starts[b + 1] - 1) * d, d).CopyTo(new Span<float>(last + (long)b * d, d));
        var h = finalNorm.Reserve((long)slots.Length * d);
        Normalize(last, OffsetOf(DecoderLayout.FinalNormScale), OffsetOf(DecoderLayout.FinalNormShift), slots.Length, h,
            finalMean.Reserve(slots.Length), finalInverseDeviation.Reserve(slots.Length));
        fixed (float* found = logits) ProjectVocabulary(h, slots.Length, found);
    }

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

    private float* ExtendBlock(int layer, float* x, int t, KvCache cache, ReadOnlySpan<int> rowSlots, ReadOnlySpan<int> rowLengths)
    {
        int width = Config.QueryWidth, cached = Config.KeyValueWidth, qkvWidth = QkvWidth;
        var a = saved[layer & 1];
        lastBatch = null;
        a.Reserve(Config, t);

        ProjectQkv(layer, x, t, a);
        Rotate(a.Qkv, positions.AsSpan(0, rotary is null ? 0 : t));
        for (var row = 0; row < t; row++)
        {
            var place = (long)(rowLengths[row] - 1) * cached;
            var keys = a.Qkv + (long)row * qkvWidth + width;
            new ReadOnlySpan<float>(keys, cached).CopyTo(new Span<float>(cache.Keys(layer, rowSlots[row]) + place, cached));
            new ReadOnlySpan<float>(keys + cached, cached).CopyTo(new Span<float>(cache.Values(layer, rowSlots[row]) + place, cached));
        }
        Attend(layer, t, cache, rowSlots, rowLengths, a);
        ProjectAttended(layer, x, t, a, default);
        return FeedForward(layer, t, a, default);
    }

    /// <summary>Attention of every row over what its slot holds up to it.</summary>
    private void Attend(int layer, int t, KvCache cache, ReadOnlySpan<int> rowSlots, ReadOnlySpan<int> rowLengths, BlockActivations a)
    {
        float** keys = stackalloc float*[Math.Min(t, 1024)], values = stackalloc float*[Math.Min(t, 1024)];
        fixed (int* lengths = rowLengths)
            for (var from = 0; from < t; from += 1024)
            {
                var rows = Math.Min(1024, t - from);
                for (var i = 0; i < rows; i++)
                {
                    keys[i] = cache.Keys(layer, rowSlots[from + i]);
                    values[i] = cache.Values(layer, rowSlots[from + i]);
                }
                CausalAttention.Decode(pool, a.Qkv + (long)from * QkvWidth, QkvWidth, keys, values, lengths + from, rows,
                    shapes[layer], a.Attended + (long)from * Config.QueryWidth, Config.QueryWidth);
            }
    }

    private void CheckExtend(KvCache cache, ReadOnlySpan<int> slots, ReadOnlySpan<int> starts, ReadOnlySpan<int> tokens, ReadOnlySpan<float> logits)
    {
        if (Config.NumScalars > 0) throw new InvalidOperationException("A model with a scalar head does not generate.");
        if (starts.Length != slots.Length + 1 || starts[^1] != tokens.Length || slots.IsEmpty)
            throw new ArgumentException($"{slots.Length} slots need {slots.Length + 1} starts that end at the number of tokens, {tokens.Length}.");
        if (logits.Length != (long)slots.Length * Config.VocabSize)
            throw new ArgumentException($"The logits need {slots.Length} × {Config.VocabSize} floats; {logits.Length} given.");
        ForwardCheck.RequireIds(Config, tokens);
        for (var b = 0; b < slots.Length; b++)
        {
            var fresh = starts[b + 1] - starts[b];
            if (fresh < 1) throw new ArgumentException($"Slot {slots[b]} receives no token.");
            if (cache.Length(slots[b]) + fresh > cache.Capacity)
                throw new ArgumentException($"Slot {slots[b]} holds {cache.Length(slots[b])} tokens; {fresh} more exceed its capacity of {cache.Capacity}.");
            if (slots[..b].Contains(slots[b])) throw new ArgumentException($"Slot {slots[b]} is named twice.");
        }
    }
}

using System.Diagnostics;

namespace Gpt35.Model;

/// <summary>How fast a decoder reads and writes: single measurements, for others to repeat.</summary>
public static class DecoderSpeed
{
    private const int HeldTokens = 16;

    /// <summary>Tokens per second of a prompt that is read at once.</summary>
    public static double Prefill(Decoder model, int tokens)
    {
        using var cache = new SlotCache(model.Config, 1, tokens);
        var logits = new float[model.Config.VocabSize];
        var ids = Ids(model, tokens);
        var start = Stopwatch.GetTimestamp();
        model.Extend(cache, [0], [0, tokens], ids, logits);
        return tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Tokens per second of all sequences together that grow token by token, each behind a short prompt where the context has room for it.</summary>
    public static double Decode(Decoder model, int sequences, int tokens)
    {
        var held = Math.Max(1, Math.Min(HeldTokens, model.Config.MaxPositionEmbeddings - tokens));
        using var cache = new SlotCache(model.Config, sequences, Math.Min(model.Config.MaxPositionEmbeddings, held + tokens));
        var logits = new float[checked(sequences * model.Config.VocabSize)];
        int[] slots = [.. Enumerable.Range(0, sequences)], starts = [.. Enumerable.Range(0, sequences + 1)];
        model.Extend(cache, slots, [.. starts.Select(i => i * held)], Ids(model, sequences * held), logits);
        var next = Ids(model, sequences);
        var steps = Math.Min(tokens, cache.Capacity - held);
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < steps; i++)
        {
            model.Extend(cache, slots, starts, next, logits);
            for (var j = 0; j < sequences; j++) next[j] = (next[j] * 7 + i) % model.Config.VocabSize;
        }
        return (double)steps * sequences / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static int[] Ids(Decoder model, int count) => [.. Enumerable.Range(0, count).Select(i => (int)(i * 7919L % model.Config.VocabSize))];
}

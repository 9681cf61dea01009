using System.Diagnostics;
using Gpt35.Inference.Scheduling;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference;

/// <summary>How fast the engine reads and writes with a decoder, its scheduling and greedy sampling included: single measurements, for others to repeat.</summary>
public static class EngineSpeed
{
    private const int ShortPrompt = 16;

    /// <summary>Tokens per second of one prompt, to its first token.</summary>
    public static double Prefill(Decoder model, int tokens)
    {
        using var scheduler = new Scheduler(model, new EngineOptions { MaxSequences = 1, TokensPerStep = tokens, PrefixCache = false }, null, KvCache.BlocksOf(tokens + 1));
        var generation = scheduler.Submit(Request(model, tokens, 1, 0), 1);
        var start = Stopwatch.GetTimestamp();
        while (!generation.Completions.IsCompleted) scheduler.Step();
        return tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Tokens per second of all sequences together, each behind a short prompt where the context has room for it; the clock starts when all have their first token.</summary>
    /// <param name="model">The decoder.</param>
    /// <param name="sequences">How many.</param>
    /// <param name="tokens">Of each.</param>
    /// <param name="cache">How keys and values are held.</param>
    /// <param name="started">Called when the clock starts.</param>
    public static double Decode(Decoder model, int sequences, int tokens, KvPrecision cache = KvPrecision.F32, Action? started = null)
    {
        var prompt = Math.Max(1, Math.Min(ShortPrompt, model.Config.MaxPositionEmbeddings - tokens));
        var options = new EngineOptions { MaxSequences = sequences, TokensPerStep = sequences * prompt, PrefixCache = false, CachePrecision = cache };
        using var scheduler = new Scheduler(model, options, null, sequences * KvCache.BlocksOf(prompt + tokens));
        Generation[] generations = [.. Enumerable.Range(0, sequences).Select(i => scheduler.Submit(Request(model, prompt, tokens, i), sequences))];
        scheduler.Step();
        started?.Invoke();
        var (written, start) = (scheduler.Status.GeneratedTokens, Stopwatch.GetTimestamp());
        while (scheduler.HasWork) scheduler.Step();
        return (scheduler.Status.GeneratedTokens - written) / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static GenerationRequest Request(Decoder model, int prompt, int tokens, int first) =>
        new([.. Enumerable.Range(first, prompt).Select(i => (int)(i * 7919L % model.Config.VocabSize))], new SamplingOptions { Temperature = 0, MaxTokens = tokens });
}

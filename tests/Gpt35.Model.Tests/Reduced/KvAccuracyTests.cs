using Gpt35.Kernels;
using Gpt35.Tests;

namespace Gpt35.Model.Tests;

/// <summary>What a reduced cache costs a model that was trained.</summary>
public sealed class KvAccuracyTests(TrainedModel trained) : IClassFixture<TrainedModel>
{
    [Theory]
    [InlineData(KvPrecision.BF16, 0.002, 0.1)]
    [InlineData(KvPrecision.Int8, 0.005, 0.2)]
    public void Perplexity_and_logits_stay_within_their_bounds(KvPrecision precision, double perplexity, double logits)
    {
        var texts = Enumerable.Range(0, 24).Select(i => TrainedModel.Sample(1_000_000 + (ulong)i)).ToArray();
        var (change, difference) = Compare(trained.Model, texts, precision);
        TestContext.Current.SendDiagnosticMessage($"{precision}: perplexity {change:P4}, logits {difference:G3}");
        Assert.InRange(Math.Abs(change), 0, perplexity);
        Assert.InRange(difference, double.Epsilon, logits);
    }

    [Theory]
    [InlineData(KvPrecision.BF16, 0.002)]
    [InlineData(KvPrecision.Int8, 0.005)]
    public void Perplexity_of_a_very_small_real_model_stays_within_its_bound(KvPrecision precision, double perplexity)
    {
        var path = SharedData.Require("models/stories260K.bin");
        SharedData.Require("models/tok512.bin");
        using var whole = ModelFolder.Load(path, WorkerPool.Shared);
        var text = File.ReadAllText(SharedData.Require("text/tinystories_b.txt"));
        var ids = whole.Tokenizer.Encode(text.AsSpan(0, 6_000));
        int[][] texts = [.. ids.Chunk(255).Select(window => (int[])[whole.Tokenizer.StartOfText, .. window])];
        var (change, difference) = Compare(whole.Model, texts, precision);
        TestContext.Current.SendDiagnosticMessage($"{precision}: perplexity {change:P4}, logits {difference:G3}");
        Assert.InRange(Math.Abs(change), 0, perplexity);
    }

    /// <summary>Relative change of perplexity, and largest difference of a logit, each position's mean taken off.</summary>
    private static (double Perplexity, double Logits) Compare(Decoder model, int[][] texts, KvPrecision precision)
    {
        double nats = 0, largest = 0;
        var count = 0;
        var v = model.Config.VocabSize;
        foreach (var text in texts)
        {
            float[] exact = Logits(model, text, KvPrecision.F32), reduced = Logits(model, text, precision);
            for (var i = 0; i + 1 < text.Length; i++, count++)
            {
                ReadOnlySpan<float> x = exact.AsSpan(i * v, v), y = reduced.AsSpan(i * v, v);
                nats += NatsOf(y, text[i + 1]) - NatsOf(x, text[i + 1]);
                float shift = (y.ToArray().Sum() - x.ToArray().Sum()) / v;
                for (var j = 0; j < v; j++) largest = Math.Max(largest, Math.Abs(y[j] - x[j] - shift));
            }
        }
        return (Math.Exp(nats / count) - 1, largest);
    }

    /// <summary>Next-token logits after every token, (T, V).</summary>
    private static float[] Logits(Decoder model, int[] ids, KvPrecision precision)
    {
        using var cache = new KvCache(model.Config, KvCache.BlocksOf(ids.Length), precision);
        var sequence = new KvSequence(ids.Length);
        for (var block = 0; block < cache.Blocks; block++) sequence.Append(block);
        var batch = new ExtendBatch();
        batch.Add(sequence, ids, outputs: ids.Length);
        var logits = new float[ids.Length * model.Config.VocabSize];
        model.Extend(cache, batch, logits);
        return logits;
    }

    private static double NatsOf(ReadOnlySpan<float> logits, int id)
    {
        double top = float.NegativeInfinity, sum = 0;
        foreach (var logit in logits) top = Math.Max(top, logit);
        foreach (var logit in logits) sum += Math.Exp(logit - top);
        return top + Math.Log(sum) - logits[id];
    }
}

using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

/// <summary>
/// The decoder as the paper describes it, one sequence at a time, in double precision and with no trick:
/// the definition that the fast one is held against, and what finite differences are taken of.
/// </summary>
internal sealed class ReferenceDecoder
{
    private readonly ModelConfig config;
    private readonly Dictionary<string, double[]> weights;

    public ReferenceDecoder(Decoder model)
    {
        config = model.Config;
        weights = model.Parameters.All.ToDictionary(p => p.Name, p => model.Parameters.ValuesOf(p).ToArray().Select(x => (double)x).ToArray());
    }

    public double[] this[string name] => weights[name];

    /// <summary>For each scored position: log-probability of the target, entropy, scalars.</summary>
    public (double[] LogProb, double[] Entropy, double[] Scalars) Score(TokenBatch batch, double temperature = 1, ulong? dropoutKey = null)
    {
        int d = config.HiddenSize;
        var masks = Masks(batch.TokenCount, dropoutKey);
        var hidden = new double[batch.TokenCount][];
        for (var b = 0; b < batch.SequenceCount; b++)
        {
            int start = batch.SequenceStarts[b], end = batch.SequenceStarts[b + 1];
            var rows = Hidden(batch.Tokens[start..end], place => masks[place].AsMemory(start * d, (end - start) * d));
            rows.CopyTo(hidden, start);
        }
        var logProb = new List<double>();
        var entropy = new List<double>();
        var scalars = new List<double>();
        for (var i = 0; i < batch.ScoredCount; i++)
        {
            var h = Norm(hidden[batch.ScoredRows[i]], "ln_f");
            for (var s = 0; s < config.NumScalars; s++) scalars.Add(Dot(h, weights["score.weight"], s * d));
            if (config.NumScalars > 0) continue;
            var logits = Enumerable.Range(0, config.VocabSize).Select(v => Dot(h, weights["wte.weight"], v * d) / temperature).ToArray();
            var top = logits.Max();
            var logSum = top + Math.Log(logits.Sum(x => Math.Exp(x - top)));
            logProb.Add(logits[batch.Targets[i]] - logSum);
            entropy.Add(-logits.Sum(x => Math.Exp(x - logSum) * (x - logSum)));
        }
        return ([.. logProb], [.. entropy], [.. scalars]);
    }

    /// <summary>Residual stream after the last block for each position of one sequence.</summary>
    private double[][] Hidden(int[] tokens, Func<int, Memory<double>> mask)
    {
        int d = config.HiddenSize, t = tokens.Length;
        var x = new double[t][];
        for (var i = 0; i < t; i++)
            x[i] = [.. Enumerable.Range(0, d).Select(j => (weights["wte.weight"][tokens[i] * d + j] + weights["wpe.weight"][i * d + j]) * mask(0).Span[i * d + j])];
        for (var layer = 0; layer < config.NumHiddenLayers; layer++)
        {
            var attended = Attention(x.Select(row => Linear(Norm(row, $"h.{layer}.ln_1"), $"h.{layer}.attn.c_attn", 3 * d)).ToArray());
            for (var i = 0; i < t; i++)
                AddMasked(x[i], Linear(attended[i], $"h.{layer}.attn.c_proj", d), mask(2 * layer + 1).Span[(i * d)..]);
            for (var i = 0; i < t; i++)
            {
                var up = Linear(Norm(x[i], $"h.{layer}.ln_2"), $"h.{layer}.mlp.c_fc", config.IntermediateSize);
                AddMasked(x[i], Linear([.. up.Select(Gelu)], $"h.{layer}.mlp.c_proj", d), mask(2 * layer + 2).Span[(i * d)..]);
            }
        }
        return x;
    }

    private double[][] Attention(double[][] qkv)
    {
        int d = config.HiddenSize, k = config.HeadDim;
        var output = qkv.Select(_ => new double[d]).ToArray();
        for (var head = 0; head < config.NumAttentionHeads; head++)
            for (var i = 0; i < qkv.Length; i++)
            {
                var scores = Enumerable.Range(0, i + 1).Select(j =>
                    Enumerable.Range(head * k, k).Sum(c => qkv[i][c] * qkv[j][d + c]) / Math.Sqrt(k)).ToArray();
                var top = scores.Max();
                var sum = scores.Sum(s => Math.Exp(s - top));
                for (var j = 0; j <= i; j++)
                    for (var c = head * k; c < (head + 1) * k; c++)
                        output[i][c] += Math.Exp(scores[j] - top) / sum * qkv[j][2 * d + c];
            }
        return output;
    }

    private double[] Norm(double[] x, string name)
    {
        var mean = x.Average();
        var variance = x.Sum(v => (v - mean) * (v - mean)) / x.Length;
        return [.. x.Select((v, i) => (v - mean) / Math.Sqrt(variance + config.LayerNormEps) * weights[name + ".weight"][i] + weights[name + ".bias"][i])];
    }

    private double[] Linear(double[] x, string name, int outputs)
    {
        double[] w = weights[name + ".weight"], y = [.. weights[name + ".bias"]];
        for (var i = 0; i < x.Length; i++)
            for (var j = 0; j < outputs; j++) y[j] += x[i] * w[i * outputs + j];
        return y;
    }

    private static double Gelu(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));

    private static double Dot(double[] h, double[] matrix, int from)
    {
        double sum = 0;
        for (var i = 0; i < h.Length; i++) sum += h[i] * matrix[from + i];
        return sum;
    }

    private static void AddMasked(double[] x, double[] branch, Span<double> mask)
    {
        for (var i = 0; i < x.Length; i++) x[i] += branch[i] * mask[i];
    }

    /// <summary>What dropout multiplies each value by, per place in the network, read off the kernel by dropping a vector of ones.</summary>
    private unsafe double[][] Masks(int tokens, ulong? key)
    {
        var count = tokens * config.HiddenSize;
        return [.. Enumerable.Range(0, 2 * config.NumHiddenLayers + 1).Select(place =>
        {
            var ones = new float[count];
            Array.Fill(ones, 1);
            if (key is { } k && config.ResidDropout > 0)
                fixed (float* p = ones) Dropout.Apply(WorkerPool.Shared, p, count, config.ResidDropout, CounterRandom.Hash(k, (ulong)place));
            return Array.ConvertAll(ones, x => (double)x);
        })];
    }
}

using System.Numerics;
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
    private readonly (double[] Frequencies, double Scale) rotation;

    public ReferenceDecoder(Decoder model)
    {
        config = model.Config;
        if (config.PositionEncoding == PositionEncoding.Rotary) rotation = RotaryTable.Frequencies(config);
        weights = model.Parameters.All.ToDictionary(p => p.Name, p => model.Parameters.ValuesOf(p).ToArray().Select(x => (double)x).ToArray());
    }

    public double[] this[string name] => weights[name];

    /// <summary>For each scored position: log-probability of the target, entropy, scalars.</summary>
    public (double[] LogProb, double[] Entropy, double[] Scalars) Score(TokenBatch batch, double temperature = 1, ulong[]? dropoutKeys = null)
    {
        int d = config.HiddenSize;
        var hidden = new double[batch.TokenCount][];
        for (var b = 0; b < batch.SequenceCount; b++)
        {
            int start = batch.SequenceStarts[b], end = batch.SequenceStarts[b + 1];
            var masks = Masks(end - start, dropoutKeys?[b]);
            var rows = Hidden(batch.Tokens[start..end], place => masks[place]);
            rows.CopyTo(hidden, start);
        }
        var logProb = new List<double>();
        var entropy = new List<double>();
        var scalars = new List<double>();
        for (var i = 0; i < batch.ScoredCount; i++)
        {
            var h = Norm(hidden[batch.ScoredRows[i]], "ln_f");
            var readsToken = config.ScalarHead == ScalarHead.Action;
            var head = config.NumScalars > 0 && !readsToken ? [] : weights[config.TieWordEmbeddings ? "wte.weight" : "lm_head.weight"];
            var seen = readsToken ? h.Select((x, j) => x * head[batch.Targets[i] * d + j]).ToArray() : [];
            for (var s = 0; s < config.NumScalars; s++)
                scalars.Add(Dot(h, weights["score.weight"], s * d) + (readsToken ? Dot(seen, weights["score.action.weight"], s * d) : 0));
            if (config.NumScalars > 0) continue;
            var logits = Enumerable.Range(0, config.VocabSize).Select(v => Dot(h, head, v * d) / temperature).ToArray();
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
        int d = config.HiddenSize, f = config.IntermediateSize, t = tokens.Length;
        var x = new double[t][];
        for (var i = 0; i < t; i++)
            x[i] = [.. Enumerable.Range(0, d).Select(j => (weights["wte.weight"][tokens[i] * d + j] + Learned(i, j)) * mask(0).Span[i * d + j])];
        for (var layer = 0; layer < config.NumHiddenLayers; layer++)
        {
            var qkv = x.Select(row => Linear(Norm(row, $"h.{layer}.ln_1"), $"h.{layer}.attn.c_attn")).ToArray();
            var attended = Attention(qkv, layer);
            for (var i = 0; i < t; i++)
                AddMasked(x[i], Linear(attended[i], $"h.{layer}.attn.c_proj"), mask(2 * layer + 1).Span[(i * d)..]);
            for (var i = 0; i < t; i++)
            {
                var up = Linear(Norm(x[i], $"h.{layer}.ln_2"), $"h.{layer}.mlp.c_fc");
                double[] activated = config.GatedMlp ? [.. Enumerable.Range(0, f).Select(j => Act(up[j]) * up[f + j])] : [.. up.Select(Act)];
                AddMasked(x[i], Linear(activated, $"h.{layer}.mlp.c_proj"), mask(2 * layer + 2).Span[(i * d)..]);
            }
        }
        return x;
    }

    private double Learned(int position, int j) =>
        config.PositionEncoding == PositionEncoding.Learned ? weights["wpe.weight"][position * config.HiddenSize + j] : 0;

    /// <summary>Every pair of positions is scored; those that may not be seen are left out by the mask.</summary>
    private double[][] Attention(double[][] qkv, int layer)
    {
        int k = config.HeadDim, h = config.NumAttentionHeads, g = config.NumKeyValueHeads, t = qkv.Length;
        bool windowed = config.SlidingWindow is not null && !(config.SlidingWindowPattern > 0 && layer % config.SlidingWindowPattern == config.SlidingWindowPattern - 1);
        bool Sees(int i, int j) => j <= i && !(windowed && i - j >= config.SlidingWindow);
        var output = qkv.Select(_ => new double[h * k]).ToArray();
        for (var head = 0; head < h; head++)
            for (var i = 0; i < t; i++)
            {
                var shared = head / (h / g);
                var q = Turned(qkv[i][(head * k)..((head + 1) * k)], i);
                var scores = Enumerable.Range(0, t).Where(j => Sees(i, j)).Select(j =>
                    (J: j, Score: Dot(q, Turned(qkv[j][((h + shared) * k)..((h + shared + 1) * k)], j), 0) / Math.Sqrt(k))).ToArray();
                var top = scores.Max(s => s.Score);
                var sum = scores.Sum(s => Math.Exp(s.Score - top));
                foreach (var (j, score) in scores)
                    for (var c = 0; c < k; c++)
                        output[i][head * k + c] += Math.Exp(score - top) / sum * qkv[j][(h + g + shared) * k + c];
            }
        return output;
    }

    /// <summary>A head's query or key at its position: as it is, or each pair (c, c + K/2) as a complex number times m·e^(i·position·ω).</summary>
    private double[] Turned(double[] x, int position)
    {
        if (config.PositionEncoding != PositionEncoding.Rotary) return x;
        var half = x.Length / 2;
        var turned = Enumerable.Range(0, half).Select(c =>
            new Complex(x[c], x[c + half]) * Complex.FromPolarCoordinates(rotation.Scale, position * rotation.Frequencies[c])).ToArray();
        return [.. turned.Select(z => z.Real), .. turned.Select(z => z.Imaginary)];
    }

    private double[] Norm(double[] x, string name)
    {
        var scale = weights[name + ".weight"];
        if (config.Normalization == Normalization.RmsNorm)
        {
            var root = Math.Sqrt(x.Sum(v => v * v) / x.Length + config.LayerNormEps);
            return [.. x.Select((v, i) => v / root * scale[i])];
        }
        var mean = x.Average();
        var variance = x.Sum(v => (v - mean) * (v - mean)) / x.Length;
        return [.. x.Select((v, i) => (v - mean) / Math.Sqrt(variance + config.LayerNormEps) * scale[i] + weights[name + ".bias"][i])];
    }

    private double[] Linear(double[] x, string name)
    {
        var w = weights[name + ".weight"];
        var outputs = w.Length / x.Length;
        double[] y = weights.TryGetValue(name + ".bias", out var bias) ? [.. bias] : new double[outputs];
        for (var i = 0; i < x.Length; i++)
            for (var j = 0; j < outputs; j++) y[j] += x[i] * w[i * outputs + j];
        return y;
    }

    private double Act(double x) => config.HiddenAct switch
    {
        Activation.GeluTanh => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
        Activation.Gelu => x * NormalDistribution(x),
        _ => x / (1 + Math.Exp(-x)),
    };

    /// <summary>Φ(x) = ½ + ∫ φ from 0 to x, by Simpson's rule: error below 1e-6 for |x| ≤ 6.</summary>
    private static double NormalDistribution(double x)
    {
        const int Steps = 100;
        double h = x / Steps, sum = 1 + Math.Exp(-x * x / 2);
        for (var i = 1; i < Steps; i++) sum += (i % 2 == 1 ? 4 : 2) * Math.Exp(-(i * h) * (i * h) / 2);
        return 0.5 + sum * h / 3 / Math.Sqrt(2 * Math.PI);
    }

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

    /// <summary>What dropout multiplies each value of a sequence by, per place in the network, read off the kernel by dropping rows of ones.</summary>
    private unsafe double[][] Masks(int tokens, ulong? sequenceKey)
    {
        var count = tokens * config.HiddenSize;
        ulong[] keys = [.. Enumerable.Range(0, tokens).Select(position => Dropout.RowKey(sequenceKey ?? 0, position))];
        return [.. Enumerable.Range(0, 2 * config.NumHiddenLayers + 1).Select(place =>
        {
            var ones = new float[count];
            Array.Fill(ones, 1);
            if (sequenceKey is not null && config.ResidDropout > 0)
                fixed (float* p = ones)
                fixed (ulong* rowKeys = keys) Dropout.Apply(WorkerPool.Shared, p, tokens, config.HiddenSize, config.ResidDropout, rowKeys, place);
            return Array.ConvertAll(ones, x => (double)x);
        })];
    }
}

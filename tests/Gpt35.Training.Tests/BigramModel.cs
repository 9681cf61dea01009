using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Training.Tests;

/// <summary>
/// The smallest language model: a table W (V, V) whose row a holds the logits of the token after a; the scalar head is the row's first entry.
/// Its gradients are exact and short enough to check by eye, so a test of an algorithm tests the algorithm.
/// </summary>
internal sealed class BigramModel : ITrainableModel
{
    private readonly Decoder owner;
    private readonly Parameter table;
    private TokenBatch? batch;
    private float temperature = 1;

    public BigramModel(int vocabulary, bool scalar = false)
    {
        var config = new ModelConfig { VocabSize = vocabulary, HiddenSize = vocabulary, NumHiddenLayers = 1, NumAttentionHeads = 1, MaxPositionEmbeddings = 64 };
        owner = Decoder.Create(config, 1, WorkerPool.Shared);
        owner.Parameters.Values.Clear();
        table = owner.Parameters.All.First(parameter => parameter.Shape is [var rows, var columns] && rows == vocabulary && columns == vocabulary);
        Config = config with { NumScalars = scalar ? 1 : 0 };
    }

    public ModelConfig Config { get; }
    public ParameterSet Parameters => owner.Parameters;

    /// <summary>W, row-major.</summary>
    public Span<float> Table => Parameters.ValuesOf(table);
    public Span<float> TableGradient => Parameters.GradientsOf(table);
    public int TableOffset => (int)table.Offset;

    /// <summary>Passes through the model so far.</summary>
    public int Forwards { get; private set; }

    public TokenScores Forward(TokenBatch batch, ForwardRequest what)
    {
        Forwards++;
        this.batch = batch;
        temperature = what.Temperature;
        var logProb = new float[batch.ScoredCount];
        var entropy = new float[batch.ScoredCount];
        var scalars = new float[batch.ScoredCount];
        for (var n = 0; n < logProb.Length; n++)
        {
            var p = Distribution(batch.Tokens[batch.ScoredRows[n]], temperature);
            logProb[n] = (float)Math.Log(p[batch.Targets[n]]);
            entropy[n] = (float)-p.Sum(x => x * Math.Log(x));
            scalars[n] = Table[batch.Tokens[batch.ScoredRows[n]] * Config.VocabSize];
        }
        return new TokenScores { LogProb = logProb, Entropy = entropy, Scalars = scalars };
    }

    public void Backward(in TokenGradients gradients)
    {
        for (var n = 0; n < batch!.ScoredCount; n++)
        {
            var row = batch.Tokens[batch.ScoredRows[n]];
            var gradient = TableGradient.Slice(row * Config.VocabSize, Config.VocabSize);
            if (!gradients.Scalars.IsEmpty) gradient[0] += gradients.Scalars[n];
            var p = Distribution(row, temperature);
            var entropy = -p.Sum(x => x * Math.Log(x));
            for (var j = 0; j < p.Length; j++)
            {
                if (!gradients.LogProb.IsEmpty) gradient[j] += (float)(gradients.LogProb[n] * ((j == batch.Targets[n] ? 1 : 0) - p[j]) / temperature);
                if (!gradients.Entropy.IsEmpty) gradient[j] -= (float)(gradients.Entropy[n] * p[j] * (Math.Log(p[j]) + entropy) / temperature);
            }
        }
    }

    /// <summary>p(· | token), (V,).</summary>
    public double[] Distribution(int token, double temperature = 1)
    {
        var row = Table.Slice(token * Config.VocabSize, Config.VocabSize).ToArray();
        var powers = row.Select(logit => Math.Exp(logit / temperature)).ToArray();
        var sum = powers.Sum();
        return [.. powers.Select(power => power / sum)];
    }

    public void Dispose() => owner.Dispose();
}

using Gpt35.Kernels;

namespace Gpt35.Model;

public sealed unsafe partial class Decoder
{
    /// <summary>Logits of about this many floats exist at a time, in chunks of rows that the backward pass computes again …</summary>
    private const int LogitChunkFloats = 1 << 20;
    /// <summary>… where N×V is more than this, 256 MB: a third pass over the head is up to a tenth of a step's time.</summary>
    private const long KeptLogitFloats = 1 << 26;
    /// <summary>But no fewer rows: the whole vocabulary is packed anew for every chunk, and with 64 rows that is a third of the time of the product.</summary>
    private const int FewestLogitChunkRows = 256;

    private readonly BlockActivations[] saved;
    private readonly GrowingBuffer[] inputs;             // of each block, (T, D); only where activations are recomputed
    private readonly GrowingBuffer embedded = new(), finalRows = new(), finalNorm = new(), finalMean = new(), finalInverseDeviation = new();
    private readonly GrowingBuffer logits = new(), logSumExp = new(), logProbs = new(), entropies = new(), scalars = new();
    private int[] positions = [];                        // of each row within its sequence; only rotary models fill it
    private TokenBatch? lastBatch;
    private ForwardRequest lastRequest;

    public TokenScores Forward(TokenBatch batch, ForwardRequest what)
    {
        ForwardCheck.Require(Config, batch, what);
        if (what.ForBackward) RequireAllWeights();
        int tokens = batch.TokenCount, n = batch.ScoredCount, d = Config.HiddenSize;
        lastBatch = what.ForBackward ? batch : null;
        lastRequest = what;

        var x = Embed(batch, what);
        for (var layer = 0; layer < blocks.Length; layer++)
            x = ForwardBlock(layer, x, batch, what);

        // Only scored rows go on: final norm, then the head.
        var rows = finalRows.Reserve((long)n * d);
        for (var i = 0; i < n; i++)
            new ReadOnlySpan<float>(x + (long)batch.ScoredRows[i] * d, d).CopyTo(new Span<float>(rows + (long)i * d, d));
        var h = finalNorm.Reserve((long)n * d);
        Normalize(rows, OffsetOf(DecoderLayout.FinalNormScale), OffsetOf(DecoderLayout.FinalNormShift), n, h, finalMean.Reserve(n), finalInverseDeviation.Reserve(n));
        return new TokenScores
        {
            LogProb = what.LogProb || what.Entropy ? ForwardVocabulary(batch, what, h) : default,
            Entropy = what.Entropy ? new ReadOnlySpan<float>(entropies.Pointer, n) : default,
            Scalars = what.Scalars ? ForwardScalars(batch, h) : default,
        };
    }

    private float* Embed(TokenBatch batch, ForwardRequest what)
    {
        int tokens = batch.TokenCount, d = Config.HiddenSize;
        var x = embedded.Reserve((long)tokens * d);
        if (reduced is not null) EmbedReduced(batch, x);
        else fixed (int* ids = batch.Tokens, starts = batch.SequenceStarts)
            Embedding.Forward(pool, Weight(OffsetOf(DecoderLayout.TokenEmbedding)), Weight(OffsetOf(DecoderLayout.PositionEmbedding)),
                ids, starts, batch.SequenceCount, d, x);
        ApplyDropout(x, (long)tokens * d, what, place: 0);
        if (rotary is null) return x;
        if (positions.Length < tokens) positions = new int[tokens];
        for (var b = 0; b < batch.SequenceCount; b++)
            for (var row = batch.SequenceStarts[b]; row < batch.SequenceStarts[b + 1]; row++) positions[row] = row - batch.SequenceStarts[b];
        return x;
    }

    /// <summary>y = norm(x), (rows, D), and what its gradient needs.</summary>
    private void Normalize(float* x, long scale, long shift, int rows, float* y, float* mean, float* inverseDeviation)
    {
        if (Config.Normalization == Normalization.RmsNorm)
            RmsNorm.Forward(pool, x, Weight(scale), Config.LayerNormEps, rows, Config.HiddenSize, y, inverseDeviation);
        else
            LayerNorm.Forward(pool, x, Weight(scale), Weight(shift), Config.LayerNormEps, rows, Config.HiddenSize, y, mean, inverseDeviation);
    }

    /// <summary>Turns the queries and keys of rows (T, (H + 2G)·K) by their positions, or their gradients back.</summary>
    private void Rotate(float* qkv, ReadOnlySpan<int> positions, bool back = false)
    {
        if (rotary is null) return;
        var most = 0;
        foreach (var position in positions) most = Math.Max(most, position);
        var table = rotary.Reserve(most + 1);
        var heads = Config.NumAttentionHeads + Config.NumKeyValueHeads;
        fixed (int* at = positions)
            if (back) Rotary.Backward(pool, qkv, QkvWidth, at, positions.Length, heads, Config.HeadDim, table);
            else Rotary.Forward(pool, qkv, QkvWidth, at, positions.Length, heads, Config.HeadDim, table);
    }

    /// <summary>m = x + Attention(norm(x)), then m + FFN(norm(m)); returns the new residual stream, (T, D).</summary>
    private float* ForwardBlock(int layer, float* x, TokenBatch batch, ForwardRequest what)
    {
        var tokens = batch.TokenCount;
        if (what.ForBackward && ActivationCheckpointing) KeepInput(layer, x, (long)tokens * Config.HiddenSize);
        var a = ActivationsOf(layer, what.ForBackward);
        a.Reserve(Config, tokens);
        ProjectQkv(layer, x, tokens, a);
        Rotate(a.Qkv, positions.AsSpan(0, rotary is null ? 0 : tokens));
        fixed (int* starts = batch.SequenceStarts)
            CausalAttention.Forward(pool, a.Qkv, starts, batch.SequenceCount, shapes[layer], a.Attended, a.LogSumExp);
        ProjectAttended(layer, x, tokens, a, what);
        return FeedForward(layer, tokens, a, what);
    }

    /// <summary>Where a block's activations are. Those that need not last take turns in two sets of buffers; two, because a block reads its predecessor's output.</summary>
    private BlockActivations ActivationsOf(int layer, bool last) => saved[last && !ActivationCheckpointing ? layer : layer & 1];

    private void KeepInput(int layer, float* x, long count) =>
        Buffer.MemoryCopy(x, inputs[layer].Reserve(count), count * sizeof(float), count * sizeof(float));

    /// <summary>Queries, keys and values of norm(x).</summary>
    private void ProjectQkv(int layer, float* x, int tokens, BlockActivations a, ExtendBatch? batch = null)
    {
        var d = Config.HiddenSize;
        var block = blocks[layer];
        Normalize(x, block.Norm1Scale, block.Norm1Shift, tokens, a.Norm1, a.Norm1Mean, a.Norm1InverseDeviation);
        Linear(layer, LinearSite.Qkv, a.Norm1, tokens, d, QkvWidth, block.QkvWeight, block.QkvBias, a.Qkv, batch);
    }

    /// <summary>Middle = x + dropout(attended·Out + b).</summary>
    private void ProjectAttended(int layer, float* x, int tokens, BlockActivations a, ForwardRequest what, ExtendBatch? batch = null)
    {
        int d = Config.HiddenSize, width = Config.QueryWidth;
        var block = blocks[layer];
        Linear(layer, LinearSite.Out, a.Attended, tokens, width, d, block.OutWeight, block.OutBias, a.Middle, batch);
        ApplyDropout(a.Middle, (long)tokens * d, what, place: 2 * layer + 1);
        VectorMath.Add(pool, x, (long)tokens * d, a.Middle);
    }

    /// <summary>Output = middle + dropout(act(norm(middle)·Up + b)·Down + b).</summary>
    private float* FeedForward(int layer, int tokens, BlockActivations a, ForwardRequest what, ExtendBatch? batch = null)
    {
        int d = Config.HiddenSize, f = Config.IntermediateSize;
        var block = blocks[layer];
        Normalize(a.Middle, block.Norm2Scale, block.Norm2Shift, tokens, a.Norm2, a.Norm2Mean, a.Norm2InverseDeviation);
        Linear(layer, LinearSite.Up, a.Norm2, tokens, d, UpWidth, block.UpWeight, block.UpBias, a.Up, batch);
        if (Config.GatedMlp) Nonlinear.ForwardGated(pool, nonlinearity, a.Up, tokens, f, a.Activated);
        else Nonlinear.Forward(pool, nonlinearity, a.Up, (long)tokens * f, a.Activated);
        Linear(layer, LinearSite.Down, a.Activated, tokens, f, d, block.DownWeight, block.DownBias, a.Output, batch);
        ApplyDropout(a.Output, (long)tokens * d, what, place: 2 * layer + 2);
        VectorMath.Add(pool, a.Middle, (long)tokens * d, a.Output);
        return a.Output;
    }

    /// <summary>y = x·W + b, and what the adapter adds: the model's own to every row, or each sequence's to its rows.</summary>
    private void Linear(int layer, LinearSite site, float* x, int tokens, int inputs, int outputs, long weight, long bias, float* y, ExtendBatch? batch)
    {
        Matrix from = new(x, tokens, inputs), to = new(y, tokens, outputs);
        if (reduced is not null) reduced.Block(layer, site).Multiply(pool, x, tokens, Weight(bias), y);
        else Multiply(batch is null ? Dtype : Dtype.Fp32, from, WeightMatrix(weight, inputs, outputs), to, false, Weight(bias));
        adapter?.Forward(pool, layer, site, from, to);
        if (batch is { IsAdapted: true }) AddAdapters(layer, site, batch, from, to);
    }

    private ReadOnlySpan<float> ForwardVocabulary(TokenBatch batch, ForwardRequest what, float* h)
    {
        var n = batch.ScoredCount;
        var found = logProbs.Reserve(n);
        var entropy = what.Entropy ? entropies.Reserve(n) : null;
        logSumExp.Reserve(n);
        fixed (int* targets = batch.Targets)
            for (int from = 0, most = LogitRowsAtOnce(n, what.ForBackward); from < n; from += most)
            {
                var chunk = LogitsOf(h, from, Math.Min(most, n - from));
                VocabularyLoss.Forward(pool, chunk, targets + from, what.Temperature, found + from,
                    entropy == null ? null : entropy + from, logSumExp.Pointer + from);
            }
        return new ReadOnlySpan<float>(found, n);
    }

    /// <summary>h·Eᵀ for rows <paramref name="from"/> … of the scored rows, in the shared chunk buffer.</summary>
    private Matrix LogitsOf(float* h, int from, int rows)
    {
        int d = Config.HiddenSize, v = Config.VocabSize;
        var chunk = new Matrix(logits.Reserve((long)rows * v), rows, v);
        ProjectVocabulary(h + (long)from * d, rows, chunk.Data, Dtype);
        return chunk;
    }

    /// <summary>logits = h·Eᵀ, (rows, V).</summary>
    private void ProjectVocabulary(float* h, int rows, float* logits, Dtype format)
    {
        int d = Config.HiddenSize, v = Config.VocabSize;
        if (reduced is not null) reduced.OutputHead.Multiply(pool, h, rows, null, logits);
        else Multiply(format, new Matrix(h, rows, d), WeightMatrix(OutputHead, v, d).T, new Matrix(logits, rows, v));
    }

    /// <summary>Of how many of n scored rows the logits exist at a time; all n where the backward pass finds them still there; an even number, because products in bfloat16 go by pairs of rows.</summary>
    private int LogitRowsAtOnce(int n, bool forBackward) => LogitRowsLimit is { } limit ? Math.Min(n, limit) : LogitRowsAtOnce(Config, n, forBackward);

    /// <summary>Another limit, for tests.</summary>
    internal int? LogitRowsLimit { private get; set; }

    internal static int LogitRowsAtOnce(ModelConfig config, int n, bool forBackward) =>
        forBackward && (long)n * config.VocabSize <= KeptLogitFloats ? n : Math.Min(n, Math.Max(FewestLogitChunkRows, LogitChunkFloats / config.VocabSize / 2 * 2));

    /// <summary>Masks are a function of the pass's key and the place in the network, so that the backward pass makes the same ones again.</summary>
    private void ApplyDropout(float* x, long count, ForwardRequest what, int place)
    {
        if (what.DropoutKey is { } key && Config.ResidDropout > 0)
            Dropout.Apply(pool, x, count, Config.ResidDropout, CounterRandom.Hash(key, (ulong)place));
    }
}

using Gpt35.Kernels;

namespace Gpt35.Model;

public sealed unsafe partial class Decoder
{
    /// <summary>
    /// Rows that go through a block's products at a time, so that what one writes the next still finds in the cache. A power of two, and a multiple of the rows whose
    /// gradients are summed on their own: no bit depends on it.
    /// </summary>
    internal const int BlockRows = 1024;

    private readonly BlockActivations[] saved;
    private readonly GrowingBuffer[] inputs;             // of each block, (T, D); only where activations are recomputed
    private readonly GrowingBuffer embedded = new(), activated = new(), finalRows = new(), finalNorm = new(), finalMean = new(), finalInverseDeviation = new();
    private readonly GrowingBuffer scalars = new();
    private readonly GrowingBuffer rowKeys = new();      // of the dropout masks, (T,) of 64 bits each; only while dropout is on
    private int[] positions = [];                        // of each row within its sequence; only rotary models fill it
    private TokenBatch? lastBatch;
    private bool lastLost;                               // its activations were overwritten by a step of generation
    private ForwardRequest lastRequest;

    public TokenScores Forward(TokenBatch batch, ForwardRequest what)
    {
        ForwardCheck.Require(Config, batch, what);
        if (what.ForBackward) RequireAllWeights();
        using var pass = BeginCall(what.ForBackward);
        int tokens = batch.TokenCount, n = batch.ScoredCount, d = Config.HiddenSize;
        (lastBatch, lastLost) = (what.ForBackward ? batch : null, false);
        lastRequest = what;
        if (Drops(what)) DeriveRowKeys(batch, what.DropoutKeys!);

        var x = Embed(batch, what);
        NormalizeInput(0, x, new Rows(0, tokens), Reserved(0, what.ForBackward, tokens));
        for (var layer = 0; layer < blocks.Length; layer++)
            x = ForwardBlock(layer, x, batch, what);

        // Only scored rows go on: final norm, then the head.
        var rows = finalRows.Reserve((long)n * d);
        fixed (int* scored = batch.ScoredRows) SelectedRows.Gather(pool, x, scored, n, d, rows);
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
        ApplyDropout(x, new Rows(0, tokens), what, place: 0);
        if (rotary is null) return x;
        if (positions.Length < tokens) positions = new int[tokens];
        for (var b = 0; b < batch.SequenceCount; b++)
            for (var row = batch.SequenceStarts[b]; row < batch.SequenceStarts[b + 1]; row++) positions[row] = row - batch.SequenceStarts[b];
        return x;
    }

    /// <summary>y = norm(x), (rows, D), and what its gradient needs; with a residual y = norm(x + residual), and x is the sum.</summary>
    private void Normalize(float* x, long scale, long shift, int rows, float* y, float* mean, float* inverseDeviation, float* residual = null)
    {
        if (Config.Normalization == Normalization.RmsNorm)
            RmsNorm.Forward(pool, x, Weight(scale), Config.LayerNormEps, rows, Config.HiddenSize, y, inverseDeviation, residual);
        else
            LayerNorm.Forward(pool, x, Weight(scale), Weight(shift), Config.LayerNormEps, rows, Config.HiddenSize, y, mean, inverseDeviation, residual);
    }

    /// <summary>norm(x) where the block looks for it; with a residual norm(x + residual), and x is the sum.</summary>
    private void NormalizeInput(int layer, float* x, Rows rows, BlockActivations a, float* residual = null)
    {
        var d = Config.HiddenSize;
        var block = blocks[layer];
        Normalize(rows.Of(x, d), block.Norm1Scale, block.Norm1Shift, rows.Count, rows.Of(a.Norm1, d), rows.Of(a.Norm1Mean, 1), rows.Of(a.Norm1InverseDeviation, 1), residual);
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

    /// <summary>m = x + Attention(norm(x)), then m + FFN(norm(m)); returns the new residual stream, (T, D). Finds norm(x) done, and leaves that of the new stream to the next block.</summary>
    private float* ForwardBlock(int layer, float* x, TokenBatch batch, ForwardRequest what)
    {
        var tokens = batch.TokenCount;
        if (what.ForBackward && ActivationCheckpointing) KeepInput(layer, x, (long)tokens * Config.HiddenSize);
        var a = ActivationsOf(layer, what.ForBackward);
        var next = layer + 1 < blocks.Length ? Reserved(layer + 1, what.ForBackward, tokens) : null;
        Attend(layer, batch, a);
        for (int from = 0, most = RowsAtOnce(tokens); from < tokens; from += most)
        {
            var rows = Rows.From(from, most, tokens);
            ProjectAttended(layer, x, rows, a, what);
            FeedForward(layer, rows, a, next, what);
        }
        return a.Output;
    }

    /// <summary>As much of <see cref="ForwardBlock"/> as its backward pass needs again, with the same bits: everything before the nonlinearity, norm(x) included.</summary>
    private void RecomputeBlock(int layer, float* x, TokenBatch batch)
    {
        var tokens = batch.TokenCount;
        var a = ActivationsOf(layer, last: false);
        NormalizeInput(layer, x, new Rows(0, tokens), a);
        Attend(layer, batch, a);
        for (int from = 0, most = RowsAtOnce(tokens); from < tokens; from += most)
        {
            var rows = Rows.From(from, most, tokens);
            ProjectAttended(layer, x, rows, a, lastRequest);
            ProjectUp(layer, rows, a);
        }
    }

    /// <summary>Attention(norm(x)) up to its projection, of norm(x) that is done.</summary>
    private void Attend(int layer, TokenBatch batch, BlockActivations a)
    {
        int tokens = batch.TokenCount, most = RowsAtOnce(tokens);
        for (var from = 0; from < tokens; from += most) ProjectQkv(layer, Rows.From(from, most, tokens), a);
        Rotate(a.Qkv, positions.AsSpan(0, rotary is null ? 0 : tokens));
        fixed (int* starts = batch.SequenceStarts)
            CausalAttention.Forward(pool, a.Qkv, starts, batch.SequenceCount, shapes[layer], a.Attended, a.LogSumExp);
    }

    /// <summary>Where a block's activations are. Those that need not last take turns in two sets of buffers; two, because a block reads its predecessor's output.</summary>
    private BlockActivations ActivationsOf(int layer, bool last) => saved[last && !ActivationCheckpointing ? layer : layer & 1];

    private BlockActivations Reserved(int layer, bool last, int tokens)
    {
        var a = ActivationsOf(layer, last);
        a.Reserve(Config, tokens);
        return a;
    }

    private void KeepInput(int layer, float* x, long count) =>
        Buffer.MemoryCopy(x, inputs[layer].Reserve(count), count * sizeof(float), count * sizeof(float));

    /// <summary>Queries, keys and values of norm(x).</summary>
    private void ProjectQkv(int layer, Rows rows, BlockActivations a, ExtendBatch? batch = null)
    {
        var d = Config.HiddenSize;
        var block = blocks[layer];
        Linear(layer, LinearSite.Qkv, rows.Of(a.Norm1, d), rows.Count, d, QkvWidth, block.QkvWeight, block.QkvBias, rows.Of(a.Qkv, QkvWidth), batch);
    }

    /// <summary>Middle = x + dropout(attended·Out + b), and its norm.</summary>
    private void ProjectAttended(int layer, float* x, Rows rows, BlockActivations a, ForwardRequest what, ExtendBatch? batch = null)
    {
        int d = Config.HiddenSize, width = Config.QueryWidth;
        var block = blocks[layer];
        var middle = rows.Of(a.Middle, d);
        Linear(layer, LinearSite.Out, rows.Of(a.Attended, width), rows.Count, width, d, block.OutWeight, block.OutBias, middle, batch);
        ApplyDropout(middle, rows, what, place: 2 * layer + 1);
        Normalize(middle, block.Norm2Scale, block.Norm2Shift, rows.Count, rows.Of(a.Norm2, d), rows.Of(a.Norm2Mean, 1), rows.Of(a.Norm2InverseDeviation, 1), residual: rows.Of(x, d));
    }

    /// <summary>Output = middle + dropout(act(norm(middle)·Up + b)·Down + b), and its norm for the next block.</summary>
    private void FeedForward(int layer, Rows rows, BlockActivations a, BlockActivations? next, ForwardRequest what, ExtendBatch? batch = null)
    {
        int d = Config.HiddenSize, f = Config.IntermediateSize;
        var block = blocks[layer];
        float* middle = rows.Of(a.Middle, d), up = rows.Of(a.Up, UpWidth), output = rows.Of(a.Output, d);
        // Nothing but training asks again for what the nonlinearity was taken of.
        var active = batch is null || Config.GatedMlp ? activated.Reserve((long)rows.Count * f) : up;
        var activate = Config.GatedMlp ? default : new Epilogue(nonlinearity, new Matrix(active, rows.Count, f));
        ProjectUp(layer, rows, a, batch, activate);
        if (Config.GatedMlp) Nonlinear.ForwardGated(pool, nonlinearity, up, rows.Count, f, active);
        Linear(layer, LinearSite.Down, active, rows.Count, f, d, block.DownWeight, block.DownBias, output, batch);
        ApplyDropout(output, rows, what, place: 2 * layer + 2);
        if (next is null) VectorMath.Add(pool, middle, (long)rows.Count * d, output);
        else NormalizeInput(layer + 1, a.Output, rows, next, residual: middle);
    }

    /// <summary>Up = norm(middle)·Up + b, and what follows for each sum.</summary>
    private void ProjectUp(int layer, Rows rows, BlockActivations a, ExtendBatch? batch = null, Epilogue then = default)
    {
        var d = Config.HiddenSize;
        var block = blocks[layer];
        Linear(layer, LinearSite.Up, rows.Of(a.Norm2, d), rows.Count, d, UpWidth, block.UpWeight, block.UpBias, rows.Of(a.Up, UpWidth), batch, then);
    }

    /// <summary>y = x·W + b, and what the adapter adds: the model's own to every row, or each sequence's to its rows. What follows for each sum is done by the product if nothing is added.</summary>
    private void Linear(
        int layer, LinearSite site, float* x, int tokens, int inputs, int outputs, long weight, long bias, float* y, ExtendBatch? batch, Epilogue then = default)
    {
        Matrix from = new(x, tokens, inputs), to = new(y, tokens, outputs);
        var adapted = adapter is not null || batch is { IsAdapted: true };
        var atOnce = adapted ? default : then;
        if (reduced is not null)
        {
            reduced.Block(layer, site).Multiply(pool, x, tokens, Weight(bias), y, atOnce);
            reduced.After(layer, site).Foresee(pool, tokens);
        }
        else Multiply(batch is null ? Dtype : Dtype.Fp32, from, WeightMatrix(weight, inputs, outputs), to, false, Weight(bias), atOnce);
        if (!adapted) return;
        adapter?.Forward(pool, layer, site, from, to, lowRank);
        if (batch is { IsAdapted: true }) AddAdapters(layer, site, batch, from, to);
        then.Run(pool, to);
    }

    private int RowsAtOnce(int tokens) => Math.Min(tokens, RowsAtOnceLimit ?? BlockRows);

    /// <summary>Another limit, for tests: a multiple of the rows that sums over rows take at once.</summary>
    internal int? RowsAtOnceLimit { private get; set; }

    private bool Drops(ForwardRequest what) => what.DropoutKeys is not null && Config.ResidDropout > 0;

    private void DeriveRowKeys(TokenBatch batch, ulong[] sequenceKeys)
    {
        var keys = (ulong*)rowKeys.Reserve(2L * batch.TokenCount);
        for (var b = 0; b < batch.SequenceCount; b++)
            for (int start = batch.SequenceStarts[b], row = start; row < batch.SequenceStarts[b + 1]; row++) keys[row] = Dropout.RowKey(sequenceKeys[b], row - start);
    }

    /// <summary>Masks of rows (rows, D) are a function of the rows' keys and the place in the network, so that the backward pass makes the same ones again.</summary>
    private void ApplyDropout(float* x, Rows rows, ForwardRequest what, int place)
    {
        if (Drops(what)) Dropout.Apply(pool, x, rows.Count, Config.HiddenSize, Config.ResidDropout, (ulong*)rowKeys.Pointer + rows.First, place);
    }
}

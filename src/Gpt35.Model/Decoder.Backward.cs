using Gpt35.Kernels;

namespace Gpt35.Model;

public sealed unsafe partial class Decoder
{
    private readonly GrowingBuffer gradient = new(), branchGradient = new(), wideGradient = new(), activatedGradient = new(), normGradient = new();
    private readonly GrowingBuffer attendedGradient = new(), qkvGradient = new(), rowGradient = new(), rowNormGradient = new();

    public void Backward(in TokenGradients gradients)
    {
        using var pass = BeginCall();
        if (lastLost)
            throw new InvalidOperationException("Backward comes too late: an InferenceEngine over this model (or another caller of Extend) has taken a step since Forward and overwritten what Backward needs. "
                + "Let an engine's requests end before a training step begins, or train a copy (Decoder.Merge makes one).");
        if (lastBatch is not { } batch)
            throw new InvalidOperationException("Backward needs a Forward with ForBackward before it, and only once.");
        if (!gradients.Entropy.IsEmpty && !lastRequest.Entropy)
            throw new InvalidOperationException("A gradient of the entropy needs a Forward that was asked for it.");
        if (lastRequest.GoesBackAtOnce && !gradients.LogProb.SequenceEqual(lastRequest.LogProbGradient.Span))
            throw new InvalidOperationException("Forward was told the gradient of the log-probabilities and has used it; Backward needs the same one.");
        lastBatch = null;                                   // the buffers below overwrite what a second call would need
        int tokens = batch.TokenCount, n = batch.ScoredCount, d = Config.HiddenSize;

        // Head and final norm, on the scored rows only.
        var dh = rowNormGradient.Reserve((long)n * d);
        if (!gradients.LogProb.IsEmpty || !gradients.Entropy.IsEmpty) BackwardVocabulary(batch, gradients, dh);
        else new Span<float>(dh, n * d).Clear();
        if (!gradients.Scalars.IsEmpty) BackwardScalars(batch, gradients.Scalars, dh);
        var dRows = rowGradient.Reserve((long)n * d);
        NormalizeBackward(dh, finalRows.Pointer, OffsetOf(DecoderLayout.FinalNormScale), OffsetOf(DecoderLayout.FinalNormShift),
            finalMean.Pointer, finalInverseDeviation.Pointer, n, dRows, false);

        var dx = gradient.Reserve((long)tokens * d);
        fixed (int* scored = batch.ScoredRows) SelectedRows.Scatter(pool, dRows, scored, n, tokens, d, dx);
        for (var layer = blocks.Length - 1; layer >= 0; layer--)
        {
            BackwardBlock(layer, InputOf(layer, batch), dx, batch);
            // An adapter's gradients lie elsewhere; they are complete when the pass is.
            if (adapter is null) Parameters.GradientsComplete?.Invoke(blocks[layer].Norm1Scale);
        }

        if (adapter is not null) return;                    // nothing below the blocks is trained
        ApplyDropout(dx, new Rows(0, tokens), lastRequest, place: 0);
        fixed (int* ids = batch.Tokens, starts = batch.SequenceStarts)
            Embedding.Backward(dx, ids, starts, batch.SequenceCount, d,
                Gradient(OffsetOf(DecoderLayout.TokenEmbedding)), Gradient(OffsetOf(DecoderLayout.PositionEmbedding)));
    }

    /// <summary>The residual stream that entered a block, with the block's activations in place: kept since the forward pass, or computed again.</summary>
    private float* InputOf(int layer, TokenBatch batch)
    {
        if (!ActivationCheckpointing) return layer == 0 ? embedded.Pointer : saved[layer - 1].Output;
        // Those of the last block are still there.
        if (layer < blocks.Length - 1) RecomputeBlock(layer, inputs[layer].Pointer, batch);
        return inputs[layer].Pointer;
    }

    /// <summary>Turns <paramref name="dx"/>, the gradient of the block's output, into the gradient of its input <paramref name="x"/>, (T, D).</summary>
    private void BackwardBlock(int layer, float* x, float* dx, TokenBatch batch)
    {
        int tokens = batch.TokenCount, most = RowsAtOnce(tokens);
        var a = ActivationsOf(layer, last: true);
        var dAttended = attendedGradient.Reserve((long)tokens * Config.QueryWidth);
        var dQkv = qkvGradient.Reserve((long)tokens * QkvWidth);
        for (var from = 0; from < tokens; from += most)
        {
            var rows = Rows.From(from, most, tokens);
            BackwardFeedForward(layer, rows, a, dx);
            BackwardAttended(layer, rows, a, dx, dAttended);
        }
        fixed (int* starts = batch.SequenceStarts)
            CausalAttention.Backward(pool, a.Qkv, a.Attended, dAttended, a.LogSumExp, starts, batch.SequenceCount, shapes[layer], dQkv);
        Rotate(dQkv, positions.AsSpan(0, rotary is null ? 0 : tokens), back: true);
        for (var from = 0; from < tokens; from += most) BackwardQkv(layer, x, Rows.From(from, most, tokens), a, dQkv, dx);
    }

    /// <summary>output = middle + dropout(act(norm2·Up + b)·Down + b): from the gradient of the output to that of middle, in place.</summary>
    private void BackwardFeedForward(int layer, Rows rows, BlockActivations a, float* dx)
    {
        int n = rows.Count, d = Config.HiddenSize, f = Config.IntermediateSize;
        var block = blocks[layer];
        float* up = rows.Of(a.Up, UpWidth), norm = rows.Of(a.Norm2, d);
        var active = activated.Reserve((long)n * f);
        var dNorm = normGradient.Reserve((long)n * d);
        var dUp = wideGradient.Reserve((long)n * UpWidth);
        var dBranch = BranchGradient(dx, rows, place: 2 * layer + 2);
        var dActivated = Config.GatedMlp ? activatedGradient.Reserve((long)n * f) : dUp;
        if (adapter is not null) Activate(up, n, active);   // which the adapter reads before the base does
        InputGradient(layer, LinearSite.Down, active, dBranch, n, f, d, block.DownWeight, dActivated);
        if (Config.GatedMlp) Nonlinear.BackwardGated(pool, nonlinearity, up, dActivated, n, f, dUp, active);
        else Nonlinear.Backward(pool, nonlinearity, up, dUp, (long)n * f, dUp, active);
        WeightGradient(active, dBranch, n, f, d, block.DownWeight, block.DownBias);
        BackwardLinear(layer, LinearSite.Up, norm, dUp, n, d, UpWidth, block.UpWeight, block.UpBias, dNorm);
        NormalizeBackward(dNorm, rows.Of(a.Middle, d), block.Norm2Scale, block.Norm2Shift, rows.Of(a.Norm2Mean, 1), rows.Of(a.Norm2InverseDeviation, 1), n, rows.Of(dx, d), true);
    }

    /// <summary>act of (rows, F), or of the gate of (rows, 2F) times the rest, once more.</summary>
    private void Activate(float* up, int rows, float* active)
    {
        var f = Config.IntermediateSize;
        if (Config.GatedMlp) Nonlinear.ForwardGated(pool, nonlinearity, up, rows, f, active);
        else new Epilogue(nonlinearity, new Matrix(active, rows, f)).Run(pool, new Matrix(up, rows, f));
    }

    /// <summary>middle = x + dropout(attended·Out + b): from the gradient of middle to that of attended.</summary>
    private void BackwardAttended(int layer, Rows rows, BlockActivations a, float* dx, float* dAttended)
    {
        int d = Config.HiddenSize, width = Config.QueryWidth;
        var block = blocks[layer];
        var dBranch = BranchGradient(dx, rows, place: 2 * layer + 1);
        BackwardLinear(layer, LinearSite.Out, rows.Of(a.Attended, width), dBranch, rows.Count, width, d, block.OutWeight, block.OutBias, rows.Of(dAttended, width));
    }

    /// <summary>qkv = norm1(x)·Qkv + b: adds to the gradient of the block's input.</summary>
    private void BackwardQkv(int layer, float* x, Rows rows, BlockActivations a, float* dQkv, float* dx)
    {
        var d = Config.HiddenSize;
        var block = blocks[layer];
        var dNorm = normGradient.Reserve((long)rows.Count * d);
        BackwardLinear(layer, LinearSite.Qkv, rows.Of(a.Norm1, d), rows.Of(dQkv, QkvWidth), rows.Count, d, QkvWidth, block.QkvWeight, block.QkvBias, dNorm);
        NormalizeBackward(dNorm, rows.Of(x, d), block.Norm1Scale, block.Norm1Shift, rows.Of(a.Norm1Mean, 1), rows.Of(a.Norm1InverseDeviation, 1), rows.Count, rows.Of(dx, d), true);
    }

    /// <summary>The way back through <see cref="Normalize"/>: sets dx or adds to it, and adds to the gradients of scale and shift.</summary>
    private void NormalizeBackward(float* dy, float* x, long scale, long shift, float* mean, float* inverseDeviation, int rows, float* dx, bool accumulate)
    {
        if (Config.Normalization == Normalization.RmsNorm)
            RmsNorm.Backward(pool, dy, x, Weight(scale), inverseDeviation, rows, Config.HiddenSize, dx, accumulate, NormGradient(scale));
        else
            LayerNorm.Backward(pool, dy, x, Weight(scale), mean, inverseDeviation, rows, Config.HiddenSize, dx, accumulate, NormGradient(scale), NormGradient(shift));
    }

    /// <summary>y = x·W + b: dW += xᵀ·dy, db += Σ dy, dx = dy·Wᵀ; with an adapter its gradients in place of those of W and b.</summary>
    private void BackwardLinear(int layer, LinearSite site, float* x, float* dy, int rows, int inputs, int outputs, long weight, long bias, float* dx)
    {
        WeightGradient(x, dy, rows, inputs, outputs, weight, bias);
        InputGradient(layer, site, x, dy, rows, inputs, outputs, weight, dx);
    }

    private void WeightGradient(float* x, float* dy, int rows, int inputs, int outputs, long weight, long bias)
    {
        if (adapter is not null) return;
        Multiply(Dtype, new Matrix(x, rows, inputs).T, new Matrix(dy, rows, outputs), GradientMatrix(weight, inputs, outputs), true);
        if (bias != DecoderLayout.Absent) VectorMath.AddRowSum(pool, dy, rows, outputs, Gradient(bias));
    }

    private void InputGradient(int layer, LinearSite site, float* x, float* dy, int rows, int inputs, int outputs, long weight, float* dx)
    {
        Matrix dyMatrix = new(dy, rows, outputs), dxMatrix = new(dx, rows, inputs);
        Multiply(Dtype, dyMatrix, WeightMatrix(weight, inputs, outputs).T, dxMatrix);
        adapter?.Backward(pool, layer, site, new Matrix(x, rows, inputs), dyMatrix, dxMatrix, lowRank, lowRankGradient);
    }

    /// <summary>The gradient that enters a residual branch at some rows: that of dx itself, or its copy under the branch's dropout mask.</summary>
    private float* BranchGradient(float* dx, Rows rows, int place)
    {
        var gradient = rows.Of(dx, Config.HiddenSize);
        if (!Drops(lastRequest)) return gradient;
        var count = (long)rows.Count * Config.HiddenSize;
        var masked = branchGradient.Reserve(count);
        Buffer.MemoryCopy(gradient, masked, count * sizeof(float), count * sizeof(float));
        ApplyDropout(masked, rows, lastRequest, place);
        return masked;
    }
}
